"""Values of every type, read piece by piece and written back.

A piece is a group of words that belong together: a field and its value, a score and its
member, an entry of a stream. A large value is never read in one answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from redis import Redis

from service.storage.backup.file import Kind, Record
from service.storage.store import Command

CHUNK_BYTES = 1 << 20
"""About as much of a value is read at a time."""

Group = tuple[bytes, ...]

_ITEMS_PER_SCAN = 200
_FIRST_PAGE = 10
_LARGEST_PAGE = 1000


def records_of(
    client: Redis, kind: Kind, key: bytes, expires_at_ms: int
) -> Iterator[Record]:
    """A key as records of about CHUNK_BYTES each; no group is split."""
    items: list[bytes] = []
    size, begins = 0, True
    for group in _READERS[kind](client, key):
        items += group
        size += sum(map(len, group))
        if size >= CHUNK_BYTES:
            yield Record(kind, key, items, expires_at_ms, begins)
            items, size, begins = [], 0, False
    if items:
        yield Record(kind, key, items, expires_at_ms, begins)


def commands_of(record: Record, key: str | bytes) -> Iterator[Command]:
    """The commands that add a record's items to a key."""
    name = cast("str", key)
    if record.kind is Kind.STREAM:
        items = iter(record.items)
        for entry_id in items:
            words = [next(items) for _ in range(int(next(items)))]
            yield ("XADD", name, entry_id, *words)
    else:
        yield (_WRITERS[record.kind], name, *record.items)


def _read_string(client: Redis, key: bytes) -> Iterator[Group]:
    offset = 0
    while True:
        chunk = cast("bytes", client.getrange(key, offset, offset + CHUNK_BYTES - 1))
        yield (chunk,)
        if len(chunk) < CHUNK_BYTES:
            return
        offset += CHUNK_BYTES


def _read_hash(client: Redis, key: bytes) -> Iterator[Group]:
    return client.hscan_iter(key, count=_ITEMS_PER_SCAN)


def _read_set(client: Redis, key: bytes) -> Iterator[Group]:
    return ((member,) for member in client.sscan_iter(key, count=_ITEMS_PER_SCAN))


def _read_zset(client: Redis, key: bytes) -> Iterator[Group]:
    for member, score in client.zscan_iter(key, count=_ITEMS_PER_SCAN):
        # The shortest text that is read as the same number.
        yield repr(score).encode(), member


def _read_list(client: Redis, key: bytes) -> Iterator[Group]:
    start, page = 0, _FIRST_PAGE
    while True:
        values = cast("list[bytes]", client.lrange(key, start, start + page - 1))
        yield from ((value,) for value in values)
        if len(values) < page:
            return
        start += page
        page = _next_page(page, sum(map(len, values)))


def _read_stream(client: Redis, key: bytes) -> Iterator[Group]:
    after, page = "-", _FIRST_PAGE
    while True:
        entries = cast(
            "list[tuple[bytes, Mapping[bytes, bytes]]]",
            client.xrange(key, after, "+", page),
        )
        size = 0
        for entry_id, fields in entries:
            words = [word for pair in fields.items() for word in pair]
            size += sum(map(len, words))
            yield entry_id, str(len(words)).encode(), *words
        if len(entries) < page:
            return
        after = f"({entries[-1][0].decode()}"
        page = _next_page(page, size)


def _next_page(page: int, size_bytes: int) -> int:
    """As many items of this size as make about CHUNK_BYTES."""
    fitting = page * CHUNK_BYTES // max(1, size_bytes)
    return max(1, min(fitting, 10 * page, _LARGEST_PAGE))


_READERS: Mapping[Kind, Callable[[Redis, bytes], Iterator[Any]]] = {
    Kind.STRING: _read_string,
    Kind.HASH: _read_hash,
    Kind.SET: _read_set,
    Kind.ZSET: _read_zset,
    Kind.LIST: _read_list,
    Kind.STREAM: _read_stream,
}
_WRITERS: Mapping[Kind, str] = {
    Kind.STRING: "APPEND",
    Kind.HASH: "HSET",
    Kind.SET: "SADD",
    Kind.ZSET: "ZADD",
    Kind.LIST: "RPUSH",
}
KINDS: Mapping[bytes, Kind] = {kind.name.lower().encode(): kind for kind in _READERS}
"""By the names that TYPE gives."""


def expiry(pttl: int, time: Sequence[int]) -> int:
    """When a key expires, by the store's clock; 0: never."""
    seconds, microseconds = time
    return 0 if pttl < 0 else 1000 * seconds + microseconds // 1000 + pttl
