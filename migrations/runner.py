"""Brings a store to the schema version of this program, or says that it is not there.

A crash at any moment leaves a store that the next run completes: a migration yields
only what is missing, and its number is stamped when nothing is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from redis import Redis

from migrations import m0001_stamp_schema_version
from migrations.lock import EXPIRY, MigrationLock, held_lock
from migrations.migration import Command, Migration, batches
from service.errors import SchemaMismatchError
from service.storage.errors import translate_redis_errors
from service.storage.keys import SCHEMA_VERSION

MIGRATIONS: Sequence[Migration] = (m0001_stamp_schema_version,)
"""In order; the numbers are 1, 2, 3, …"""

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Status:
    """The version of a store, and what is to be done to it."""

    version: int
    """0: never migrated."""
    target: int
    pending: tuple[str, ...]
    """A line for each migration to come: its number and title."""

    @property
    def is_current(self) -> bool:
        return self.version == self.target


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a migration is; in a dry run, how many changes it would make."""

    number: int
    title: str
    n_changes: int
    is_done: bool


def ignore_progress(progress: Progress) -> None:
    """The listener where nobody listens."""


@translate_redis_errors()
def status(client: Redis, migrations: Sequence[Migration] = MIGRATIONS) -> Status:
    """Return the store's version and the migrations to come."""
    version = int(cast("bytes | None", client.get(SCHEMA_VERSION)) or 0)
    pending = tuple(
        f"{migration.NUMBER:04d} {migration.TITLE}"
        for migration in migrations
        if version < migration.NUMBER
    )
    return Status(version, len(migrations), pending)


def require_current(
    client: Redis, migrations: Sequence[Migration] = MIGRATIONS
) -> None:
    """Raise SchemaMismatchError unless the store has this program's version."""
    found = status(client, migrations)
    if found.version < found.target:
        raise SchemaMismatchError(
            f"The store has schema version {found.version}, this program needs "
            f"{found.target}: run `gmm migrate`."
        )
    if found.version > found.target:
        raise _newer(found)


@translate_redis_errors()
def migrate(
    client: Redis,
    dry_run: bool = False,
    on_progress: Callable[[Progress], None] = ignore_progress,
    *,
    migrations: Sequence[Migration] = MIGRATIONS,
    lock_expiry: timedelta = EXPIRY,
) -> Status:
    """Run what is pending, and return the store's status after it.

    A dry run reports what each migration would change in the store as it is now, and
    changes nothing. Raises SchemaMismatchError for a store newer than this program,
    and MigrationLockedError while another runner is at work.
    """
    if dry_run:
        for migration in _pending(client, migrations):
            _rehearse(migration, client, on_progress)
        return status(client, migrations)
    with held_lock(client, lock_expiry) as lock:
        # Asked for under the lock: another runner may have just finished.
        for migration in _pending(client, migrations):
            _run(migration, client, lock, on_progress)
    return status(client, migrations)


def _pending(client: Redis, migrations: Sequence[Migration]) -> list[Migration]:
    found = status(client, migrations)
    if found.version > found.target:
        raise _newer(found)
    return [migration for migration in migrations if found.version < migration.NUMBER]


def _rehearse(
    migration: Migration, client: Redis, on_progress: Callable[[Progress], None]
) -> None:
    n_changes = sum(1 for _ in migration.changes(client))
    on_progress(Progress(migration.NUMBER, migration.TITLE, n_changes, is_done=False))


def _run(
    migration: Migration,
    client: Redis,
    lock: MigrationLock,
    on_progress: Callable[[Progress], None],
) -> None:
    n_changes = 0
    for batch in batches(migration.changes(client), _BATCH):
        _write(client, lock, batch)
        n_changes += len(batch)
        on_progress(Progress(migration.NUMBER, migration.TITLE, n_changes, False))
    _write(client, lock, [("SET", SCHEMA_VERSION, migration.NUMBER)])
    on_progress(Progress(migration.NUMBER, migration.TITLE, n_changes, is_done=True))


def _write(client: Redis, lock: MigrationLock, commands: Sequence[Command]) -> None:
    lock.require()
    with client.pipeline(transaction=True) as pipeline:
        for command in commands:
            # redis-py leaves this method without annotations.
            pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
        pipeline.execute()


def _newer(found: Status) -> SchemaMismatchError:
    return SchemaMismatchError(
        f"The store has schema version {found.version}, this program knows only "
        f"{found.target}: install the newer gmm-service that wrote it and check with "
        "`gmm migrate --status`; there is no way back."
    )
