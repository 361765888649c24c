"""Fits: accepting them, watching them, stopping them. The work is in `running`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from service.domain.content_hashes import seedless_hash, with_seed
from service.domain.datasets import Dataset
from service.domain.fits import Fit, FitEvent, FitRequest, FitState
from service.domain.pages import Page, PageRequest
from service.domain.webhooks import Webhook
from service.domain.wording import counted
from service.errors import (
    DatasetInUseError,
    FitNotFoundError,
    IdTakenError,
    InvalidRequestError,
    Place,
)
from service.ports import Clock, DatasetRepository, FitQueue, FitRepository
from service.use_cases.queueing import Line, QueueLimits

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
    limits: QueueLimits = field(default_factory=QueueLimits)

    @property
    def line(self) -> Line:
        return Line(self.fits, self.queue, self.limits)

    def submit(
        self,
        request: FitRequest,
        webhook_url: str | None = None,
        *,
        fit_id: str | None = None,
        reuse: bool = False,
    ) -> Fit:
        """Accept a fit and return its record at once; a worker runs it.

        Its end is told to the URL, which must be one that `parse_target` allows. With
        an id it is submitted once, however often this is called. With `reuse` an equal
        one that there is by now is returned instead, as `find_equal` would.
        """
        if fit_id is not None:
            with suppress(FitNotFoundError):
                return self.get(fit_id)
        self.line.require_room()
        dataset = self.datasets.get(request.dataset_id)
        require_enough_samples(request.n_components, dataset.n_samples)
        fit = self._new_fit(request, dataset, webhook_url, fit_id)
        # It must not expire while the fit waits for a worker.
        self.datasets.renew(dataset.id)
        try:
            # Stored before queued: a worker must never see an id it cannot load.
            stored = self._store(fit, reuse, any_seed=request.random_state is None)
        except IdTakenError:
            # By the same request, sent twice, of which the other was faster.
            return self.get(fit.id)
        if stored.id == fit.id:
            self.queue.enqueue(fit.id)
        return _only(self.line.placed(stored))

    def _new_fit(
        self,
        request: FitRequest,
        dataset: Dataset,
        webhook_url: str | None,
        fit_id: str | None,
    ) -> Fit:
        seed = request.random_state
        if seed is None:
            # Chosen here, not by the worker: every attempt must draw the same start.
            seed = self.new_seed()
        seedless = seedless_hash(request, dataset.content_hash, dataset.columns)
        return Fit(
            fit_id or self.new_id(),
            replace(request, random_state=seed),
            created_at=self.clock(),
            content_hash=with_seed(seedless, seed),
            seedless_hash=seedless,
            webhook=None if webhook_url is None else Webhook(webhook_url),
        )

    def _store(self, fit: Fit, reuse: bool, any_seed: bool) -> Fit:
        """Store the fit, or return the equal one that was faster."""
        if not reuse:
            self.fits.add(fit)
            return fit
        wanted = fit.seedless_hash if any_seed else fit.content_hash
        assert wanted is not None  # new fits have both
        return self.fits.add_unless_equal(
            fit, wanted, must_be_over=fit.webhook is not None
        )

    def find_equal(
        self,
        request: FitRequest,
        dataset_hash: str,
        columns: Sequence[str | None] | None,
        *,
        must_be_over: bool = False,
    ) -> Fit | None:
        """Return a fit that gives, or gave, the same model, if there is one.

        Who names no seed asks for a fit from any start: every seed will do.
        """
        wanted = seedless_hash(request, dataset_hash, columns)
        if request.random_state is not None:
            wanted = with_seed(wanted, request.random_state)
        fit = self.fits.equal(wanted)
        if fit is None or (must_be_over and not fit.status.is_final):
            return None
        return _only(self.line.placed(fit))

    def require_unused(self, dataset_id: str) -> None:
        """Raise DatasetInUseError when a fit of the dataset is not over yet."""
        for status in (FitState.RUNNING, FitState.QUEUED):
            for fit in self.fits.with_status(status):
                if fit.request.dataset_id == dataset_id:
                    raise DatasetInUseError(
                        f"Fit {fit.id!r} of the dataset is {status}; wait for its end "
                        "or cancel it, then delete the dataset."
                    )

    def get(self, fit_id: str) -> Fit:
        return _only(self.line.placed(self.fits.get(fit_id)))

    def list(self, page: PageRequest) -> Page[Fit]:
        found = self.fits.list(page)
        return replace(found, items=self.line.placed(*found.items))

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
        return _only(self.line.placed(fit))

    def watch(
        self, fit_id: str, after: str = FIRST_EVENT, beat_seconds: float = 15.0
    ) -> Iterator[FitEvent | Fit | None]:
        """Yield the fit while it runs, its events as they come, at its end the fit.

        None is yielded when nothing happened for `beat_seconds`.
        """
        fit = self.get(fit_id)
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


def _only(fits: tuple[Fit, ...]) -> Fit:
    (fit,) = fits
    return fit


def require_enough_samples(n_components: int, n_samples: int) -> None:
    """Raise InvalidRequestError when there are fewer rows than components."""
    if n_components > n_samples:
        detail = (
            f"n_components is {n_components}, but the dataset has only "
            f"{counted(n_samples, 'row')}; ask for at most one component per row."
        )
        raise InvalidRequestError(detail, [Place(detail, pointer="/n_components")])
