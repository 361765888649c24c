"""Measure, and write `benchmarks/results/http.md`."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.machine import RESULTS, description
from gmm_engine import GaussianMixture
from service.commands.stores import embedded_store, prepare

SERVER_CORE, CLIENT_CORE = 0, 1
N_CLIENTS = 50
SECONDS = 10
N_ROUNDS = 3
SCRIPT = Path(__file__).with_name("predict.lua")
MODEL = {
    "weights": [0.2] * 5,
    "means": (np.arange(50.0).reshape(5, 10) % 7).tolist(),
    "covariances": [[1.0] * 10] * 5,
    "covariance_type": "diag",
}
PLANE = {
    "weights": [0.5, 0.5],
    "means": [[0, 0], [5, 5]],
    "covariances": [[[1, 0.5], [0.5, 1]]] * 2,
}
ROW = "| {:<44} | {:>10} | {:>8} | {:>8} | {:>6} |"


def main() -> None:
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing (apt-get install wrk)")
    if not hasattr(os, "sched_setaffinity") or (os.cpu_count() or 1) < 2:
        sys.exit("two cores, and a system that can bind processes to them, are needed")
    machine = description()
    # What is started from here inherits it: the store, and the client.
    os.sched_setaffinity(0, {CLIENT_CORE})
    with (
        tempfile.TemporaryDirectory(prefix="gmm-") as folder,
        embedded_store(Path(folder) / "state") as store,
    ):
        prepare(store.url, is_ours=True)
        with server(store.url) as port, server(store.url, "--bare") as bare_port:
            lines = [*loads(port, bare_port), "", *large(port)]
    title = "# Load over HTTP: `python -m benchmarks.http`"
    text = "\n".join([title, "", machine, "", *lines, ""])
    (RESULTS / "http.md").write_text(text)
    print(text)


def loads(port: int, bare_port: int) -> Iterator[str]:
    """One row to predict, against views that do nothing."""
    model_id = create(port, PLANE)
    targets = {
        "Flask alone, an empty view": (bare_port, "/empty"),
        "this app, an empty view": (port, "/empty"),
        "this app, `predict` of one row": (port, f"/v1/models/{model_id}/predict"),
    }
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in targets}
    for _ in range(N_ROUNDS):
        # In turn, so that a busy moment of the machine falls on all of them.
        for name, (target_port, path) in targets.items():
            runs[name].append(wrk(f"http://127.0.0.1:{target_port}{path}"))
    yield (
        f"{N_CLIENTS} keep-alive clients for {SECONDS} s, the API on one core; wrk and "
        f"the store on another. The median of {N_ROUNDS} rounds; logs are written."
    )
    yield ""
    yield ROW.format("JSON in and out", "requests/s", "p50 ms", "p99 ms", "errors")
    yield "|---|---:|---:|---:|---:|"
    rates = []
    for name, measured in runs.items():
        rate, p50, p99 = (
            median(run[key] for run in measured) for key in ("rate", "p50", "p99")
        )
        rates.append(rate)
        errors = sum(run["errors"] for run in measured)
        yield ROW.format(name, f"{rate:.0f}", f"{p50:.1f}", f"{p99:.1f}", int(errors))
    yield ""
    yield (
        f"`predict` has {rates[2] / rates[1]:.0%} of the rate of an empty view in the "
        f"same app, and {rates[2] / rates[0]:.0%} of that of Flask alone."
    )


def large(port: int) -> Iterator[str]:
    """A large table in, and one out."""
    n_rows, n_features = 100_000, 10
    X = np.random.default_rng(0).normal(size=(n_rows, n_features))
    mixture = GaussianMixture(
        MODEL["weights"],
        MODEL["means"],
        MODEL["covariances"],
        covariance_type="diag",
    )
    path = f"/v1/models/{create(port, MODEL)}/predict_proba"
    n_bytes = n_rows * mixture.n_components * 8
    body = npy(X)
    connection = HTTPConnection("127.0.0.1", port)
    answer = post(connection, path, body)
    found = np.load(io.BytesIO(answer))
    assert np.allclose(found, mixture.predict_proba(X))
    times: dict[str, list[float]] = {"engine": [], "copy": [], "request": []}
    for _ in range(40):
        times["engine"].append(seconds(lambda: mixture.predict_proba(X)))
        times["copy"].append(
            seconds(lambda: post(connection, f"/copy/{n_bytes}", body))
        )
        times["request"].append(seconds(lambda: post(connection, path, body)))
    engine, copied, whole = (1000 * median(each) for each in times.values())
    yield f"`predict_proba` of {n_rows} × {n_features}, 5 components, npy in and out:"
    yield ""
    yield "| engine | copy through the server | request | request / (engine + copy) |"
    yield "|---:|---:|---:|---:|"
    yield (
        f"| {engine:.1f} ms | {copied:.1f} ms | {whole:.1f} ms "
        f"| {whole / (engine + copied):.2f} |"
    )
    yield ""
    yield "Medians of 40; the engine's own time is that of a process on the other core."


@contextmanager
def server(url: str, *options: str) -> Iterator[int]:
    """A server on its own core; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    command = [sys.executable, "-m", "benchmarks.http.server", str(port), url]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([*command, *options], stderr=log, process_group=0)
        try:
            os.sched_setaffinity(process.pid, {SERVER_CORE})
            wait_for(port)
            yield port
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for(port: int) -> None:
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            # What is imported, and compiled, beside the first requests.
            time.sleep(5)
            return
    sys.exit("the server does not answer")


def wrk(url: str) -> dict[str, float]:
    command = ["wrk", "-t1", f"-c{N_CLIENTS}", f"-d{SECONDS}s", "-s", str(SCRIPT), url]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def create(port: int, model: dict[str, object]) -> str:
    connection = HTTPConnection("127.0.0.1", port)
    headers = {"Content-Type": "application/json"}
    connection.request("POST", "/v1/models", json.dumps(model), headers)
    return str(json.load(connection.getresponse())["id"])


def post(connection: HTTPConnection, path: str, body: bytes) -> bytes:
    headers = {"Content-Type": "application/x-npy", "Accept": "application/x-npy"}
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    content = answer.read()
    assert answer.status == 200, content
    return content


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def seconds(function) -> float:  # type: ignore[no-untyped-def]
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
