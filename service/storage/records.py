"""What the heads of all records have in common: JSON, marked by the write it is of.

The mark makes each write's head different from every other, though the record be the
same. So a compare-and-set compares writes, and a second try, sent because the answer to
the first was lost, finds its own mark and knows that it had come through. Two workers
that start the same attempt at once write equal records; without marks both would
believe that it is theirs.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from service.errors import CorruptValueError, IdTakenError, StorageUnavailableError
from service.storage.codec import decode_head, encode_head
from service.storage.store import Command, MissingKeyError, Store

_MARK = "write"


def encode_record(fields: dict[str, Any]) -> bytes:
    return encode_head(fields | {_MARK: uuid.uuid4().hex})


def decode_record(head: bytes) -> dict[str, Any]:
    fields = decode_head(head)
    fields.pop(_MARK, None)
    return fields


@contextmanager
def fields_of(kind: str) -> Iterator[None]:
    """Around the code that makes a record of kind from its stored fields."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptValueError(
            f"The stored record of a {kind} has missing or unreadable fields."
        ) from error


def commit_new(
    store: Store,
    key: str,
    head: bytes,
    commands: Sequence[Command],
    required: Sequence[str] = (),
    unchanged: Mapping[str, bytes | None] | None = None,
) -> None:
    """Run the commands that store a new record, whole or not at all."""
    if not commit(store, key, None, head, commands, required, unchanged):
        raise IdTakenError("Expected a new id, but there is one like it already.")


def commit(
    store: Store,
    key: str,
    expected: bytes | None,
    head: bytes,
    commands: Sequence[Command],
    required: Sequence[str] = (),
    unchanged: Mapping[str, bytes | None] | None = None,
) -> bool:
    """Run the commands that change a record, unless it has changed meanwhile."""
    try:
        return store.commit(key, expected, head, commands, required, unchanged)
    except MissingKeyError as error:
        raise StorageUnavailableError(
            "The store took so long that it forgot the first part of the data; "
            "send the request again."
        ) from error
