"""In-memory stand-ins for the store; they pass the contract tests of the real one."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from datetime import datetime
from threading import Condition, Lock
from typing import Any, TypeVar

from gmm_engine import Checkpoint, GaussianMixture
from gmm_engine.types import FloatArray
from service.domain.api_keys import ApiKey
from service.domain.datasets import Dataset
from service.domain.fits import (
    Failure,
    Fit,
    FitEvent,
    FitEventKind,
    FitState,
    Progress,
)
from service.domain.idempotency import Reservation
from service.domain.models import FittedModel, Model, Trajectory
from service.domain.pages import Page, PageRequest
from service.errors import (
    ApiKeyNotFoundError,
    DatasetNotFoundError,
    FitAlreadyFinishedError,
    FitNotFoundError,
    IdTakenError,
    InvalidRequestError,
    ModelNotFoundError,
    StaleAttemptError,
)

Item = TypeVar("Item", Dataset, Fit, Model)


class InMemoryDatasetRepository:
    """Implements `service.ports.DatasetRepository`."""

    def __init__(self) -> None:
        self._datasets: dict[str, tuple[Dataset, FloatArray]] = {}

    def add(self, dataset: Dataset, rows: FloatArray) -> None:
        _require_new(dataset.id, self._datasets)
        self._datasets[dataset.id] = (dataset, rows.copy())

    def get(self, dataset_id: str) -> Dataset:
        return self._found(dataset_id)[0]

    def rows(self, dataset_id: str) -> FloatArray:
        return self._found(dataset_id)[1].copy()

    def renew(self, dataset_id: str) -> None:
        self._found(dataset_id)

    def list(self, page: PageRequest) -> Page[Dataset]:
        return _page([dataset for dataset, _ in self._datasets.values()], page)

    def delete(self, dataset_id: str) -> None:
        self._found(dataset_id)
        del self._datasets[dataset_id]

    def _found(self, dataset_id: str) -> tuple[Dataset, FloatArray]:
        if dataset_id not in self._datasets:
            raise DatasetNotFoundError(dataset_id)
        return self._datasets[dataset_id]


class InMemoryModelRepository:
    """Implements `service.ports.ModelRepository`."""

    def __init__(self) -> None:
        self._models: dict[str, FittedModel] = {}

    def add(self, fitted: FittedModel) -> None:
        _require_new(fitted.model.id, self._models)
        self._models[fitted.model.id] = fitted

    def get(self, model_id: str) -> Model:
        return self._found(model_id).model

    def mixture(self, model_id: str) -> GaussianMixture:
        return self._found(model_id).mixture

    def trajectory(self, model_id: str) -> Trajectory:
        return self._found(model_id).trajectory

    def list(self, page: PageRequest) -> Page[Model]:
        return _page([fitted.model for fitted in self._models.values()], page)

    def rename(self, model_id: str, name: str | None) -> Model:
        fitted = self._found(model_id)
        renamed = replace(fitted.model, name=name)
        self._models[model_id] = replace(fitted, model=renamed)
        return renamed

    def delete(self, model_id: str) -> None:
        self._found(model_id)
        del self._models[model_id]

    @property
    def ids(self) -> Set[str]:
        return self._models.keys()

    def _found(self, model_id: str) -> FittedModel:
        if model_id not in self._models:
            raise ModelNotFoundError(model_id)
        return self._models[model_id]


class InMemoryFitRepository:
    """Implements `service.ports.FitRepository`; shares the models with the other."""

    def __init__(self, models: InMemoryModelRepository | None = None) -> None:
        self._models = models or InMemoryModelRepository()
        self._fits: dict[str, Fit] = {}
        self._events: dict[str, list[FitEvent]] = {}
        self._checkpoints: dict[str, Checkpoint] = {}
        self._changed = Condition()
        self._adding = Lock()

    def add(self, fit: Fit) -> None:
        _require_new(fit.id, self._fits)
        self._store(fit, [(FitEventKind.STATUS, {})])

    def add_unless_equal(
        self, fit: Fit, content_hash: str, *, must_be_over: bool = False
    ) -> Fit:
        with self._adding:
            found = self.equal(content_hash)
            if found is not None and (found.status.is_final or not must_be_over):
                return found
            self.add(fit)
            return fit

    def get(self, fit_id: str) -> Fit:
        if fit_id not in self._fits:
            raise FitNotFoundError(fit_id)
        return self._fits[fit_id]

    def forget(self, fit_id: str) -> None:
        """As if its time to live had passed."""
        del self._fits[fit_id]

    def list(self, page: PageRequest) -> Page[Fit]:
        return _page(list(self._fits.values()), page)

    def start(self, fit_id: str, now: datetime) -> Fit:
        fit = self.get(fit_id)
        if fit.status.is_final:
            raise StaleAttemptError(f"Fit {fit_id!r} is {fit.status}.")
        return self._store(fit.started(now), [(FitEventKind.STATUS, {})])

    def report(
        self,
        fit: Fit,
        progress: Progress,
        events: Sequence[dict[str, object]],
        checkpoint: Checkpoint | None = None,
    ) -> None:
        current = self._newest(fit)
        self._store(
            replace(current, progress=progress),
            [(FitEventKind.ITERATION, event) for event in events],
        )
        if checkpoint is not None:
            self._checkpoints[fit.id] = checkpoint

    def checkpoint(self, fit_id: str) -> Checkpoint | None:
        return self._checkpoints.get(fit_id)

    def succeed(self, fit: Fit, fitted: FittedModel, now: datetime) -> Fit:
        current = self._newest(fit)
        self._models.add(fitted)
        finished = current.succeeded(fitted.model, now)
        return self._store(finished, [(FitEventKind.STATUS, {})])

    def fail(self, fit: Fit, error: Failure, now: datetime) -> Fit:
        failed = self._newest(fit).failed(error, now)
        return self._store(failed, [(FitEventKind.STATUS, {})])

    def cancel(self, fit_id: str, now: datetime) -> Fit:
        fit = self.get(fit_id)
        if fit.status.is_final:
            raise FitAlreadyFinishedError(fit_id, fit.status)
        return self._store(fit.cancelled(now), [(FitEventKind.STATUS, {})])

    def with_status(self, status: FitState) -> Iterator[Fit]:
        return iter([fit for fit in self._fits.values() if fit.status is status])

    def n_queued(self) -> int:
        return len(list(self.with_status(FitState.QUEUED)))

    def recent_seconds(self) -> Sequence[float]:
        succeeded = [
            (fit.finished_at, (fit.finished_at - fit.started_at).total_seconds())
            for fit in self.with_status(FitState.SUCCEEDED)
            if fit.started_at and fit.finished_at
        ]
        return [seconds for _, seconds in sorted(succeeded, reverse=True)[:20]]

    def equal(self, content_hash: str) -> Fit | None:
        for fit in reversed(self._fits.values()):
            if content_hash in (fit.content_hash, fit.seedless_hash):
                return fit if fit.is_reusable and self._has_its_model(fit) else None
        return None

    def _has_its_model(self, fit: Fit) -> bool:
        return fit.model_id is None or fit.model_id in self._models.ids

    def events(
        self, fit_id: str, after: str, timeout_seconds: float
    ) -> Sequence[FitEvent]:
        if not re.fullmatch(r"\d{1,19}(-\d{1,19})?", after):
            raise InvalidRequestError(f"{after!r} is no event's id.")
        number = int(after.partition("-")[0])

        def later() -> Sequence[FitEvent]:
            return self._events[fit_id][number:]

        if self.get(fit_id).status.is_final:
            return later()
        with self._changed:
            self._changed.wait_for(later, timeout_seconds)
            return later()

    def _newest(self, fit: Fit) -> Fit:
        current = self.get(fit.id)
        if current.status.is_final or current.attempt != fit.attempt:
            raise StaleAttemptError(f"Fit {fit.id!r} is in attempt {current.attempt}.")
        return current

    def _store(
        self, fit: Fit, events: Sequence[tuple[FitEventKind, dict[str, object]]]
    ) -> Fit:
        with self._changed:
            self._fits[fit.id] = replace(fit, queue_position=None)
            if fit.status.is_final:
                self._checkpoints.pop(fit.id, None)
            stream = self._events.setdefault(fit.id, [])
            for kind, payload in events:
                stream.append(FitEvent(f"{len(stream) + 1}-0", kind, payload))
            self._changed.notify_all()
        return fit


class InMemoryApiKeyRepository:
    """Implements `service.ports.ApiKeyRepository`."""

    def __init__(self) -> None:
        self._keys: dict[str, ApiKey] = {}
        self._tenants: set[str] = set()
        self._required = False
        self.asked = 0
        """How often somebody wanted to know anything."""

    def add(self, key: ApiKey) -> None:
        _require_new(key.id, self._keys)
        self._keys[key.id] = key
        self._tenants.add(key.tenant)
        self._required = True

    def find(self, key_id: str) -> ApiKey | None:
        self.asked += 1
        return self._keys.get(key_id)

    def list(self) -> Sequence[ApiKey]:
        return sorted(self._keys.values(), key=lambda key: (key.created_at, key.id))

    def revoke(self, key_id: str, now: datetime) -> ApiKey:
        if key_id not in self._keys:
            raise ApiKeyNotFoundError(key_id)
        self._keys[key_id] = self._keys[key_id].revoked(now)
        return self._keys[key_id]

    def are_required(self) -> bool:
        self.asked += 1
        return self._required

    def stop_requiring(self) -> None:
        self._required = False

    def tenants(self) -> Sequence[str]:
        return sorted(self._tenants)


class InMemoryRequestCounts:
    """Implements `service.ports.RequestCounts`, at a time that tests set."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked = 0
        self.error: Exception | None = None
        self._counts: dict[str, tuple[float, int]] = {}

    def add(self, client: str, n_requests: int, seconds: int) -> tuple[int, float]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        ends_at, counted = self._counts.get(client, (0.0, 0))
        if self.now >= ends_at:
            ends_at, counted = self.now + seconds, 0
        self._counts[client] = ends_at, counted + n_requests
        return counted + n_requests, ends_at - self.now


