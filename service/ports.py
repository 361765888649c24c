"""What the use cases need from outside; `storage` and `rendering` implement it.

Each method raises only errors of `service.errors`. The in-memory fakes in
`tests/fakes.py` pass the same contract tests as the real adapters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Protocol

from gmm_engine import GaussianMixture
from gmm_engine.types import FloatArray
from service.domain.datasets import Dataset
from service.domain.fits import Failure, Fit, FitEvent, FitState, Progress
from service.domain.models import FittedModel, Model, Trajectory
from service.domain.pages import Page, PageRequest


class Clock(Protocol):
    def __call__(self) -> datetime:
        """Return the time, in UTC."""


class DatasetRepository(Protocol):
    def add(self, dataset: Dataset, rows: FloatArray) -> None:
        """Store a dataset whole or not at all."""

    def get(self, dataset_id: str) -> Dataset: ...

    def rows(self, dataset_id: str) -> FloatArray:
        """Return the rows, (n_samples, n_features), C-ordered float64."""

    def list(self, page: PageRequest) -> Page[Dataset]: ...

    def delete(self, dataset_id: str) -> None: ...


class FitRepository(Protocol):
    def add(self, fit: Fit) -> None: ...

    def get(self, fit_id: str) -> Fit: ...

    def list(self, page: PageRequest) -> Page[Fit]: ...

    def start(self, fit_id: str, now: datetime) -> Fit:
        """Begin the next attempt and return the running fit.

        Raises StaleAttemptError when the fit is final.
        """

    def report(
        self, fit: Fit, progress: Progress, events: Sequence[dict[str, object]]
    ) -> None:
        """Store progress and append iteration events, unless the attempt is stale.

        Raises StaleAttemptError when a newer attempt exists or the fit is final:
        that is also how a running fit learns that it was cancelled.
        """

    def succeed(self, fit: Fit, fitted: FittedModel, now: datetime) -> Fit:
        """Store the model and the end of the fit in one step, or raise
        StaleAttemptError and store nothing."""

    def fail(self, fit: Fit, error: Failure, now: datetime) -> Fit:
        """End the fit with an error, unless the attempt is stale."""

    def cancel(self, fit_id: str, now: datetime) -> Fit:
        """End the fit as cancelled; FitAlreadyFinishedError when it is final."""

    def with_status(self, status: FitState) -> Iterator[Fit]:
        """Yield every fit in that state (to rebuild the queue)."""

    def events(
        self, fit_id: str, after: str, timeout_seconds: float
    ) -> Sequence[FitEvent]:
        """Return the events after the one with id `after` ("0": from the first).

        Blocks up to the timeout when there are none yet; then returns none.
        """


class FitQueue(Protocol):
    def enqueue(self, fit_id: str) -> None: ...

    def withdraw(self, fit_id: str) -> None:
        """Take a fit out of the queue, and stop the work-horse that computes it."""


class ModelRepository(Protocol):
    def add(self, fitted: FittedModel) -> None: ...

    def get(self, model_id: str) -> Model: ...

    def mixture(self, model_id: str) -> GaussianMixture: ...

    def trajectory(self, model_id: str) -> Trajectory: ...

    def list(self, page: PageRequest) -> Page[Model]: ...

    def rename(self, model_id: str, name: str | None) -> Model: ...

    def delete(self, model_id: str) -> None: ...


class AnimationRenderer(Protocol):
    def render(
        self, trajectory: Trajectory, rows: FloatArray, columns: Sequence[str] | None
    ) -> bytes:
        """Return a GIF with one frame per frame of the trajectory."""


class Readiness(Protocol):
    def check(self) -> None:
        """Raise StorageUnavailableError or SchemaMismatchError, or return."""
