"""From a store into a backup, while the service may be at work on it.

There is no moment at which the whole store is copied; what holds is this:

- A dataset or model is copied whole or not at all. Its parts never change, and come and
  go with its head in one step: so the parts are read between two looks at the head, and
  stay in the file only if it was there both times.
- A fit's record is read after its events, and in one step with its place among the
  unfinished: workers look for those there, and would not find it elsewhere.
- An object's place in its list is read in one step with its head.
- Fits are read before models, and both before datasets: what a record refers to is
  there, unless it was deleted. A model whose fit was not finished yet when the fit was
  read is left out: once restored, the fit will make it again.
- A fit's checkpoint of more than a chunk may be torn; then the fit begins anew.
- Any other key is copied by itself: before all these, as it may refer to them (the
  answer kept for a request that is sent twice); sets after them, as they list others.

So a fit that ends during a backup may be unfinished in it, but never half finished.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import cast

from redis import Redis

from service.domain.fits import FitState
from service.errors import CorruptValueError, ServiceError
from service.storage.backup.file import BackupWriter, Header, Kind, Record, Totals
from service.storage.backup.values import KINDS, expiry, records_of
from service.storage.connection import StoreClients
from service.storage.errors import translate_redis_errors
from service.storage.index import Index
from service.storage.keys import MIGRATION_LOCK, SCHEMA_VERSION, Keys
from service.storage.records import decode_record
from service.storage.store import Store

OnProgress = Callable[[Totals], None]

_KEYS_PER_SCAN = 500
_TRIES = 100
_SETS = ("set", "zset")

_TENANT = "[a-z0-9][a-z0-9-]{0,62}"
_HEAD = re.compile(f"gmm:({_TENANT}):(fit|model|dataset):(.+)", re.DOTALL)
_NOT_ALONE = re.compile(
    f"gmm:{_TENANT}:((fit|model|dataset|fit-events|model-parameters|model-trajectory"
    "|dataset-block|staged|fit-checkpoint):.*|fits|models|datasets|fits-queued|fits-running)"
    "|gmm:_:(schema-version|migration-lock|(restored|rate-limit):.*)",
    re.DOTALL,
)
"""Keys that are copied with the object they belong to, or not at all."""


class NoBackupError(ServiceError):
    """The store cannot be backed up, as it is now."""

    status, code, title = 409, "no-backup", "No backup"


@dataclass(frozen=True, slots=True)
class ObjectKind:
    """Where the keys of an object are, beside its head."""

    name: str
    head: Callable[[Keys, str], str]
    listed_at: Callable[[Keys], str]
    parts: Callable[[Keys, str], Sequence[Iterable[str]]]
    """Runs of keys; each ends before the first that is not there."""
    is_fixed: bool = True
    """Whether the parts never change."""


_FIT = ObjectKind(
    "fit",
    Keys.fit,
    lambda keys: keys.fits,
    lambda keys, fit_id: [[keys.fit_events(fit_id)], [keys.fit_checkpoint(fit_id)]],
    is_fixed=False,
)
_MODEL = ObjectKind(
    "model",
    Keys.model,
    lambda keys: keys.models,
    lambda keys, model_id: [
        [keys.model_parameters(model_id)],
        (keys.model_trajectory(model_id, number) for number in count()),
    ],
)
_DATASET = ObjectKind(
    "dataset",
    Keys.dataset,
    lambda keys: keys.datasets,
    lambda keys, dataset_id: [
        (keys.dataset_block(dataset_id, number) for number in count())
    ],
)
_UNFINISHED = [state for state in FitState if not state.is_final]


@translate_redis_errors()
def header_of(clients: StoreClients) -> Header:
    """What stands at the beginning of a store's backup.

    Raises NoBackupError for a store in which there is nothing at all.
    """
    client = clients.ordinary
    version = cast("bytes | None", client.get(SCHEMA_VERSION))
    if version is None and not any(True for _ in client.scan_iter("gmm:*")):
        raise NoBackupError(
            "There is nothing in the store: is it the one that you mean? It is set by "
            "GMM_REDIS_URL or, for the embedded one, by GMM_STATE_DIR."
        )
    return Header(int(version or 0), expiry(0, client.time()))


@translate_redis_errors()
def copy_store(
    clients: StoreClients, writer: BackupWriter, on_progress: OnProgress
) -> None:
    """Write all that is stored; what was written is no backup if this raises."""
    copy = _Copy(Store(clients), clients.ordinary, writer)
    version = copy.settled_version()
    for key in copy.keys("gmm:*"):
        copy.copy_alone(key, later=_SETS)
        on_progress(writer.totals)
    for kind in (_FIT, _MODEL, _DATASET):
        for key in copy.keys(f"gmm:*:{kind.name}:*"):
            copy.copy_object(kind, key)
            on_progress(writer.totals)
    for only in _SETS:
        for key in copy.keys("gmm:*", only):
            copy.copy_alone(key)
            on_progress(writer.totals)
    if copy.settled_version() != version:
        raise _unsettled()


@dataclass(slots=True)
class _Copy:
    """One pass over a store."""

    store: Store
    client: Redis
    writer: BackupWriter
    unfinished: set[tuple[str, str]] = field(default_factory=set)
    """Tenant and id of the fits that were not finished when they were read."""

    def settled_version(self) -> bytes | None:
        """The schema version; raises while the store is migrated or restored."""
        version, lock = self.store.get_all([SCHEMA_VERSION, MIGRATION_LOCK])
        if lock is not None:
            raise _unsettled()
        return version

    def keys(self, pattern: str, only: str | None = None) -> Iterator[bytes]:
        """The keys that match, of one type or of any."""
        return self.client.scan_iter(pattern, count=_KEYS_PER_SCAN, _type=only)

    def copy_object(self, kind: ObjectKind, key: bytes) -> None:
        """Copy an object with its parts and its places, unless it is gone."""
        match = _HEAD.fullmatch(key.decode(errors="replace"))
        if match is None or match[2] != kind.name:
            return
        keys, object_id = Keys(match[1]), match[3]
        before = self.writer.mark()
        for _ in range(_TRIES):
            head = cast("bytes | None", self.client.get(key))
            if head is None or self._is_made_again(kind, keys, head):
                return
            for run in kind.parts(keys, object_id):
                self._copy_run(run)
            if self._copy_head(kind, keys, object_id, head):
                return
            self.writer.roll_back(before)
        raise NoBackupError(
            f"{key.decode()!r} changed faster than it could be read; try again later."
        )

    def copy_alone(self, key: bytes, later: Sequence[str] = ()) -> None:
        """Copy a key that belongs to no object, unless its type comes later."""
        if _NOT_ALONE.fullmatch(key.decode(errors="replace")):
            return
        before = self.writer.mark()
        # Gone before its end was read: half of it is worth nothing.
        if self._copy_key(key, later) and not self.client.exists(key):
            self.writer.roll_back(before)

    def _copy_run(self, keys: Iterable[str]) -> None:
        for key in keys:
            if not self._copy_key(key.encode()):
                return

    def _copy_key(self, key: bytes, later: Sequence[str] = ()) -> bool:
        """Copy a key; False if it is not there, or of a type that comes later."""
        name, pttl, time = self.store.run([("TYPE", key), ("PTTL", key), ("TIME",)])
        if name.decode() in ("none", *later):
            return False
        if name not in KINDS:
            raise NoBackupError(
                f"{key.decode(errors='replace')!r} is of type {name.decode()}, which a "
                "backup cannot hold."
            )
        expires_at = expiry(pttl, time)
        for record in records_of(self.client, KINDS[name], key, expires_at):
            self.writer.write(record)
        return True

    def _copy_head(
        self, kind: ObjectKind, keys: Keys, object_id: str, expected: bytes
    ) -> bool:
        """Copy a head with its places; False if it is not what its parts belong to."""
        key, listed_at = kind.head(keys, object_id), kind.listed_at(keys)
        member = self._member(listed_at, object_id, expected)
        states = [keys.fits_in(state) for state in _UNFINISHED if kind is _FIT]
        head, pttl, time, score, *is_in_state = self.store.run(
            [
                ("GET", key),
                ("PTTL", key),
                ("TIME",),
                ("ZSCORE", listed_at, member),
                *(("SISMEMBER", state, object_id) for state in states),
            ]
        )
        if head is None or (kind.is_fixed and head != expected):
            return False
        self.writer.write(Record(Kind.STRING, key.encode(), [head], expiry(pttl, time)))
        if score is not None:
            self._add_member(Kind.ZSET, listed_at, b"0", member.encode())
        for state, is_in in zip(states, is_in_state, strict=True):
            if is_in:
                self.unfinished.add((keys.tenant, object_id))
                self._add_member(Kind.SET, state, object_id.encode())
        return True

    def _add_member(self, kind: Kind, key: str, *items: bytes) -> None:
        self.writer.write(Record(kind, key.encode(), items, begins=False))

    def _member(self, listed_at: str, object_id: str, head: bytes) -> str:
        """The member that stands for an object in its list; none for a strange head."""
        index = Index(self.store, listed_at, str)
        try:
            created_at = datetime.fromisoformat(decode_record(head)["created_at"])
            return str(index.add(object_id, created_at)[-1])
        except (CorruptValueError, KeyError, TypeError, ValueError):
            return ""

    def _is_made_again(self, kind: ObjectKind, keys: Keys, head: bytes) -> bool:
        """Whether a model's fit was not finished when it was read."""
        if kind is not _MODEL or not self.unfinished:
            return False
        try:
            return (keys.tenant, decode_record(head).get("fit_id")) in self.unfinished
        except CorruptValueError:
            return False


def _unsettled() -> NoBackupError:
    return NoBackupError(
        "The store was migrated or restored meanwhile: when that has come to its end, "
        "make the backup again."
    )
