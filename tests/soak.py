"""`python -m tests.soak --minutes 10`: a service in use for long does not grow.

Clients submit fits, store datasets and models and draw samples, as fast as they are
answered, while everything lives for a few seconds only. What the store holds must reach
a plateau: its memory, its keys, those of RQ among them.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from redis import Redis

from tests.integration.running import Service, cloud, running_service

_CLIENTS = 3
# Lists and the like have no fourth part; `_` is for what there is one of anyway.
_IS_OF_ONE_THING = re.compile(rb"gmm:[^_:][^:]*:[^:]+:|rq:(job|results|execution):")
_ALLOWED = {200, 201, 202, 204, 404, 409, 429, 503}
"""404: it expired in between; 409 and 429: a dataset in use, a full queue."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What the store held at a moment."""

    seconds: float
    n_requests: int
    n_keys: int
    n_rq_keys: int
    memory_bytes: int


@dataclass(slots=True)
class Load:
    """Clients that ask for one of everything, again and again."""

    url: str
    stopping: threading.Event = field(default_factory=threading.Event)
    n_requests: int = 0
    surprises: list[str] = field(default_factory=list)
    _rows: list[list[float]] = field(default_factory=lambda: cloud(60).tolist())

    @contextmanager
    def running(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._client) for _ in range(_CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stopping.set()
            for thread in threads:
                thread.join()

    def _client(self) -> None:
        with requests.Session() as session:
            while not self.stopping.is_set():
                self._round(session)

    def _round(self, session: requests.Session) -> None:
        fit = self._post(session, "/v1/fits", data=self._rows, n_components=2)
        dataset = self._post(session, "/v1/datasets", data=self._rows)
        if "id" in dataset:
            request = {"dataset_id": dataset["id"], "n_components": 2, "reuse": True}
            self._post(session, "/v1/fits", **request)
        model = {"weights": [1], "means": [[0, 0]], "covariances": [[[1, 0], [0, 1]]]}
        made = self._post(session, "/v1/models", **model)
        if "id" in made:
            self._post(session, f"/v1/models/{made['id']}/sample", n_samples=10)
        if "id" in fit:
            self._ask(session, "GET", f"/v1/fits/{fit['id']}?wait=1")
            self._ask(session, "GET", "/v1/fits?limit=5")

    def _post(
        self, session: requests.Session, path: str, **body: object
    ) -> dict[str, Any]:
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        answer = self._ask(session, "POST", path, json=body, headers=headers)
        return dict(answer.json())

    def _ask(
        self, session: requests.Session, method: str, path: str, **options: Any
    ) -> requests.Response:
        answer = session.request(method, self.url + path, timeout=60, **options)
        self.n_requests += 1
        if answer.status_code not in _ALLOWED:
            self.surprises.append(f"{method} {path}: {answer.text[:500]}")
        return answer


def short_lived(seconds: int) -> dict[str, str]:
    """Settings under which nothing is kept for longer."""
    names = ("DATASET", "FIT", "MODEL", "TRAJECTORY", "IDEMPOTENCY")
    return {f"GMM_{name}_TTL_SECONDS": str(seconds) for name in names} | {
        "GMM_MAX_QUEUED_FITS": "20"
    }


def soak(service: Service, seconds: float, every_seconds: float) -> Iterator[Sample]:
    """Yield samples of the store while the service is in use."""
    load = Load(service.url)
    began = time.monotonic()
    with (
        Redis(unix_socket_path=str(service.state_dir / "store.sock")) as store,
        load.running(),
    ):
        while (passed := time.monotonic() - began) < seconds:
            time.sleep(every_seconds)
            yield Sample(
                passed + every_seconds,
                load.n_requests,
                store.dbsize(),
                sum(1 for _ in store.scan_iter("rq:*", count=1000)),
                store.info("memory")["used_memory"],
            )
            assert not load.surprises, load.surprises[0]


def leftovers(service: Service, ttl_seconds: int) -> list[str]:
    """Keys of single things that are still there after all of them have expired."""
    with Redis(unix_socket_path=str(service.state_dir / "store.sock")) as store:
        deadline = time.monotonic() + ttl_seconds + 10
        while found := [
            key.decode()
            for key in store.scan_iter("*", count=1000)
            if _IS_OF_ONE_THING.match(key)
        ]:
            if time.monotonic() > deadline:
                return found
            time.sleep(0.1)
    return []


def assert_plateau(samples: Sequence[Sample], warm_up_seconds: float) -> None:
    """Check that the second half of the time needed no more than the first.

    What is kept depends on how many requests a second there were, which is unsteady:
    hence a quarter more, and something for the store's own buffers.
    """
    warm = [sample for sample in samples if sample.seconds > warm_up_seconds]
    half = len(warm) // 2
    for quantity, slack in (
        ("n_keys", 50),
        ("n_rq_keys", 20),
        ("memory_bytes", 1 << 20),
    ):
        first, second = (
            max(getattr(sample, quantity) for sample in part)
            for part in (warm[:half], warm[half:])
        )
        assert second <= 1.25 * first + slack, (
            f"{quantity} grew from {first} to {second}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--ttl-seconds", type=int, default=10)
    arguments = parser.parse_args()
    seconds, ttl = 60 * arguments.minutes, arguments.ttl_seconds
    samples = []
    print(" seconds  requests   keys  rq keys  store MiB")
    with (
        tempfile.TemporaryDirectory(prefix="gmm-") as folder,
        running_service(Path(folder), **short_lived(ttl)) as service,
    ):
        for sample in soak(service, seconds, max(1.0, seconds / 40)):
            samples.append(sample)
            print(
                f"{sample.seconds:8.0f}  {sample.n_requests:8}  {sample.n_keys:5}  "
                f"{sample.n_rq_keys:7}  {sample.memory_bytes / (1 << 20):9.2f}",
                flush=True,
            )
        left = leftovers(service, ttl)
    assert_plateau(samples, warm_up_seconds=3 * ttl)
    print("plateau: the second half of the time needed no more than the first")
    assert not left, left
    print("and once all has expired no key of any of it is left")


if __name__ == "__main__":
    sys.exit(main())
