"""The line of fits that wait for a worker: how long it may be, and who is where."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace

from service.domain.fits import Fit, FitState
from service.errors import QueueFullError, TooManyQueuedFitsError
from service.ports import FitQueue, FitRepository

_UNKNOWN_RETRY_SECONDS = 10.0
_MAX_RETRY_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """How many fits may wait for a worker; 0: any number.

    Counted before a fit is accepted, not while: requests at the same moment may exceed
    them by their number.
    """

    of_all: int = 0
    of_tenant: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """The fits that wait, those of one tenant among those of all."""

    fits: FitRepository
    queue: FitQueue
    limits: QueueLimits

    def require_room(self) -> None:
        """Raise TooManyQueuedFitsError or QueueFullError when no more may wait."""
        of_tenant, of_all = self.limits.of_tenant, self.limits.of_all
        if of_tenant and (n_queued := self.fits.n_queued()) >= of_tenant:
            raise TooManyQueuedFitsError(n_queued, self._seconds_until_room())
        if of_all and (n_waiting := len(self.queue.waiting_ids())) >= of_all:
            raise QueueFullError(n_waiting, self._seconds_until_room())

    def placed(self, *fits: Fit) -> tuple[Fit, ...]:
        """Return the fits, those that wait with their place in the line."""
        if not any(fit.status is FitState.QUEUED for fit in fits):
            return fits
        places = {fit_id: i for i, fit_id in enumerate(self.queue.waiting_ids(), 1)}
        return tuple(
            replace(fit, queue_position=places.get(fit.id))
            if fit.status is FitState.QUEUED
            else fit
            for fit in fits
        )

    def _seconds_until_room(self) -> float:
        """About how long it takes until a worker takes the next fit."""
        took = self.fits.recent_seconds()
        if not took:
            return _UNKNOWN_RETRY_SECONDS
        seconds = statistics.median(took) / max(1, self.queue.n_workers())
        return min(max(1.0, seconds), _MAX_RETRY_SECONDS)
