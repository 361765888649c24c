"""What the use cases need from outside; `storage` and `rendering` implement it.

Each method raises only errors of `service.errors`. The in-memory fakes in
`tests/fakes.py` pass the same contract tests as the real adapters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from gmm_engine import Checkpoint, GaussianMixture
from gmm_engine.types import FloatArray
from service.domain.api_keys import ApiKey
from service.domain.census import Census
from service.domain.datasets import Dataset
from service.domain.fits import Failure, Fit, FitEvent, FitState, Progress
from service.domain.idempotency import Reservation
from service.domain.models import FittedModel, Model, Trajectory
from service.domain.pages import Page, PageRequest
from service.domain.webhooks import Attempt, Message, Webhook


class Clock(Protocol):
    def __call__(self) -> datetime:
        """Return the time, in UTC."""


class DatasetRepository(Protocol):
    def add(self, dataset: Dataset, rows: FloatArray) -> None:
        """Store a dataset whole or not at all; IdTakenError when its id exists."""

    def get(self, dataset_id: str) -> Dataset: ...

    def rows(self, dataset_id: str) -> FloatArray:
        """Return the rows, (n_samples, n_features), C-ordered float64."""

    def renew(self, dataset_id: str) -> None:
        """Let the dataset's time to live begin anew, where it has one."""

    def list(self, page: PageRequest) -> Page[Dataset]: ...

    def delete(self, dataset_id: str) -> None: ...


class FitRepository(Protocol):
    def add(self, fit: Fit) -> None: ...

    def add_unless_equal(
        self, fit: Fit, content_hash: str, *, must_be_over: bool = False
    ) -> Fit:
        """Store the fit and return it, or return what `equal` finds, in one step.

        Of any number of callers at the same moment one stores its fit. With
        `must_be_over` a fit that is not final does not count.
        """

    def get(self, fit_id: str) -> Fit: ...

    def list(self, page: PageRequest) -> Page[Fit]: ...

    def start(self, fit_id: str, now: datetime) -> Fit:
        """Begin the next attempt and return the running fit.

        Raises StaleAttemptError when the fit is final.
        """

    def report(
        self,
        fit: Fit,
        progress: Progress,
        events: Sequence[dict[str, object]],
        checkpoint: Checkpoint | None = None,
    ) -> None:
        """Store progress and append iteration events, unless the attempt is stale.

        A checkpoint replaces the one before; it goes with the fit's end.
        Raises StaleAttemptError when a newer attempt exists or the fit is final:
        that is also how a running fit learns that it was cancelled.
        """

    def checkpoint(self, fit_id: str) -> Checkpoint | None:
        """Return where EM stood, or None when no attempt came so far.

        Raises CorruptValueError when nothing can go on from it.
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

    def n_queued(self) -> int: ...

    def recent_seconds(self) -> Sequence[float]:
        """Return how long a few fits took that succeeded of late."""

    def equal(self, content_hash: str) -> Fit | None:
        """Return the newest fit of that hash, with or without its seed.

        None when there is none, when it was cancelled or failed, or when its model
        is gone.
        """

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

    def waiting_ids(self) -> Sequence[str]:
        """Return the ids of the fits that wait, of all tenants, the next first."""

    def n_workers(self) -> int: ...


class WebhookOutbox(Protocol):
    """Fits that ended and whose webhooks are still to be delivered.

    The repository of fits puts them in, in the step that ends them.
    """

    def take(self, now: datetime, lease: timedelta, limit: int) -> Sequence[Fit]:
        """Return fits that are due; nobody else gets them until the lease ends."""

    def settle(self, fit: Fit, webhook: Webhook, due: datetime | None) -> None:
        """Note an attempt in the record, and when the next is due (None: never).

        Does nothing when the fit is gone or somebody else noted an attempt meanwhile.
        """


class WebhookSender(Protocol):
    def send(self, url: str, message: Message) -> Attempt:
        """Send a message once; whatever goes wrong is in the attempt."""


class IdempotencyRepository(Protocol):
    """The idempotency keys of one tenant, for a day."""

    def reserve(self, reservation: Reservation) -> Reservation:
        """Store the reservation unless there is one for its key; return that one."""

    def hold(self, key: str, holder: str) -> bool:
        """Tell whether the holder is the only one at work for the key, for a while.

        A hold ends by itself, so that the death of its holder is no obstacle.
        """

    def remember(self, reservation: Reservation, holder: str) -> None:
        """Store the answer, unless the hold has ended."""

    def release(self, key: str, holder: str) -> None:
        """End a hold, if it is the holder's."""


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


class ApiKeyRepository(Protocol):
    """The keys of all tenants."""

    def add(self, key: ApiKey) -> None:
        """Store a key; from now on keys are required, and its tenant is known."""

    def find(self, key_id: str) -> ApiKey | None: ...

    def list(self) -> Sequence[ApiKey]:
        """Return all keys, the oldest first; revoked ones for a while."""

    def revoke(self, key_id: str, now: datetime) -> ApiKey:
        """Mark a key as revoked, or raise ApiKeyNotFoundError."""

    def are_required(self) -> bool:
        """Tell whether there ever was a key, since keys were last switched off."""

    def stop_requiring(self) -> None: ...

    def tenants(self) -> Sequence[str]:
        """Return every tenant that ever had a key."""


class RequestCounts(Protocol):
    def add(self, client: str, n_requests: int, seconds: int) -> tuple[int, float]:
        """Count requests of a client, from 0 again `seconds` after the first.

        Returns the count, these included, and the seconds until it begins anew.
        """


class CensusTaker(Protocol):
    def take_census(self) -> Census:
        """Count fits and workers, or raise StorageUnavailableError within seconds."""


class Readiness(Protocol):
    def check(self) -> None:
        """Raise StorageUnavailableError or SchemaMismatchError, or return."""
