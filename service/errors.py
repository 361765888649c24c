"""What can go wrong, once: each class has the HTTP status and the stable code.

The message says what was expected, what came, and what to do; it is safe to show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the input a mistake is, and what it is."""

    detail: str
    pointer: str | None = None
    """JSON pointer into the body, or `?name` for a query parameter."""
    row: int | None = None
    """Row of an uploaded table, from 1, the header not counted."""
    column: int | None = None
    """Column of an uploaded table, from 1."""


class ServiceError(Exception):
    """Base class; `detail` is safe to show to a client."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Internal error"

    def __init__(self, detail: str, places: Sequence[Place] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.places = tuple(places)


class MalformedBodyError(ServiceError):
    """The body cannot be read as what its Content-Type says."""

    status, code, title = 400, "malformed-body", "Malformed body"


class InvalidRequestError(ServiceError):
    """The body or the query was read, but a field of it is not allowed."""

    status, code, title = 422, "invalid-request", "Invalid request"


class InvalidTableError(ServiceError):
    """The table was read, but it is not a non-empty table of finite numbers."""

    status, code, title = 422, "invalid-data", "Invalid data"


class MissingValuesError(InvalidTableError):
    """The table has empty cells, nulls or NaN, which are not supported."""

    code, title = "missing-values", "Missing values"


class WrongFeaturesError(ServiceError):
    """The table has another number of features than the model."""

    status, code, title = 422, "wrong-number-of-features", "Wrong number of features"


class TooLargeError(ServiceError):
    """The body, or the table in it, is over a limit of this service."""

    status, code, title = 413, "body-too-large", "Body too large"


class UnsupportedMediaTypeError(ServiceError):
    """The Content-Type or Content-Encoding is missing or none of those read here."""

    status, code, title = 415, "unsupported-media-type", "Unsupported media type"


class NotAcceptableError(ServiceError):
    """None of the formats in Accept can be written."""

    status, code, title = 406, "not-acceptable", "Not acceptable"


class NotFoundError(ServiceError):
    """Base class of all "there is no such …"."""

    status, code, title = 404, "not-found", "Not found"


class DatasetNotFoundError(NotFoundError):
    code, title = "dataset-not-found", "Dataset not found"

    def __init__(self, dataset_id: str) -> None:
        super().__init__(f"There is no dataset {dataset_id!r}; it may have expired.")


class FitNotFoundError(NotFoundError):
    code, title = "fit-not-found", "Fit not found"

    def __init__(self, fit_id: str) -> None:
        super().__init__(f"There is no fit {fit_id!r}; it may have expired.")


class ModelNotFoundError(NotFoundError):
    code, title = "model-not-found", "Model not found"

    def __init__(self, model_id: str) -> None:
        super().__init__(f"There is no model {model_id!r}; it may have been deleted.")


class NoTrajectoryError(NotFoundError):
    """The model has no trajectory or its data are gone: nothing to animate."""

    code, title = "no-trajectory", "No trajectory"


class FitAlreadyFinishedError(ServiceError):
    """The fit is final: it cannot be cancelled or changed any more."""

    status, code, title = 409, "fit-already-finished", "Fit already finished"


class StaleAttemptError(ServiceError):
    """A newer attempt of the fit exists, or it is final: this write is refused."""

    status, code, title = 409, "stale-attempt", "Stale attempt"


class FitFailedError(ServiceError):
    """The engine could not give an answer for these data."""

    status, code, title = 422, "fit-failed", "Fit failed"


class WorkerDiedError(ServiceError):
    """The process that computed the fit was killed each time it was tried."""

    status, code, title = 500, "worker-died", "Worker died"


class TimeLimitExceededError(ServiceError):
    """The fit ran longer than the service allows."""

    status, code, title = 422, "time-limit-exceeded", "Time limit exceeded"


class NotEnoughMemoryError(ServiceError):
    """The fit needs more memory than the service lets a fit take."""

    status, code, title = 422, "not-enough-memory", "Not enough memory"


class TooBusyError(ServiceError):
    """So much of this is going on already that one more would slow all down."""

    status, code, title = 503, "too-busy", "Too busy"


class StorageUnavailableError(ServiceError):
    """The store does not answer."""

    status, code, title = 503, "store-unavailable", "Store unavailable"


class StorageFullError(ServiceError):
    """The store has no room for this; nothing that was stored is lost."""

    status, code, title = 507, "store-full", "Store full"


class CorruptValueError(ServiceError):
    """A stored value does not match its checksum."""

    status, code, title = 500, "corrupt-value", "Corrupt value"


class SchemaMismatchError(ServiceError):
    """The store was written by another version of this program."""

    status, code, title = 503, "schema-mismatch", "Schema mismatch"
