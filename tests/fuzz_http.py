"""Damaged requests for every operation: `python -m tests.fuzz_http`.

Bodies, queries, headers and paths are made from right ones by changing them, and sent
through the WSGI app over repositories in memory. Each answer must be one that
openapi.yaml has for that operation, in a format that it names, and never a 500.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import logging
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import structlog
import yaml
from flask import Flask
from flask.testing import FlaskClient

from service.api.app import create_app
from tests.fuzz_tables import mutated, valid_files
from tests.integration.running import ROOT
from tests.unit.service.api.conftest import OPTIONS, POINTS, Stage

ANY_OPERATION = {400, 403, 404, 405, 408, 413, 414, 415, 422, 431}
"""What the app answers to a request for no operation, or before it gets to one."""

FIT = {
    "n_components": 2,
    "covariance_type": "full",
    "init": "k-means++",
    "n_init": 1,
    "tol": 1e-4,
    "max_iter": 50,
    "reg_covar": 1e-6,
    "random_state": 0,
    "model_name": "a name",
    "reuse": True,
}
MODEL = {
    "weights": [0.5, 0.5],
    "means": [[0, 0], [5, 5]],
    "covariances": [[[1, 0], [0, 1]], [[1, 0], [0, 1]]],
    "covariance_type": "full",
    "name": "two heaps",
}
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 2**31, 2**53, 2**63, -(2**63), 10**30, 0.5, -0.0,
    1e-320, 1e308, "", " ", "0", "1e3", "NaN", "full", "\x00", "é", "🙂", "a" * 300, [],
    [[]], [[[]]], {}, [None], [[None]], [[1, "2"]], [[1], [2, 3]], [[1e999]], {"a": {}},
)  # fmt: skip
HEADERS = {
    "Accept": (
        "*/*", "application/json", "text/csv;q=0.5, */*;q=0", "application/x-npy", "",
        ";", "a/b;q=x", "text/*, application/*;q=2", "application/json;q=0",
    ),
    "Content-Type": (
        "application/json", "application/json; charset=utf-16", "text/csv",
        "text/csv; header=absent", "text/csv; charset=latin-1", "text/csv; charset=x",
        "application/x-npy", "application/vnd.apache.parquet", "multipart/form-data",
        "application/x-www-form-urlencoded", "", ";;", "application/json;" * 50,
    ),
    "Content-Encoding": ("gzip", "identity", "br", "gzip, gzip", ""),
    "Idempotency-Key": ("k", "", "a" * 300, "é", "k"),
    "If-None-Match": ("*", '"x"', 'W/"x"', '"', "," * 50),
    "Last-Event-ID": ("0-0", "end", "-1", "9" * 40, "1-", "x", ""),
    "Range": ("bytes=0-0", "bytes=9-1", "x=1", "bytes=-"),
    "X-Request-Id": ("r", "a b", "é", "a" * 300),
    "Authorization": ("Bearer x", "Basic eDp5", "Bearer", "gmm_x"),
    "Origin": ("null", "http://evil.example", "http://localhost"),
    "Host": ("localhost", "evil.example", "localhost:99999", "[::1]", "a b", ""),
    "X-Forwarded-For": ("1.2.3.4", "x"),
    "Transfer-Encoding": ("chunked",),
    "Content-Length": ("0", "5", "999999999999", "x", "-1"),
}  # fmt: skip


@dataclass
class Findings:
    """What became of the requests."""

    outcomes: Counter[tuple[str, int]] = field(default_factory=Counter)
    surprises: list[str] = field(default_factory=list)


@dataclass
class Attempt:
    """A request that may be right."""

    operation: str
    method: str
    path: str
    query: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Fuzzer:
    """Sends requests to an app whose world is small, and begins anew now and then."""

    def __init__(self) -> None:
        self.stage = Stage()
        self.app: Flask = create_app(self.stage.services, self.stage, OPTIONS)
        self.client: FlaskClient = self.app.test_client()
        contract = yaml.safe_load((ROOT / "openapi.yaml").read_text())
        self.operations = [
            (path, method, operation)
            for path, item in contract["paths"].items()
            for method, operation in item.items()
            if method in ("get", "post", "patch", "delete", "put")
        ]
        self.ids: dict[str, list[str]] = {}
        self.files = valid_files()

    def begin(self) -> None:
        """An empty world, with a dataset, a fitted model, a queued fit and a model."""
        self.stage.world = type(self.stage.world)()
        dataset = self._create("/v1/datasets", {"data": POINTS})
        done = self._create("/v1/fits", {"dataset_id": dataset, **FIT})
        self.stage.world.work()
        queued = self._create("/v1/fits", {"data": POINTS, "n_components": 1})
        fitted = self.client.get(f"/v1/fits/{done}").get_json()["model_id"]
        model = self._create("/v1/models", MODEL)
        self.ids = {
            "dataset_id": [dataset],
            "fit_id": [done, queued],
            "model_id": [fitted, model],
            "code": ["not-found"],
        }

    def attempt(self, rng: random.Random) -> tuple[Attempt, dict[str, Any]]:
        """A request for some operation, with a few things wrong or none."""
        path, method, operation = rng.choice(self.operations)
        for name, values in self.ids.items():
            known = rng.random() < 0.8
            value = rng.choice(values) if known else _odd_text(rng)
            path = path.replace(f"{{{name}}}", quote(value, safe=""))
        attempt = Attempt(operation["operationId"], method.upper(), path)
        for parameter in operation.get("parameters", []):
            if parameter.get("in") == "query" and rng.random() < 0.2:
                attempt.query[parameter["name"]] = _odd_text(rng)
        if rng.random() < 0.1:
            attempt.query[_odd_text(rng)] = _odd_text(rng)
        if "requestBody" in operation or rng.random() < 0.05:
            self._add_body(attempt, rng)
        for name in rng.sample(sorted(HEADERS), rng.choice((0, 0, 1, 1, 2, 5))):
            attempt.headers[name] = rng.choice(HEADERS[name])
        return attempt, operation["responses"]

    def send(self, attempt: Attempt) -> tuple[int, str, bytes]:
        answer = self.client.open(
            attempt.path,
            method=attempt.method,
            query_string=attempt.query,
            headers={
                k: v.encode().decode("latin-1") for k, v in attempt.headers.items()
            },
            data=attempt.body,
        )
        try:
            if answer.mimetype == "text/event-stream":
                # The fit may never end: nobody works here.
                return answer.status_code, answer.mimetype, next(answer.response)
            return answer.status_code, answer.mimetype, answer.data
        finally:
            answer.close()

    def _add_body(self, attempt: Attempt, rng: random.Random) -> None:
        kind = rng.choice(("application/json", "application/json", *self.files))
        attempt.headers["Content-Type"] = kind
        if kind == "application/json":
            document: Any = dict(
                rng.choice((FIT | {"data": POINTS}, MODEL, {"data": POINTS}, {"n": 1}))
            )
            if attempt.operation == "sample":
                document = {"n_samples": 3, "random_state": 0}
            for _ in range(rng.choice((0, 1, 1, 2, 4))):
                document = _changed(document, rng)
            attempt.body = json.dumps(document).encode()
        else:
            attempt.body = rng.choice(self.files[kind])
        if rng.random() < 0.3:
            attempt.body = mutated(attempt.body, rng)

    def _create(self, path: str, document: dict[str, Any]) -> str:
        answer = self.client.post(path, json=document)
        assert answer.status_code in (201, 202), answer.text
        return str(answer.get_json()["id"])


def fuzz(seconds: float, seed: int) -> Findings:
    """Send changed requests for a while; request k depends on `seed` and k alone."""
    findings, fuzzer = Findings(), Fuzzer()
    end = time.monotonic() + seconds
    k = 0
    while time.monotonic() < end:
        if k % 200 == 0:
            fuzzer.begin()
        attempt, documented = fuzzer.attempt(random.Random(f"{seed}/{k}"))
        problem = ""
        try:
            status, mimetype, body = fuzzer.send(attempt)
        except Exception as error:
            status, problem = 0, repr(error)
        else:
            problem = _what_is_wrong(status, mimetype, body, documented)
        findings.outcomes[attempt.operation, status] += 1
        if problem:
            findings.surprises.append(
                f"seed {seed}, {k}: {problem}\n    {attempt}"[:1500]
            )
        k += 1
    return findings


def _what_is_wrong(
    status: int, mimetype: str, body: bytes, documented: dict[str, Any]
) -> str:
    if status >= 500 and status != 503:
        return f"{status} {body[:300]!r}"
    if str(status) not in documented and status not in ANY_OPERATION:
        return f"{status} is not in the contract"
    if status >= 400:
        if mimetype != "application/problem+json":
            return f"{status} as {mimetype!r}"
        if json.loads(body)["status"] != status:
            return f"{status} says that it is another"
    return ""


def _changed(document: Any, rng: random.Random) -> Any:
    """The document with one value, anywhere in it, replaced, removed or added."""
    if isinstance(document, dict) and document and rng.random() < 0.95:
        name = rng.choice(sorted(document))
        deed = rng.random()
        if deed < 0.15:
            return {k: v for k, v in document.items() if k != name}
        if deed < 0.25:
            return document | {_odd_text(rng): rng.choice(ODD)}
        return document | {name: _changed(document[name], rng)}
    if isinstance(document, list) and document and rng.random() < 0.7:
        index = rng.randrange(len(document))
        changed = _changed(document[index], rng)
        return [*document[:index], changed, *document[index + 1 :]]
    return rng.choice(ODD)


def _as_sent(value: str) -> str:
    """The bytes of a header as WSGI has them."""
    return value.encode().decode("latin-1")


def _odd_text(rng: random.Random) -> str:
    value = rng.choice(ODD)
    text = value if isinstance(value, str) else json.dumps(value)
    return text + rng.choice(("", "", "/", "..", "%00", "\n", "&x=1", "?"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    faulthandler.enable()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL)
    )
    findings = fuzz(arguments.seconds, arguments.seed)
    statuses: Counter[int] = Counter()
    for (_, status), count in findings.outcomes.items():
        statuses[status] += count
    for status, count in sorted(statuses.items()):
        print(f"{count:9} {status}")
    n_operations = len({operation for operation, _ in findings.outcomes})
    print(
        f"{findings.outcomes.total():9} requests for {n_operations} operations, "
        f"{len(findings.surprises)} surprises"
    )
    for surprise in findings.surprises[:10]:
        print(surprise)
    return 1 if findings.surprises else 0


if __name__ == "__main__":
    sys.exit(main())
