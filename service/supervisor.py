"""`gmm serve`: keeps the store, the API and the workers running, and stops them all.

Single-threaded on purpose: the kernel kills a child when the *thread* that started it
ends (`processes.die_with_parent`).
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from service.errors import ServiceError

STOP_SECONDS = 8.5
"""From the signal to the end of the children; what still runs then is killed."""
_FIRST_DELAY_SECONDS = 0.1
_LONGEST_DELAY_SECONDS = 5.0
_STEADY_SECONDS = 10.0
"""A child that ran for so long is restarted without delay again."""
_STORE_CHECK_SECONDS = 0.5
# SIGHUP: the terminal was closed.
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

log = structlog.get_logger(__name__)


class RestartableStore(Protocol):
    """The embedded store, or nothing where the store is somebody else's."""

    def is_running(self) -> bool: ...

    def start(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Command:
    """A child process: one of the `gmm` commands."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    inherited: tuple[int, ...] = ()
    """File descriptors it shares with us."""


@dataclass(slots=True)
class Child:
    """A command, the process that runs it now, and when it may run again."""

    command: Command
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    due_at: float = 0.0
    delay: float = _FIRST_DELAY_SECONDS

    def start(self) -> None:
        self.started_at = time.monotonic()
        parent = ["--parent", str(os.getpid())]
        self.process = subprocess.Popen(
            # -P: a folder `service` where we were started must not be taken for ours.
            [sys.executable, "-P", "-m", "service", *self.command.arguments, *parent],
            env=dict(self.command.environment),
            pass_fds=self.command.inherited,
            stdin=subprocess.DEVNULL,
            # Ctrl-C in a terminal reaches the whole group: it is for us to pass on.
            process_group=0,
        )

    def reap(self) -> int | None:
        """The exit code, once, of a process that has ended."""
        if self.process is None or (code := self.process.poll()) is None:
            return None
        self.process = None
        now = time.monotonic()
        if now - self.started_at >= _STEADY_SECONDS:
            self.delay = _FIRST_DELAY_SECONDS
        self.due_at = now + self.delay
        self.delay = min(2 * self.delay, _LONGEST_DELAY_SECONDS)
        return code

    def is_due(self) -> bool:
        return self.process is None and time.monotonic() >= self.due_at


@dataclass(slots=True)
class Supervisor:
    """Starts children, starts them again when they end, until told to stop."""

    commands: Sequence[Command]
    store: RestartableStore | None
    fatal_codes: frozenset[int]
    """Exit codes that starting again cannot cure."""
    is_ready: Callable[[], bool]
    """Asked until it is true, between other things."""
    on_ready: Callable[[], None]
    children: list[Child] = field(default_factory=list)

    def run(self) -> int:
        """Run until a signal or a fatal end of a child; return the exit code."""
        with _wakeups() as wakeups:
            self.children = [Child(command) for command in self.commands]
            try:
                return self._watch(wakeups)
            finally:
                if wakeups.stop_requested:
                    log.info("stopping", signal=wakeups.stop_signal)
                self._stop(wakeups)

    def _watch(self, wakeups: Wakeups) -> int:
        ready, store_due = False, 0.0
        while not wakeups.stop_requested:
            for child in self.children:
                code = child.reap()
                if code in self.fatal_codes:
                    return code
                if code is not None:
                    log.error("process ended", name=child.command.name, code=code)
                if child.is_due():
                    child.start()
            if not ready and self.is_ready():
                ready = True
                self.on_ready()
            if time.monotonic() > store_due:
                store_due = self._check_store() + time.monotonic()
            wakeups.wait(0.01 if not ready else _STORE_CHECK_SECONDS)
        return 0

    def _check_store(self) -> float:
        """See to it that the store runs; return when to look again, in seconds."""
        if self.store is None or self.store.is_running():
            return _STORE_CHECK_SECONDS
        log.error("store ended; it is started again")
        try:
            self.store.start()
        except (ServiceError, OSError) as error:
            # Its disk may be full. The others wait for it, and so do we.
            log.error("store not started", reason=str(error))
            return _LONGEST_DELAY_SECONDS
        return _STORE_CHECK_SECONDS

    def _stop(self, wakeups: Wakeups) -> None:
        """Ask all children to end, and see to it that they do."""
        running = [child.process for child in self.children if child.process]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        while any(process.poll() is None for process in running):
            # A second Ctrl-C means: at once.
            if time.monotonic() > deadline or wakeups.n_stop_requests > 1:
                break
            wakeups.wait(0.05)
        for process in running:
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()


@dataclass(slots=True)
class Wakeups:
    """Signals, received as bytes in a pipe so that waiting for them can time out."""

    pipe: int
    n_stop_requests: int = 0
    stop_signal: str | None = None
    """The first that asked us to stop."""

    @property
    def stop_requested(self) -> bool:
        return self.n_stop_requests > 0

    def wait(self, timeout_seconds: float) -> None:
        if select.select([self.pipe], [], [], timeout_seconds)[0]:
            received = os.read(self.pipe, 1024)
            stops = [number for number in received if number in _STOP_SIGNALS]
            self.n_stop_requests += len(stops)
            if stops and self.stop_signal is None:
                self.stop_signal = signal.Signals(stops[0]).name


@contextmanager
def _wakeups() -> Iterator[Wakeups]:
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    for number in (*_STOP_SIGNALS, signal.SIGCHLD):
        # Ignored by our parent: that is how `nohup` says to outlive the terminal.
        if signal.getsignal(number) is not signal.SIG_IGN:
            # The pipe gets the number; the handler has only to be there.
            signal.signal(number, lambda *_: None)
    previous = signal.set_wakeup_fd(writable)
    try:
        yield Wakeups(readable)
    finally:
        signal.set_wakeup_fd(previous)
        os.close(readable)
        os.close(writable)
