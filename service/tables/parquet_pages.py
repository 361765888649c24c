"""What the pages of a Parquet file claim, read before Arrow acts on it.

Arrow allocates what the header of a page says it will inflate to, up to 2 GiB,
whatever the metadata of the file say. A header is a Thrift struct in the compact
protocol (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md);
its first fields are those of `PageHeader` in parquet.thrift.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_MAX_HEADER_BYTES = 1 << 16
_MAX_DEPTH = 8

_UNCOMPRESSED_PAGE_SIZE, _COMPRESSED_PAGE_SIZE = 2, 3

_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _STRUCT = 0, 1, 2, 3, 7, 8, 12
_VARINTS = {4, 5, 6}
_LISTS = {9, 10}


def inflated_sizes(body: bytes, start: int, stop: int) -> Iterator[int]:
    """Yield what each page of a column chunk inflates to; ValueError if garbled."""
    while start < stop:
        header = _Header(body[start : min(stop, start + _MAX_HEADER_BYTES)])
        try:
            fields = header.numbers()
            inflated = fields[_UNCOMPRESSED_PAGE_SIZE]
            compressed = fields[_COMPRESSED_PAGE_SIZE]
        except LookupError as error:
            raise ValueError("a page header is incomplete") from error
        if inflated < 0 or compressed < 0:
            raise ValueError("a page of negative size")
        yield inflated
        start += header.position + compressed


@dataclass(slots=True)
class _Header:
    data: bytes
    position: int = 0

    def numbers(self, depth: int = 0) -> dict[int, int]:
        """Return the integer fields of the struct that is next, and step behind it."""
        if depth > _MAX_DEPTH:
            raise ValueError("a page header is nested too deep")
        numbers = {}
        number = 0
        while (head := self._byte()) != _STOP:
            kind = head & 0x0F
            number = number + (head >> 4) if head >> 4 else self._signed()
            if kind in _VARINTS:
                numbers[number] = self._signed()
            elif kind not in {_TRUE, _FALSE}:  # These have no more bytes in a struct.
                self._skip(kind, depth)
        return numbers

    def _skip(self, kind: int, depth: int) -> None:
        if kind in _VARINTS:
            self._varint()
        elif kind in {_TRUE, _FALSE, _BYTE}:
            self._byte()
        elif kind == _DOUBLE:
            self.position += 8
        elif kind == _BINARY:
            length = self._varint()  # This moves the position too.
            self.position += length
        elif kind in _LISTS:
            head = self._byte()
            count = head >> 4 if head >> 4 != 0x0F else self._varint()
            for _ in range(count):
                self._skip(head & 0x0F, depth + 1)
        elif kind == _STRUCT:
            self.numbers(depth + 1)
        else:
            raise ValueError("a page header has a field of an unknown type")

    def _byte(self) -> int:
        byte = self.data[self.position]
        self.position += 1
        return byte

    def _varint(self) -> int:
        value = shift = 0
        while (byte := self._byte()) & 0x80:
            value |= (byte & 0x7F) << shift
            shift += 7
        return value | byte << shift

    def _signed(self) -> int:
        zigzag = self._varint()
        return zigzag >> 1 ^ -(zigzag & 1)
