"""What the messages of an Arrow stream claim, read before Arrow acts on it.

Arrow allocates what a compressed buffer says it will inflate to, and believes the
number of rows. Both are in the metadata of a message, a FlatBuffer laid out as in
https://arrow.apache.org/docs/format/Columnar.html and Message.fbs.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_MESSAGE_HEADER = 2
_BATCH_LENGTH, _BATCH_BUFFERS, _BATCH_COMPRESSION = 0, 2, 3
_UNCOMPRESSED = -1
"""In place of its inflated size, for a buffer that did not get smaller."""


@dataclass(frozen=True, slots=True)
class BatchClaims:
    """What a record batch says of itself."""

    n_rows: int
    inflated_bytes: int
    """The sum of what its compressed buffers inflate to."""


def batch_claims(metadata: bytes, body: memoryview) -> BatchClaims:
    """Return the claims of a record batch; ValueError or struct.error if garbled."""
    message = _table_at(metadata, 0)
    header = _field(metadata, message, _MESSAGE_HEADER)
    if header is None:
        raise ValueError("a record batch without a header")
    batch = _table_at(metadata, header)
    length = _field(metadata, batch, _BATCH_LENGTH)
    buffers = _field(metadata, batch, _BATCH_BUFFERS)
    n_rows = 0 if length is None else _unpack("<q", metadata, length)
    if n_rows < 0 or buffers is None:
        raise ValueError("a record batch without rows or buffers")
    vector = buffers + _unpack("<I", metadata, buffers)
    n_buffers = _unpack("<I", metadata, vector)
    is_compressed = _field(metadata, batch, _BATCH_COMPRESSION) is not None
    inflated = 0
    for k in range(n_buffers):
        inflated += _inflated_bytes(
            body,
            _unpack("<q", metadata, vector + 4 + 16 * k),
            _unpack("<q", metadata, vector + 12 + 16 * k),
            is_compressed,
        )
    return BatchClaims(n_rows, inflated)


def _inflated_bytes(
    body: memoryview, offset: int, length: int, is_compressed: bool
) -> int:
    if length < 0 or offset < 0 or offset + length > len(body):
        raise ValueError("a buffer outside its message")
    if not is_compressed or length == 0:
        return 0
    inflated = _unpack("<q", body, offset)
    if inflated < _UNCOMPRESSED:
        raise ValueError("a buffer of negative size")
    return max(0, inflated)


def _table_at(metadata: bytes, position: int) -> int:
    return position + int(_unpack("<I", metadata, position))


def _field(metadata: bytes, table: int, number: int) -> int | None:
    """Return where a field of a table is, None when it has its default."""
    vtable = table - _unpack("<i", metadata, table)
    slot = 4 + 2 * number
    if slot + 2 > _unpack("<H", metadata, vtable):
        return None
    offset = _unpack("<H", metadata, vtable + slot)
    return table + offset if offset else None


def _unpack(layout: str, data: bytes | memoryview, position: int) -> int:
    # struct would count a negative position from the end.
    if position < 0:
        raise ValueError("a position before the start")
    (value,) = struct.unpack_from(layout, data, position)
    return int(value)
