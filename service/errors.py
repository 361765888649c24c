"""What can go wrong, once: each class has the HTTP status and the stable code.

The message says what was expected, what came, and what to do; it is safe to show.
"""

from __future__ import annotations

import math
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
    """Column of an uploaded table, or with `line` of that line, from 1."""
    line: int | None = None
    """Line of a body that is not JSON, from 1."""


class ServiceError(Exception):
    """Base class; `detail` is safe to show to a client."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Internal error"

    retry_after_seconds: float | None = None
    """When the same request may succeed, where that is known."""

    def __init__(self, detail: str, places: Sequence[Place] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.places = tuple(places)


class MalformedBodyError(ServiceError):
    """The body cannot be read as what its Content-Type says."""

    status, code, title = 400, "malformed-body", "Malformed body"


class TooSlowError(ServiceError):
    """The request came so slowly that it was not waited for any longer."""

    status, code, title = 408, "too-slow", "Too slow"


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


class ApiKeyNotFoundError(NotFoundError):
    code, title = "key-not-found", "Key not found"

    def __init__(self, key_id: str) -> None:
        super().__init__(f"There is no key {key_id[:60]!r}; `gmm keys list` shows all.")


class NotAuthenticatedError(ServiceError):
    """A key is needed and none came, or the one that came is not good (any more)."""

    status, code, title = 401, "not-authenticated", "Not authenticated"

    def __init__(self, detail: str, reason: str | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        """Why the key that came is refused; None: none came."""


class MissingScopeError(ServiceError):
    """The key does not have the scope that this operation needs."""

    status, code, title = 403, "missing-scope", "Missing scope"

    def __init__(self, scope: str) -> None:
        super().__init__(
            f"The key lacks the scope {scope!r}, which this needs; ask the operator "
            "for a key that has it."
        )
        self.scope = scope


class ForeignPageError(ServiceError):
    """A browser sent this for another site's page, or under a name not ours."""

    status, code, title = 403, "foreign-page", "Foreign page"


class RateLimitedError(ServiceError):
    """This client has sent as many requests as it may in a minute."""

    status, code, title = 429, "rate-limited", "Too many requests"

    def __init__(self, limit: int, retry_after_seconds: float) -> None:
        super().__init__(
            f"A client may send {limit} requests a minute here; go on in "
            f"{math.ceil(retry_after_seconds)} seconds."
        )
        self.limit = limit
        self.retry_after_seconds: float = retry_after_seconds


class InvalidIdempotencyKeyError(ServiceError):
    """The Idempotency-Key is empty, too long, or has other than visible characters."""

    status, code, title = 400, "invalid-idempotency-key", "Invalid idempotency key"


class IdempotencyKeyReusedError(ServiceError):
    """Another request came with this Idempotency-Key before."""

    status, code, title = 422, "idempotency-key-reused", "Idempotency key reused"

    def __init__(self) -> None:
        super().__init__(
            "Another request was sent with this Idempotency-Key before: its body, "
            "query, path or Content-Type differs. Send each request with its own key."
        )


class ResultGoneError(ServiceError):
    """What the request with this Idempotency-Key created is not there any more."""

    status, code, title = 410, "result-gone", "Result gone"

    def __init__(self) -> None:
        super().__init__(
            "What this request created was deleted, or has expired; send it with "
            "another Idempotency-Key to create it anew."
        )


class RequestInProgressError(ServiceError):
    """The same request is being answered at this moment."""

    status, code, title = 409, "request-in-progress", "Request in progress"
    retry_after_seconds = 1.0

    def __init__(self) -> None:
        super().__init__(
            "A request with this Idempotency-Key is being answered at this moment; "
            "send it again in a second for the same answer."
        )


class IdTakenError(ServiceError):
    """There is something of that kind with that id already."""

    status, code, title = 409, "id-taken", "Id taken"


class DatasetInUseError(ServiceError):
    """A fit of the dataset is queued or running: it cannot be deleted now."""

    status, code, title = 409, "dataset-in-use", "Dataset in use"


class TooManyQueuedFitsError(ServiceError):
    """This client has as many fits in the queue as it may."""

    status, code, title = 429, "too-many-queued-fits", "Too many queued fits"

    def __init__(self, n_queued: int, retry_after_seconds: float) -> None:
        super().__init__(
            f"{n_queued} of your fits wait for a worker, as many as may; send this "
            f"one in about {math.ceil(retry_after_seconds)} seconds, or cancel some."
        )
        self.retry_after_seconds = retry_after_seconds


class QueueFullError(ServiceError):
    """So many fits wait for a worker that no more are accepted, whoever sends them."""

    status, code, title = 503, "queue-full", "Queue full"

    def __init__(self, n_queued: int, retry_after_seconds: float) -> None:
        super().__init__(
            f"{n_queued} fits wait for a worker, as many as may; send this one in "
            f"about {math.ceil(retry_after_seconds)} seconds."
        )
        self.retry_after_seconds = retry_after_seconds


class FitAlreadyFinishedError(ServiceError):
    """The fit is final: it cannot be cancelled or changed any more."""

    status, code, title = 409, "fit-already-finished", "Fit already finished"

    def __init__(self, fit_id: str, state: str) -> None:
        verb = "was" if state == "cancelled" else "has"
        super().__init__(
            f"Fit {fit_id!r} {verb} already {state}; there is nothing left to cancel."
        )


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
