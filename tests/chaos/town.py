"""A service as in production: each process by itself, and a keeper that revives it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread

from redis import Redis
from redis.exceptions import RedisError

from service.storage.embedded import server_binary
from tests.integration.processes import children

ROOT = Path(__file__).parents[2]
REVIVAL_SECONDS = 0.3
"""After how long the keeper starts a dead process again, as docker would."""


@dataclass
class Resident:
    """A process that is started again whenever it ends."""

    name: str
    command: Sequence[str]
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    n_starts: int = 0
    is_revived: bool = True
    busy: Lock = field(default_factory=Lock)
    """Held while a fault is at work on it."""

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
            )
        self.n_starts += 1

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        if self.is_alive():
            os.kill(self.pid, number)

    @property
    def work_horses(self) -> list[int]:
        return children(self.pid) if self.is_alive() else []


@dataclass
class Town:
    """One store, some API processes, some workers."""

    folder: Path
    ports: Sequence[int]
    n_workers: int
    settings: dict[str, str] = field(default_factory=dict)
    """Of all processes."""
    store: Resident = field(init=False)
    apis: list[Resident] = field(init=False)
    workers: list[Resident] = field(init=False)
    _closing: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self.store = self._resident("store", self._store_command())
        self.apis = [
            self._resident(f"api {i}", self._gmm("api"), GMM_PORT=str(port))
            for i, port in enumerate(self.ports, 1)
        ]
        self.workers = [
            self._resident(f"worker {i}", self._gmm("worker"))
            for i in range(1, self.n_workers + 1)
        ]

    @property
    def url(self) -> str:
        return f"unix://{self.folder}/store.sock"

    @property
    def everybody(self) -> list[Resident]:
        return [self.store, *self.apis, *self.workers]

    @property
    def api_urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    def client(self) -> Redis:
        return Redis.from_url(self.url, socket_timeout=1)

    def open(self) -> None:
        self.store.start()
        self._wait_for_store()
        migration = self._gmm("migrate")
        subprocess.run(
            migration, env=self.apis[0].environment, check=True, cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        for resident in [*self.apis, *self.workers]:
            resident.start()
        Thread(target=self._keep, daemon=True).start()

    def close(self) -> None:
        self._closing.set()
        time.sleep(2 * REVIVAL_SECONDS)
        for resident in reversed(self.everybody):
            resident.send(signal.SIGCONT)
            resident.send(signal.SIGKILL)
            if resident.process is not None:
                resident.process.wait()

    def _keep(self) -> None:
        while not self._closing.wait(REVIVAL_SECONDS):
            for resident in self.everybody:
                if resident.is_revived and not resident.is_alive():
                    resident.start()

    def _wait_for_store(self) -> None:
        for _ in range(1000):
            try:
                with self.client() as client:
                    client.ping()
            except RedisError:
                time.sleep(0.01)
            else:
                return
        raise AssertionError("the store does not answer")

    def _gmm(self, *arguments: str) -> list[str]:
        return [sys.executable, "-P", "-m", "service", *arguments]

    def _store_command(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": f"{self.folder}/store.sock",
            "dir": str(self.folder),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "always",
            "maxmemory-policy": "noeviction",
        }
        words = [w for name, value in options.items() for w in (f"--{name}", value)]
        return [str(server_binary()), *words]

    def _resident(self, name: str, command: list[str], **settings: str) -> Resident:
        own = {k: v for k, v in os.environ.items() if not k.startswith("GMM_")}
        path = os.pathsep.join(filter(None, [str(ROOT), own.get("PYTHONPATH")]))
        environment = own | {
            "PYTHONPATH": path,
            "GMM_REDIS_URL": self.url,
            "GMM_RATE_LIMIT": "0",
            "GMM_STATE_DIR": f"{self.folder}/state",
            **self.settings,
            **settings,
        }
        log = self.folder / f"{name.replace(' ', '-')}.log"
        return Resident(name, command, environment, log)


@contextmanager
def running_town(
    folder: Path, n_apis: int, n_workers: int, **settings: str
) -> Iterator[Town]:
    town = Town(folder, [_free_port() for _ in range(n_apis)], n_workers, settings)
    try:
        town.open()
        yield town
    finally:
        town.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
