"""What a running fit tells the store: progress, iterations, now and then a checkpoint.

EM must not wait for the store. Reports go out at intervals, and take at most a tenth of
the time; while the store is away, iterations are kept, within bounds, and EM goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field

from gmm_engine import Checkpoint, IterationState
from service.domain.fits import Fit, Progress
from service.errors import StorageFullError, StorageUnavailableError
from service.ports import FitRepository

# Parameters travel with each event while they are small enough to be drawn.
_MAX_EVENT_NUMBERS = 5_000
# What is kept of the iterations that no report has told yet.
_MAX_PENDING_EVENTS = 1_000
_MAX_PENDING_NUMBERS = 200_000
# A report is followed by so many times its duration without one.
_REST = 9
_LONGEST_REST_SECONDS = 10.0
_CHECKPOINT_BYTES_PER_SECOND = 2 << 20


class FitInterruptedError(Exception):
    """This process is to end; the fit goes on in another, from its last checkpoint."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a running fit tells the store."""

    report_seconds: float = 0.1
    checkpoint_seconds: float = 1.0
    """Longer for large ones: at most 2 MiB a second are written."""


@dataclass(slots=True)
class Reporter:
    """Gathers iterations of one attempt, and reports them at its pace."""

    fits: FitRepository
    fit: Fit
    pace: Pace
    monotonic: Callable[[], float]
    is_stopping: Callable[[], bool]
    waiting: Callable[[], AbstractContextManager[object]] = nullcontext
    """Around the time in which the store is told."""
    progress: Progress | None = None
    _pending: deque[dict[str, object]] = field(default_factory=deque)
    _due: float = 0.0
    _checkpoint_due: float = field(init=False)
    _n_failures: int = 0

    def __post_init__(self) -> None:
        self._checkpoint_due = self.monotonic() + self.pace.checkpoint_seconds

    def on_iteration(self, state: IterationState) -> bool:
        """Take note of an iteration.

        Raises StaleAttemptError once the fit was cancelled or taken over, and
        FitInterruptedError, after a last checkpoint, when this process is to end.
        """
        self.progress = Progress(
            int(state.iteration),
            # Plain numbers: numpy's, which the engine may give, are not stored as JSON.
            float(state.log_likelihood),
            int(state.start) + 1,
            int(state.n_starts),
            state.phase,
        )
        self._remember(state)
        now = self.monotonic()
        if self.is_stopping():
            self._report(now, state.checkpoint)
            raise FitInterruptedError
        if now >= self._due:
            is_due = now >= self._checkpoint_due
            self._report(now, state.checkpoint if is_due else None)
        return True

    def flush(self) -> None:
        """Report what was not reported yet; that the store is away is the caller's."""
        if self.progress is not None and self._pending:
            # A full store loses what could be watched, not what was computed.
            with suppress(StorageFullError):
                self.fits.report(self.fit, self.progress, list(self._pending))
            self._pending.clear()

    def _report(self, now: float, checkpoint: Checkpoint | None) -> None:
        assert self.progress is not None
        pending = list(self._pending)
        try:
            with self.waiting():
                self.fits.report(self.fit, self.progress, pending, checkpoint)
        except (StorageUnavailableError, StorageFullError):
            self._n_failures += 1
        else:
            self._pending.clear()
            self._n_failures = 0
        took = self.monotonic() - now
        # Doubled while the store is away, so that asking does not hold EM up.
        rest = self.pace.report_seconds * 2 ** min(self._n_failures, 10)
        self._due = now + took + max(min(rest, _LONGEST_REST_SECONDS), _REST * took)
        if checkpoint is not None:
            self._checkpoint_due = self._due + max(
                self.pace.checkpoint_seconds,
                _size_bytes(checkpoint) / _CHECKPOINT_BYTES_PER_SECOND,
            )

    def _remember(self, state: IterationState) -> None:
        self._pending.append(_event(state))
        # Each may have as many numbers as this one.
        numbers = max(1, _n_numbers(state))
        most = min(_MAX_PENDING_EVENTS, max(1, _MAX_PENDING_NUMBERS // numbers))
        while len(self._pending) > most:
            self._pending.popleft()


def _event(state: IterationState) -> dict[str, object]:
    event: dict[str, object] = {
        "iteration": state.iteration,
        "log_likelihood": state.log_likelihood,
        "start": state.start + 1,
        "n_starts": state.n_starts,
        "phase": state.phase,
    }
    if _n_numbers(state) <= _MAX_EVENT_NUMBERS:
        mixture = state.mixture
        event |= {
            "weights": mixture.weights.tolist(),
            "means": mixture.means.tolist(),
            "covariances": mixture.covariances.tolist(),
        }
    return event


def _n_numbers(state: IterationState) -> int:
    return int(state.mixture.means.size + state.mixture.covariances.size)


def _size_bytes(checkpoint: Checkpoint) -> int:
    return sum(array.nbytes for array in checkpoint.arrays.values())
