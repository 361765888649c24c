"""The work-horse: the process that computes one attempt of one fit."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Event
from types import FrameType

import structlog

from service import processes
from service.errors import (
    StorageUnavailableError,
    TimeLimitExceededError,
)
from service.use_cases.patience import Patience
from service.use_cases.reporting import FitInterruptedError
from service.use_cases.running import FitRunner

# From sysexits.h, as all that a work-horse ends with: the fit goes on elsewhere.
EXIT_HAND_BACK = os.EX_TEMPFAIL
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one attempt of a fit may take; 0: as much as it wants."""

    time_seconds: float = 0.0
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Harness:
    """What a work-horse needs to compute a fit."""

    runner_for: Callable[[str], FitRunner]
    """The runner of a tenant."""
    limits: Limits
    stopping: Event = field(default_factory=Event)
    """Set in the work-horse that is to end."""

    def run(self, tenant: str, fit_id: str, parent_pid: int) -> int:
        """Make the process just forked a work-horse, and return its exit code."""
        processes.die_with_parent(parent_pid)
        processes.prefer_for_oom_killer()
        # Ctrl-C in a terminal, and its end, reach us too: the worker says what to do.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: self.stopping.set())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        if self.limits.memory_bytes:
            processes.limit_memory(self.limits.memory_bytes)
        try:
            with time_limit(self.limits.time_seconds):
                self._runner(tenant).run(fit_id)
        except FitInterruptedError:
            return EXIT_HAND_BACK
        except StorageUnavailableError as error:
            log.warning("fit given up for now", fit_id=fit_id, reason=error.detail)
            return EXIT_HAND_BACK
        except Exception:
            log.exception("fit ended with an unexpected error", fit_id=fit_id)
            return os.EX_SOFTWARE
        return os.EX_OK

    def _runner(self, tenant: str) -> FitRunner:
        return replace(
            self.runner_for(tenant),
            is_stopping=self.stopping.is_set,
            patience=Patience(pause=self._pause, waiting=clock_stopped),
        )

    def _pause(self, seconds: float) -> None:
        if self.stopping.wait(seconds):
            raise FitInterruptedError


def time_limit_error(seconds: float) -> TimeLimitExceededError:
    return TimeLimitExceededError(
        f"The fit ran longer than {seconds:g} seconds, the limit of this service; "
        "ask for fewer components or iterations, or send fewer rows."
    )


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeLimitExceededError in the main thread after some seconds."""

    def raise_error(_signal: int, _frame: FrameType | None) -> None:
        raise time_limit_error(seconds)

    signal.signal(signal.SIGALRM, raise_error)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def clock_stopped() -> Iterator[None]:
    """Time that does not count for `time_limit`: that the store is away is no fault."""
    left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left)
