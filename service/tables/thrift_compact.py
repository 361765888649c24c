"""Thrift structs in the compact protocol, as Parquet has them, read with bounds.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Value: TypeAlias = "int | bytes | list[Value] | Struct"
Struct: TypeAlias = "dict[int, Value]"

_MAX_DEPTH = 16

_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _STRUCT = 0, 1, 2, 3, 7, 8, 12
_INTEGERS = {4, 5, 6}
_LISTS = {9, 10}


def read_struct(data: bytes) -> tuple[Struct, int]:
    """Return the fields of a struct by their numbers, and the bytes that it took.

    ValueError when the bytes are garbled or end too early.
    """
    reader = _Reader(data)
    try:
        fields = reader.struct(depth=0)
    except IndexError as error:
        raise ValueError("a Thrift struct is incomplete") from error
    return fields, reader.position


def integer(fields: Struct, number: int) -> int:
    """Return an integer field; ValueError without it."""
    value = fields.get(number)
    if not isinstance(value, int):
        raise ValueError("a Thrift struct lacks an integer")
    return value


def struct(fields: Struct, number: int) -> Struct:
    """Return a field that is a struct; ValueError without it."""
    value = fields.get(number)
    if not isinstance(value, dict):
        raise ValueError("a Thrift struct lacks a struct")
    return value


def structs(fields: Struct, number: int) -> list[Struct]:
    """Return a field that is a list of structs; ValueError without it."""
    values = fields.get(number)
    if not isinstance(values, list):
        raise ValueError("a Thrift struct lacks a list")
    found = [value for value in values if isinstance(value, dict)]
    if len(found) != len(values):
        raise ValueError("a Thrift list has other things than structs")
    return found


@dataclass(slots=True)
class _Reader:
    data: bytes
    position: int = 0

    def struct(self, depth: int) -> Struct:
        if depth > _MAX_DEPTH:
            raise ValueError("a Thrift struct is nested too deep")
        fields: Struct = {}
        number = 0
        while (head := self._byte()) != _STOP:
            kind = head & 0x0F
            number = number + (head >> 4) if head >> 4 else self._signed()
            if kind in {_TRUE, _FALSE}:  # In a struct, the value is in the type.
                fields[number] = int(kind == _TRUE)
            else:
                fields[number] = self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Value:
        if kind in _INTEGERS:
            return self._signed()
        if kind in {_TRUE, _FALSE, _BYTE}:
            return self._byte()
        if kind == _DOUBLE:
            return self._bytes(8)
        if kind == _BINARY:
            return self._bytes(self._varint())
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in _LISTS:
            head = self._byte()
            count = head >> 4 if head >> 4 != 0x0F else self._varint()
            if depth > _MAX_DEPTH:
                raise ValueError("a Thrift list is nested too deep")
            # Each element takes a byte at least: a false count ends the data.
            return [self._value(head & 0x0F, depth + 1) for _ in range(count)]
        raise ValueError("a Thrift struct has a field of an unknown type")

    def _byte(self) -> int:
        byte = self.data[self.position]
        self.position += 1
        return byte

    def _bytes(self, size: int) -> bytes:
        start, self.position = self.position, self.position + size
        return self.data[start : self.position]

    def _varint(self) -> int:
        value = shift = 0
        while (byte := self._byte()) & 0x80:
            value |= (byte & 0x7F) << shift
            shift += 7
            if shift > 63:
                raise ValueError("a Thrift integer is too long")
        return value | byte << shift

    def _signed(self) -> int:
        zigzag = self._varint()
        return zigzag >> 1 ^ -(zigzag & 1)
