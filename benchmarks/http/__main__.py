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
from contextlib import contextmanager, suppress
from dataclasses import dataclass
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
WARM_UP_SECONDS = 2
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
ROW = "| {:<32} | {:>10} | {:>8} | {:>8} | {:>16} | {:>6} |"


@dataclass(frozen=True)
class Served:
    """A server that runs."""

    port: int
    group: int
    """Of its processes."""

    def cpu_seconds(self) -> float:
        """What all its processes have used so far."""
        used = 0
        for status in Path("/proc").glob("[0-9]*/stat"):
            # A process may end while it is looked at.
            with suppress(OSError):
                fields = status.read_text().rpartition(")")[2].split()
                if int(fields[2]) == self.group:
                    used += int(fields[11]) + int(fields[12])
        return used / os.sysconf("SC_CLK_TCK")


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
        with server(store.url) as ours, server(store.url, "--bare") as bare:
            lines = [*loads(ours, bare), "", *large(ours.port)]
    title = "# Load over HTTP: `python -m benchmarks.http`"
    text = "\n".join([title, "", machine, "", *lines, ""])
    (RESULTS / "http.md").write_text(text)
    print(text)


def loads(ours: Served, bare: Served) -> Iterator[str]:
    """One row to predict, against views that do nothing."""
    model_id = create(ours.port, PLANE)
    targets = {
        "Flask alone, an empty view": (bare, "/empty"),
        "this app, an empty view": (ours, "/empty"),
        "this app, `predict` of one row": (ours, f"/v1/models/{model_id}/predict"),
    }
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in targets}
    for target, path in targets.values():
        loaded(target, path, WARM_UP_SECONDS)
    for _ in range(N_ROUNDS):
        # In turn, so that a busy moment of the machine falls on all of them.
        for name, (target, path) in targets.items():
            runs[name].append(loaded(target, path, SECONDS))
    yield (
        f"{N_CLIENTS} keep-alive clients for {SECONDS} s, the API on one core; wrk and "
        f"the store on another. The median of {N_ROUNDS} rounds; logs are written."
    )
    yield ""
    yield ROW.format(
        "JSON in and out",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "CPU µs a request",
        "errors",
    )
    yield "|---|---:|---:|---:|---:|---:|"
    rates, costs = [], []
    for name, measured in runs.items():
        rate, p50, p99, cpu = (
            median(run[key] for run in measured)
            for key in ("rate", "p50", "p99", "cpu")
        )
        rates.append(rate)
        costs.append(cpu)
        errors = sum(run["errors"] for run in measured)
        yield ROW.format(
            name, f"{rate:.0f}", f"{p50:.1f}", f"{p99:.1f}", f"{cpu:.0f}", int(errors)
        )
    yield ""
    yield (
        f"`predict` has {rates[2] / rates[1]:.0%} of the rate of an empty view in the "
        f"same app, and {rates[2] / rates[0]:.0%} of that of Flask alone; by the CPU "
        f"time of the server's processes, which hardly depends on what else runs, "
        f"{costs[1] / costs[2]:.0%} and {costs[0] / costs[2]:.0%}."
    )
    yield ""
    yield (
        "All three by the same server. It leaves a thread with its connection, and "
        "Python's lock favors who has it: where a request is over before the next "
        "client's thread has woken, as with Flask alone, few connections are answered "
        "at once and the others late. So a client waits ten seconds, not two, before "
        "that is an error."
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
def server(url: str, *options: str) -> Iterator[Served]:
    """A server on its own core."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    command = [sys.executable, "-m", "benchmarks.http.server", str(port), url]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([*command, *options], stderr=log, process_group=0)
        try:
            os.sched_setaffinity(process.pid, {SERVER_CORE})
            wait_for(port)
            yield Served(port, process.pid)
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


def loaded(target: Served, path: str, seconds: int) -> dict[str, float]:
    """Rate, times and errors that wrk finds, and what a request cost the server."""
    url = f"http://127.0.0.1:{target.port}{path}"
    options = ["-t1", f"-c{N_CLIENTS}", f"-d{seconds}s", "--timeout", "10s"]
    command = ["wrk", *options, "-s", str(SCRIPT), url]
    began = target.cpu_seconds()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    used = target.cpu_seconds() - began
    return measured | {"cpu": 1e6 * used / (measured["rate"] * seconds)}


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
