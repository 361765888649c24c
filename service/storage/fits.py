"""Fits in Redis: the record of each, and its stream of events.

Every change is a compare-and-set of the whole record (`Store.commit`): the record read
says whether the change is allowed (its attempt is the newest, it is not final), and the
script writes only if it is still that record. So the attempt number fences an older
attempt, a cancelled fit stays cancelled, and the record, its place in the lists, its
event, its entry in the webhooks' outbox and, at a success, its model change in one
step.

A script rather than WATCH and MULTI: one round trip instead of three, on any connection
of the pool, and its second try finds that the first had come through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta

from gmm_engine import Checkpoint
from service.domain.fits import (
    Failure,
    Fit,
    FitEvent,
    FitEventKind,
    FitState,
    Progress,
)
from service.domain.models import FittedModel
from service.domain.pages import Page, PageRequest
from service.errors import (
    FitAlreadyFinishedError,
    FitNotFoundError,
    NotFoundError,
    StaleAttemptError,
)
from service.storage.checkpoints import (
    MAX_CHECKPOINT_BYTES,
    decode_checkpoint,
    encode_checkpoint,
)
from service.storage.connection import StoreClients
from service.storage.fit_records import (
    decode_event,
    decode_fit,
    encode_event,
    encode_fit,
    require_event_id,
)
from service.storage.index import Index
from service.storage.keys import Keys
from service.storage.models import RedisModelRepository
from service.storage.records import commit, commit_new
from service.storage.staging import Staged, expire, set_value, staging
from service.storage.store import ChangedKeyError, Command, Store
from service.storage.webhooks import outbox_entry

MAX_EVENTS = 1000
MAX_EVENT_BYTES = 16 << 20
"""Of all events of a fit; of large ones fewer than MAX_EVENTS are kept."""
EVENTS_TTL = timedelta(hours=1)

_PAGE = 100
_DURATIONS = 20


class RedisFitRepository:
    """Implements `service.ports.FitRepository`; `ttl` counts from a fit's end."""

    def __init__(
        self,
        clients: StoreClients,
        tenant: str = "default",
        ttl: timedelta | None = None,
        model_ttl: timedelta | None = None,
        trajectory_ttl: timedelta | None = None,
    ) -> None:
        self._store = Store(clients)
        self._keys = Keys(tenant)
        self._index = Index(self._store, self._keys.fits, self._keys.fit)
        self._models = RedisModelRepository(clients, tenant, model_ttl, trajectory_ttl)
        self._ttl = ttl

    def add(self, fit: Fit) -> None:
        self._add(fit)

    def add_unless_equal(
        self, fit: Fit, content_hash: str, *, must_be_over: bool = False
    ) -> Fit:
        name = self._keys.fit_by_hash(content_hash)
        while True:
            fit_id = self._store.get(name)
            found = self._equal(fit_id)
            if found is not None and (found.status.is_final or not must_be_over):
                return found
            # Whoever adds an equal one meanwhile writes the key, and we look again. So
            # nothing is held that somebody who dies would have to give back.
            with suppress(ChangedKeyError):
                self._add(fit, {name: fit_id})
                return fit

    def _add(
        self, fit: Fit, unchanged: Mapping[str, bytes | None] | None = None
    ) -> None:
        record = encode_fit(fit)
        key = self._keys.fit(fit.id)
        commands = [
            set_value(key, record, None),
            ("SADD", self._keys.fits_in(fit.status), fit.id),
            self._index.add(fit.id, fit.created_at),
            self._event(fit.id, FitEventKind.STATUS, {}),
            *(set_value(name, fit.id.encode(), None) for name in self._hash_keys(fit)),
        ]
        commit_new(self._store, key, record, commands, unchanged=unchanged)
        if self._ttl is not None:
            self._index.sweep()

    def get(self, fit_id: str) -> Fit:
        return decode_fit(self._record(fit_id))

    def list(self, page: PageRequest) -> Page[Fit]:
        return self._index.page(page, decode_fit)

    def start(self, fit_id: str, now: datetime) -> Fit:
        def started(current: Fit) -> Fit:
            if current.status.is_final:
                raise _stale(current)
            return current.started(now)

        return self._change(fit_id, started)

    def report(
        self,
        fit: Fit,
        progress: Progress,
        events: Sequence[dict[str, object]],
        checkpoint: Checkpoint | None = None,
    ) -> None:
        def reported(current: Fit) -> Fit:
            _require_newest(current, fit)
            return replace(current, progress=progress)

        appended = [
            self._event(fit.id, FitEventKind.ITERATION, event) for event in events
        ]
        with self._staged(fit.id, checkpoint) as staged:
            moved = list(staged.commands(None))
            self._change(fit.id, reported, [*appended, *moved], staged.keys)

    def checkpoint(self, fit_id: str) -> Checkpoint | None:
        value = self._store.get(self._keys.fit_checkpoint(fit_id))
        return None if value is None else decode_checkpoint(value)

    def succeed(self, fit: Fit, fitted: FittedModel, now: datetime) -> Fit:
        def succeeded(current: Fit) -> Fit:
            _require_newest(current, fit)
            return current.succeeded(fitted.model, now)

        with self._models.staged(fitted) as model:
            finished = self._change(
                fit.id, succeeded, model.commands, required=model.required
            )
        self._models.sweep()
        return finished

    def fail(self, fit: Fit, error: Failure, now: datetime) -> Fit:
        def failed(current: Fit) -> Fit:
            _require_newest(current, fit)
            return current.failed(error, now)

        return self._change(fit.id, failed)

    def cancel(self, fit_id: str, now: datetime) -> Fit:
        def cancelled(current: Fit) -> Fit:
            if current.status.is_final:
                raise FitAlreadyFinishedError(current.id, current.status)
            return current.cancelled(now)

        return self._change(fit_id, cancelled)

    def with_status(self, status: FitState) -> Iterator[Fit]:
        if status.is_final:
            return self._listed(status)
        return self._unfinished(status)

    def n_queued(self) -> int:
        (n_queued,) = self._store.run([("SCARD", self._keys.fits_in(FitState.QUEUED))])
        return int(n_queued)

    def recent_seconds(self) -> Sequence[float]:
        (durations,) = self._store.run([("LRANGE", self._keys.fit_durations, 0, -1)])
        return [int(milliseconds) / 1000 for milliseconds in durations]

    def equal(self, content_hash: str) -> Fit | None:
        return self._equal(self._store.get(self._keys.fit_by_hash(content_hash)))

    def _equal(self, fit_id: bytes | None) -> Fit | None:
        """The fit that a hash leads to, if an equal request may be answered with it."""
        if fit_id is None:
            return None
        try:
            fit = self.get(fit_id.decode())
            if fit.model_id is not None:
                self._models.get(fit.model_id)
        except NotFoundError:
            return None
        return fit if fit.is_reusable else None

    def events(
        self, fit_id: str, after: str, timeout_seconds: float
    ) -> Sequence[FitEvent]:
        require_event_id(after)
        stream = self._keys.fit_events(fit_id)
        record, entries = self._store.get_with_entries(
            self._keys.fit(fit_id), stream, after
        )
        if record is None:
            raise FitNotFoundError(fit_id)
        # Nothing follows the end of a fit, so there is nothing to wait for.
        if not entries and not decode_fit(record).status.is_final:
            entries = self._store.wait_for_entries(stream, after, timeout_seconds)
        return [decode_event(entry_id, fields) for entry_id, fields in entries]

    def _record(self, fit_id: str) -> bytes:
        record = self._store.get(self._keys.fit(fit_id))
        if record is None:
            raise FitNotFoundError(fit_id)
        return record

    def _change(
        self,
        fit_id: str,
        change: Callable[[Fit], Fit],
        commands: Sequence[Command] = (),
        required: Sequence[str] = (),
    ) -> Fit:
        """Store what `change` makes of the current record, with other commands."""
        key = self._keys.fit(fit_id)
        while True:
            record = self._record(fit_id)
            current = decode_fit(record)
            changed = change(current)
            new = encode_fit(changed)
            writes = [*self._writes(current, changed, new), *commands]
            if commit(self._store, key, record, new, writes, required):
                return changed

    @contextmanager
    def _staged(self, fit_id: str, checkpoint: Checkpoint | None) -> Iterator[Staged]:
        """A checkpoint on its way: too large to be sent through a script."""
        value = None if checkpoint is None else encode_checkpoint(checkpoint)
        if value is None or len(value) > MAX_CHECKPOINT_BYTES:
            yield Staged()
            return
        key = self._keys.fit_checkpoint(fit_id)
        with staging(self._store, self._keys, [(key, value)]) as staged:
            yield staged

    def _writes(self, current: Fit, changed: Fit, record: bytes) -> Iterator[Command]:
        ended = changed.status.is_final
        if changed.status is not current.status or changed.attempt != current.attempt:
            # First, as a full store allows it: then it takes the rest as well, and
            # a fit can always be started, cancelled or failed.
            yield ("SREM", self._keys.fits_in(current.status), current.id)
            if not ended:
                yield ("SADD", self._keys.fits_in(changed.status), changed.id)
            yield self._event(changed.id, FitEventKind.STATUS, {})
        yield set_value(
            self._keys.fit(changed.id), record, self._ttl if ended else None
        )
        if ended:
            yield ("UNLINK", self._keys.fit_checkpoint(changed.id))
            ttl = min(EVENTS_TTL, self._ttl or EVENTS_TTL)
            yield expire(self._keys.fit_events(changed.id), ttl)
            yield from self._ended(changed)
            yield from outbox_entry(self._keys, changed)

    def _ended(self, fit: Fit) -> Iterator[Command]:
        yield ("HINCRBY", self._keys.fits_ended, fit.status, 1)
        if self._ttl is not None:
            # Of a newer fit, perhaps: then it is found by its hash for shorter.
            yield from (expire(name, self._ttl) for name in self._hash_keys(fit))
        if fit.status is FitState.SUCCEEDED and fit.started_at and fit.finished_at:
            took = (fit.finished_at - fit.started_at) // timedelta(milliseconds=1)
            yield ("LPUSH", self._keys.fit_durations, max(0, took))
            yield ("LTRIM", self._keys.fit_durations, 0, _DURATIONS - 1)

    def _hash_keys(self, fit: Fit) -> Sequence[str]:
        hashes = (fit.content_hash, fit.seedless_hash)
        return [self._keys.fit_by_hash(found) for found in hashes if found is not None]

    def _event(
        self, fit_id: str, kind: FitEventKind, payload: dict[str, object]
    ) -> Command:
        fields = encode_event(kind, payload)
        n_kept = min(MAX_EVENTS, max(1, MAX_EVENT_BYTES // sum(map(len, fields))))
        key = self._keys.fit_events(fit_id)
        return ("XADD", key, "MAXLEN", "~", n_kept, "*", *fields)

    def _unfinished(self, status: FitState) -> Iterator[Fit]:
        fit_ids = self._store.members(self._keys.fits_in(status))
        for start in range(0, len(fit_ids), _PAGE):
            keys = [self._keys.fit(fit_id) for fit_id in fit_ids[start : start + _PAGE]]
            for record in self._store.get_all(keys):
                # Another state than a moment ago, if it was changed meanwhile.
                if record is not None and (fit := decode_fit(record)).status is status:
                    yield fit

    def _listed(self, status: FitState) -> Iterator[Fit]:
        page = PageRequest(_PAGE)
        while True:
            listed = self.list(page)
            yield from (fit for fit in listed.items if fit.status is status)
            if listed.next is None:
                return
            page = PageRequest(_PAGE, listed.next)


def _require_newest(current: Fit, fit: Fit) -> None:
    if current.status.is_final or current.attempt != fit.attempt:
        raise _stale(current)


def _stale(current: Fit) -> StaleAttemptError:
    return StaleAttemptError(
        f"Fit {current.id!r} is {current.status} in attempt {current.attempt}; "
        "stop working on it."
    )
