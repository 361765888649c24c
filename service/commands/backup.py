"""`gmm backup`: all that is stored, in one file."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click

from service.commands.stores import store_url
from service.settings import Settings
from service.storage.backup.file import BackupWriter, Totals
from service.storage.backup.reading import copy_store, header_of
from service.storage.connection import StoreClients

_TELL_SECONDS = 2.0


def run(settings: Settings, path: Path, force: bool) -> None:
    """Write a backup; the file is there whole or not at all."""
    began = time.monotonic()
    _require_free(path, force)
    with store_url(settings) as url, whole_file(path, force) as file:
        clients = StoreClients(url)
        try:
            writer = BackupWriter(file, header_of(clients))
            copy_store(clients, writer, Teller("read"))
        finally:
            clients.close()
        writer.finish()
    seconds = time.monotonic() - began
    click.echo(f"{path}: {describe(writer.totals)}, {seconds:.1f} s")


class Teller:
    """Tells how far it is, now and then, on the standard error output."""

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._told_at = time.monotonic()

    def __call__(self, totals: Totals) -> None:
        if time.monotonic() - self._told_at >= _TELL_SECONDS:
            self._told_at = time.monotonic()
            click.echo(f"{self._verb} {describe(totals)}", err=True)


def describe(totals: Totals) -> str:
    return f"{totals.n_keys:,} keys, {totals.n_bytes:,} bytes"


@contextmanager
def whole_file(path: Path, force: bool) -> Iterator[BinaryIO]:
    """A file beside `path` that takes its name when all is written and on the disk."""
    _require_free(path, force)
    try:
        number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with _removed_on_error(Path(name)):
            with os.fdopen(number, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            _name(Path(name), path, force)
    except FileExistsError:
        _require_free(path, force)
        raise
    except OSError as error:
        raise OSError(
            f"The backup cannot be written to {str(path)!r}: {error.strerror or error}."
        ) from error


@contextmanager
def _removed_on_error(temporary: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _name(temporary: Path, path: Path, force: bool) -> None:
    if force:
        temporary.replace(path)
    else:
        # Not a rename: that would overwrite a file made meanwhile.
        path.hardlink_to(temporary)
        temporary.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _require_free(path: Path, force: bool) -> None:
    if not force and path.exists():
        raise FileExistsError(
            f"{str(path)!r} exists; --force overwrites it when the backup is complete."
        )
