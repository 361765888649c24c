"""Large values on their way into the store, before anything refers to them.

Values are written under keys of their own that expire; the commit that writes the head
renames them into place. So a record is seen whole or not at all, what a dead process
leaves behind goes away by itself, and no single command carries more than one value:
a script or transaction with tens of megabytes in it would stop the server for as long.
Two writers of the same record never touch each other's values.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta

from service.errors import StorageUnavailableError
from service.storage.keys import Keys
from service.storage.store import Command, Store

STAGED_SECONDS = 3600

_KEYS_PER_COMMAND = 1000


@dataclass(slots=True)
class Staged:
    """Values written under staged keys, in the order of their final keys."""

    pairs: list[tuple[str, str]] = field(default_factory=list)
    """Staged key and final key."""

    @property
    def keys(self) -> list[str]:
        return [staged for staged, _ in self.pairs]

    def commands(self, ttl: timedelta | None) -> Iterator[Command]:
        """Move each value to its final key, to live as long as `ttl` says."""
        return place(self.pairs, ttl)


@contextmanager
def staging(
    store: Store, keys: Keys, values: Iterable[tuple[str, bytes]]
) -> Iterator[Staged]:
    """Stage values, given with their final keys; on an error remove them again."""
    staged = Staged()
    token = uuid.uuid4().hex
    try:
        for number, (final, value) in enumerate(values):
            key = keys.staged(token, number)
            staged.pairs.append((key, final))
            store.run([("SET", key, value, "EX", STAGED_SECONDS)])
        yield staged
    except BaseException:
        # Only a courtesy to a store that may be full: they expire anyway.
        with suppress(StorageUnavailableError):
            store.run(list(remove(staged.keys)))
        raise


def place(pairs: Iterable[tuple[str, str]], ttl: timedelta | None) -> Iterator[Command]:
    """Commands that move values to their final keys, to live as long as `ttl` says."""
    for staged, final in pairs:
        yield ("RENAME", staged, final)
        yield ("PERSIST", final) if ttl is None else expire(final, ttl)


def expire(key: str, ttl: timedelta) -> Command:
    return ("PEXPIRE", key, milliseconds(ttl))


def set_value(key: str, value: bytes, ttl: timedelta | None) -> Command:
    if ttl is None:
        return ("SET", key, value)
    return ("SET", key, value, "PX", milliseconds(ttl))


def remove(keys: list[str]) -> Iterator[Command]:
    """Commands that remove keys; a few, as the words of one command are limited."""
    for start in range(0, len(keys), _KEYS_PER_COMMAND):
        yield ("UNLINK", *keys[start : start + _KEYS_PER_COMMAND])


def milliseconds(ttl: timedelta) -> int:
    return max(1, ttl // timedelta(milliseconds=1))
