"""What a migration is, and what it needs to read a store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Protocol, TypeVar

from redis import Redis

Command = tuple[str | bytes | int, ...]
T = TypeVar("T")

_KEYS_PER_SCAN = 500


class Migration(Protocol):
    """A module of this package."""

    @property
    def NUMBER(self) -> int:
        """The schema version that the store has afterwards."""

    @property
    def TITLE(self) -> str:
        """What it does, as an infinitive."""

    def changes(self, client: Redis, /) -> Iterator[Command]:
        """Yield the commands that bring the store to this version."""


def scan(client: Redis, pattern: str) -> Iterator[bytes]:
    """The keys that match; some may come twice, as SCAN gives them."""
    return client.scan_iter(pattern, count=_KEYS_PER_SCAN)


def batches(items: Iterator[T], size: int) -> Iterator[Sequence[T]]:
    while batch := list(islice(items, size)):
        yield batch
