"""The work-horse: the process that computes one attempt of one fit."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import FrameType

from service import processes
from service.errors import TimeLimitExceededError
from service.use_cases.running import FitRunner


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


# RQ finds a job's function by its name and gives it the job's arguments, which are in
# the store. What cannot be stored comes with the process: the worker sets it.
_harness: ContextVar[Harness] = ContextVar("harness")


def put_to(harness: Harness, parent_pid: int) -> None:
    """Make the process just forked a work-horse."""
    processes.die_with_parent(parent_pid)
    processes.prefer_for_oom_killer()
    if harness.limits.memory_bytes:
        processes.limit_memory(harness.limits.memory_bytes)
    _harness.set(harness)


def run_fit(tenant: str, fit_id: str) -> None:
    """Run one attempt of a fit: the function of every job."""
    harness = _harness.get()
    with _time_limit(harness.limits.time_seconds):
        harness.runner_for(tenant).run(fit_id)


def time_limit_error(seconds: float) -> TimeLimitExceededError:
    return TimeLimitExceededError(
        f"The fit ran longer than {seconds:g} seconds, the limit of this service; "
        "ask for fewer components or iterations, or send fewer rows."
    )


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeLimitExceededError in the main thread after some seconds."""

    def raise_error(_signal: int, _frame: FrameType | None) -> None:
        raise time_limit_error(seconds)

    # RQ's own limit uses the same timer; it is switched off by `timeout=-1`.
    signal.signal(signal.SIGALRM, raise_error)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
