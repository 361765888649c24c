"""A fit: the asked-for mixture, and how far the work on it has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from service.domain.models import Model
from service.domain.webhooks import Webhook


class FitState(StrEnum):
    """Where a fit stands; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self not in (FitState.QUEUED, FitState.RUNNING)


@dataclass(frozen=True, slots=True)
class FitRequest:
    """What to fit; the arguments of `gmm_engine.fit`, and a name for the model."""

    dataset_id: str
    n_components: int
    covariance_type: str = "full"
    init: str = "k-means++"
    n_init: int = 1
    tol: float = 1e-4
    max_iter: int = 500
    reg_covar: float = 1e-6
    random_state: int | None = None
    """None only until the fit is submitted: a stored fit always names its seed."""
    model_name: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far EM is: the iteration of start `start` of `n_starts`, both from 1.

    In the phase `search` starts are compared on some of the rows, and iterations and
    log-likelihoods are those of that comparison; in `full` they are of all rows.
    """

    iteration: int
    log_likelihood: float
    start: int
    n_starts: int
    phase: str = "full"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a fit failed: the problem document that the API would have shown."""

    status: int
    code: str
    title: str
    detail: str


@dataclass(frozen=True, slots=True)
class Fit:
    """The record of a fit; the only truth about it (the queue carries ids)."""

    id: str
    request: FitRequest
    created_at: datetime
    status: FitState = FitState.QUEUED
    attempt: int = 0
    """How often a worker has started it; fences the writes of older attempts."""
    progress: Progress | None = None
    model_id: str | None = None
    fit_status: str | None = None
    """The model's, so that who waits for the fit need not ask for that as well.

    None until it succeeded, and for fits that were stored before they had it.
    """
    error: Failure | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    content_hash: str | None = None
    """Equal for fits that give the same model (`content_hashes`)."""
    seedless_hash: str | None = None
    """The same, but for the seed."""
    webhook: Webhook | None = None
    """Not of the request: an equal fit may be told elsewhere."""

    queue_position: int | None = field(default=None, compare=False)
    """Its place among those that wait, 1 for the next; of a moment, never stored."""

    @property
    def is_reusable(self) -> bool:
        """Whether an equal request may be answered with this fit."""
        return self.status not in (FitState.FAILED, FitState.CANCELLED)

    def started(self, now: datetime) -> Fit:
        return replace(
            self,
            status=FitState.RUNNING,
            attempt=self.attempt + 1,
            started_at=self.started_at or now,
        )

    def succeeded(self, model: Model, now: datetime) -> Fit:
        return replace(
            self,
            status=FitState.SUCCEEDED,
            model_id=model.id,
            fit_status=model.fit_status,
            finished_at=now,
        )

    def failed(self, error: Failure, now: datetime) -> Fit:
        return replace(self, status=FitState.FAILED, error=error, finished_at=now)

    def cancelled(self, now: datetime) -> Fit:
        return replace(self, status=FitState.CANCELLED, finished_at=now)


class FitEventKind(StrEnum):
    """What an event on a fit's stream tells."""

    STATUS = "status"
    """The fit's record changed; `payload` is empty, read the record."""
    ITERATION = "iteration"
    """One EM iteration: progress, weights, means and covariances."""


@dataclass(frozen=True, slots=True)
class FitEvent:
    """One entry of a fit's event stream; `id` orders it and resumes after it."""

    id: str
    kind: FitEventKind
    payload: Mapping[str, object]
