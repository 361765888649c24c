"""A whole service, started as a user starts it, and what tests ask of it."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import requests
from redis import Redis
from redis.exceptions import RedisError

from tests.integration.processes import (
    children,
    command_of,
    descendants,
    eventually,
    kill,
)

ROOT = Path(__file__).parents[2]
START_SECONDS = 30.0

# Of `many_rows`. Enough work for minutes: a hundred starts are tried before EM begins.
ENDLESS = {"n_components": 20, "tol": 0, "max_iter": 100_000, "n_init": 100}
# A second or two: enough for a test to see it running.
SHORT = {"n_components": 8, "tol": 0, "max_iter": 300, "random_state": 1}


@dataclass
class Service:
    """A `gmm serve` in a state folder; it can be killed and started again."""

    state_dir: Path
    settings: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None
    url: str = ""
    started_in_seconds: float = 0.0

    def start(self) -> None:
        self._close_output()
        began = time.monotonic()
        log = (self.state_dir.parent / "log").open("a")
        self.process = gmm(
            "serve",
            GMM_PORT="0",
            GMM_STATE_DIR=str(self.state_dir),
            stderr=log,
            **self.settings,
        )
        log.close()
        line = self._first_line()
        self.started_in_seconds = time.monotonic() - began
        match = re.search(r"http://\S+", line)
        assert match, f"{line!r}\n{self.log}"
        self.url = match.group()

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def log(self) -> str:
        return (self.state_dir.parent / "log").read_text()

    @property
    def everything(self) -> list[int]:
        """All processes of the service, the store's among them."""
        return [self.pid, *descendants(self.pid)]

    @property
    def workers(self) -> list[int]:
        return [pid for pid in children(self.pid) if " worker " in command_of(pid)]

    @property
    def work_horses(self) -> list[int]:
        return [horse for worker in self.workers for horse in children(worker)]

    @property
    def store(self) -> int:
        (pid,) = [pid for pid in children(self.pid) if "valkey" in command_of(pid)]
        return pid

    def kill_everything(self) -> None:
        assert self.process is not None
        if self.process.poll() is None:
            kill(*self.everything)
            self.process.wait()

    def clear_away(self) -> None:
        """Leave no process behind, whatever a test did."""
        if self.process is not None:
            self.kill_everything()
        self._close_output()
        # An orphan, where a test killed the rest.
        with suppress(RedisError):
            Redis(unix_socket_path=str(self.state_dir / "store.sock")).shutdown()

    def stop(self) -> int:
        """Stop as an operator does; return the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)

    def _close_output(self) -> None:
        if self.process is not None and self.process.stdout is not None:
            self.process.stdout.close()

    def _first_line(self) -> str:
        assert self.process is not None
        assert self.process.stdout is not None
        ready = select.select([self.process.stdout], [], [], START_SECONDS)[0]
        assert ready, self.log
        return self.process.stdout.readline()

    # What clients ask

    def get(self, path: str, **options: Any) -> requests.Response:
        return requests.get(self.url + path, timeout=60, **options)

    def post(self, path: str, **options: Any) -> requests.Response:
        return requests.post(self.url + path, timeout=60, **options)

    def upload(self, rows: np.ndarray[Any, Any]) -> str:
        """Store rows and return the id of the dataset."""
        answer = self.post("/v1/datasets", json={"data": rows.tolist()})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def many_rows(self) -> str:
        """Store as many rows as make a fit take its time; return the dataset's id."""
        body = BytesIO()
        np.save(body, cloud(100_000, 4))
        npy = {"Content-Type": "application/x-npy"}
        answer = self.post("/v1/datasets", data=body.getvalue(), headers=npy)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def submit(self, **request: Any) -> str:
        answer = self.post("/v1/fits", json=request)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def fit(self, fit_id: str, wait: float = 0) -> dict[str, Any]:
        answer = self.get(f"/v1/fits/{fit_id}", params={"wait": wait})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def wait_until_running(self, fit_id: str, attempt: int = 1) -> None:
        def runs() -> bool:
            fit = self.fit(fit_id)
            assert fit["status"] in ("queued", "running"), fit
            return fit["status"] == "running" and fit["attempt"] == attempt

        eventually(runs, 20, f"attempt {attempt}")

    def wait_until_succeeded(self, fit_id: str, seconds: float = 30) -> dict[str, Any]:
        fit = self.fit(fit_id, wait=seconds)
        assert fit["status"] == "succeeded", f"{fit}\n{self.log}"
        return fit


def gmm(*arguments: str, **settings: Any) -> subprocess.Popen[str]:
    """Start a `gmm` command with settings, and without those of the test's caller."""
    own = {k: v for k, v in os.environ.items() if not k.startswith("GMM_")}
    path = os.pathsep.join(filter(None, [str(ROOT), own.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, "-m", "service", *arguments],
        env=own
        | {"PYTHONPATH": path}
        | {k: v for k, v in settings.items() if k != "stderr"},
        stdout=subprocess.PIPE,
        stderr=settings.get("stderr", subprocess.PIPE),
        text=True,
    )


@contextmanager
def running_service(folder: Path, **settings: str) -> Iterator[Service]:
    """A service of its own; whatever a test did to it, nothing of it is left after."""
    service = Service(folder / "state", settings)
    try:
        service.start()
        yield service
    finally:
        service.clear_away()


def cloud(n_rows: int = 400, n_features: int = 2) -> np.ndarray[Any, Any]:
    """Return rows of three overlapping clusters."""
    rng = np.random.default_rng(7)
    centers = rng.normal(scale=2.0, size=(3, n_features))
    return centers[rng.integers(3, size=n_rows)] + rng.normal(size=(n_rows, n_features))
