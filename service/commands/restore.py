"""`gmm restore`: a store as it was when a backup was made."""

from __future__ import annotations

import time
from pathlib import Path
from typing import BinaryIO

import click

from migrations.lock import held_lock
from migrations.runner import MIGRATIONS
from service.commands.backup import Teller, describe
from service.commands.stores import store_url
from service.errors import SchemaMismatchError
from service.settings import Settings
from service.storage.backup.file import BackupReader
from service.storage.backup.restoring import require_room, restore
from service.storage.connection import StoreClients
from service.storage.errors import translate_redis_errors


def run(settings: Settings, path: Path, replace: bool) -> None:
    """Restore a backup: nothing of it until the whole file was found sound."""
    began = time.monotonic()
    with _opened(path) as file:
        version = _require_sound(BackupReader(file))
        backup = BackupReader(file)
        with store_url(settings) as url:
            _restore(url, backup, replace)
    seconds = time.monotonic() - began
    click.echo(f"restored {path}: {describe(backup.totals)}, {seconds:.1f} s")
    if version < len(MIGRATIONS):
        click.echo(
            f"The backup has schema version {version}; this program needs "
            f"{len(MIGRATIONS)}: run `gmm migrate`."
        )


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise OSError(
            f"The backup {str(path)!r} cannot be read: {error.strerror or error}; give "
            "the path of a file that `gmm backup` wrote."
        ) from error


@translate_redis_errors()
def _restore(url: str, backup: BackupReader, replace: bool) -> None:
    clients = StoreClients(url)
    try:
        # Neither a migration nor another restore may come in between.
        with held_lock(clients.ordinary) as lock:
            if not replace:
                require_room(clients.ordinary)
            restore(url, backup, replace, Teller("restored"), lock.require)
    finally:
        clients.close()


def _require_sound(backup: BackupReader) -> int:
    """Read a backup to its end, and return its schema version."""
    version = backup.header.schema_version
    if version > len(MIGRATIONS):
        raise SchemaMismatchError(
            f"The backup has schema version {version}, this program knows only "
            f"{len(MIGRATIONS)}: restore it with the gmm-service that made it."
        )
    tell = Teller("checked")
    for _ in backup:
        tell(backup.totals)
    return version
