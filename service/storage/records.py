"""What the heads of all records have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from service.errors import CorruptValueError, StorageUnavailableError
from service.storage.store import Command, MissingKeyError, Store


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
) -> None:
    """Run the commands that store a new record, whole or not at all."""
    if not commit(store, key, None, head, commands, required):
        raise ValueError(f"expected a new id, but {key!r} exists")


def commit(
    store: Store,
    key: str,
    expected: bytes | None,
    head: bytes,
    commands: Sequence[Command],
    required: Sequence[str] = (),
) -> bool:
    """Run the commands that change a record, unless it has changed meanwhile."""
    try:
        return store.commit(key, expected, head, commands, required)
    except MissingKeyError as error:
        raise StorageUnavailableError(
            "The store took so long that it forgot the first part of the data; "
            "send the request again."
        ) from error