class InMemoryIdempotencyRepository:
    """Implements `service.ports.IdempotencyRepository`; holds end when told to."""

    def __init__(self) -> None:
        self._reservations: dict[str, Reservation] = {}
        self._holders: dict[str, str] = {}

    def reserve(self, reservation: Reservation) -> Reservation:
        return self._reservations.setdefault(reservation.key, reservation)

    def hold(self, key: str, holder: str) -> bool:
        return self._holders.setdefault(key, holder) == holder

    def remember(self, reservation: Reservation, holder: str) -> None:
        if self._holders.get(reservation.key) == holder:
            self._reservations[reservation.key] = reservation

    def release(self, key: str, holder: str) -> None:
        if self._holders.get(key) == holder:
            del self._holders[key]


def _require_new(record_id: str, records: dict[str, Any]) -> None:
    if record_id in records:
        raise IdTakenError(f"There is a {record_id!r} already.")


def _page(items: list[Item], page: PageRequest) -> Page[Item]:
    ordered = sorted(items, key=_place, reverse=True)
    if page.cursor is not None:
        after = _decode_cursor(page.cursor)
        ordered = [item for item in ordered if _place(item) < after]
    shown = tuple(ordered[: page.limit])
    has_more = len(ordered) > page.limit
    return Page(shown, _encode_cursor(shown[-1]) if has_more else None)


def _place(item: Dataset | Fit | Model) -> tuple[str, str]:
    return item.created_at.isoformat(timespec="microseconds"), item.id


def _encode_cursor(item: Dataset | Fit | Model) -> str:
    return urlsafe_b64encode("/".join(_place(item)).encode()).decode()


def _decode_cursor(cursor: str) -> tuple[str, str]:
    try:
        created_at, slash, item_id = urlsafe_b64decode(cursor).decode().partition("/")
    except ValueError:
        slash = ""
    if not slash:
        raise InvalidRequestError(f"{cursor!r} is not a cursor.")
    return created_at, item_id
