"""Fits: accepting them, watching them, stopping them. The work is in `running`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from service.domain.fits import Fit, FitEvent, FitRequest, FitState
from service.domain.pages import Page, PageRequest
from service.domain.webhooks import Webhook
from service.errors import InvalidRequestError, Place
from service.ports import Clock, DatasetRepository, FitQueue, FitRepository

FIRST_EVENT = "0"

# How late a wait notices that the process is stopping.
_LONGEST_BLOCK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class FitService:
    """Submit, show, list, watch and cancel fits."""

    fits: FitRepository
    datasets: DatasetRepository
    queue: FitQueue
    new_id: Callable[[], str]
    new_seed: Callable[[], int]
    clock: Clock
    monotonic: Callable[[], float] = time.monotonic
    is_stopping: Callable[[], bool] = lambda: False
    """Whether this process is about to end: nobody is to wait in it any longer."""

    def submit(self, request: FitRequest, webhook_url: str | None = None) -> Fit:
        """Accept a fit and return its record at once; a worker runs it.

        Its end is told to the URL, which must be one that `parse_target` allows.
        """
        dataset = self.datasets.get(request.dataset_id)
        require_enough_samples(request.n_components, dataset.n_samples)
        if request.random_state is None:
            # Chosen here, not by the worker: every attempt must draw the same start.
            request = replace(request, random_state=self.new_seed())
        webhook = None if webhook_url is None else Webhook(webhook_url)
        fit = Fit(self.new_id(), request, created_at=self.clock(), webhook=webhook)
        # Stored before queued: a worker must never see an id it cannot load.
        self.fits.add(fit)
        self.queue.enqueue(fit.id)
        return fit

    def get(self, fit_id: str) -> Fit:
        return self.fits.get(fit_id)

    def list(self, page: PageRequest) -> Page[Fit]:
        return self.fits.list(page)

    def cancel(self, fit_id: str) -> Fit:
        """End a fit now; the worker's later writes are refused by the store."""
        fit = self.fits.cancel(fit_id, self.clock())
        self.queue.withdraw(fit_id)
        return fit

    def wait(self, fit_id: str, timeout_seconds: float) -> Fit:
        """Return the fit once it is final, or as it stands after the timeout.

        It returns early when the process is stopping: the client asks again.
        """
        deadline = self.monotonic() + timeout_seconds
        # Read before waiting, and again after each event: an event between the two
        # reads cannot be missed because the stream is read from its beginning.
        fit, last_event = self.fits.get(fit_id), FIRST_EVENT
        while not fit.status.is_final and (left := deadline - self.monotonic()) > 0:
            if self.is_stopping():
                break
            seconds = min(left, _LONGEST_BLOCK_SECONDS)
            for event in self.fits.events(fit_id, last_event, seconds):
                last_event = event.id
            fit = self.fits.get(fit_id)
        return fit

    def watch(
        self, fit_id: str, after: str = FIRST_EVENT, beat_seconds: float = 15.0
    ) -> Iterator[FitEvent | Fit | None]:
        """Yield the fit while it runs, its events as they come, at its end the fit.

        None is yielded when nothing happened for `beat_seconds`.
        """
        fit = self.fits.get(fit_id)
        if not fit.status.is_final:
            yield fit
        while not fit.status.is_final:
            events = self.fits.events(fit_id, after, beat_seconds)
            if not events:
                yield None
            for event in events:
                after = event.id
                yield event
            fit = self.fits.get(fit_id)
        # What came between the last read and the end.
        yield from self.fits.events(fit_id, after, 0)
        yield fit

    def requeue_unfinished(self) -> int:
        """Queue every fit that waits for a worker; return how many there are."""
        waiting = list(self.fits.with_status(FitState.QUEUED))
        for fit in waiting:
            self.queue.enqueue(fit.id)
        return len(waiting)


def require_enough_samples(n_components: int, n_samples: int) -> None:
    """Raise InvalidRequestError when there are fewer rows than components."""
    if n_components > n_samples:
        detail = (
            f"n_components is {n_components}, but the dataset has only "
            f"{n_samples} rows; ask for at most one component per row."
        )
        raise InvalidRequestError(detail, [Place(detail, pointer="/n_components")])
