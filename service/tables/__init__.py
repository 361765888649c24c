"""Tables of numbers as bytes: JSON, CSV, npy, Parquet and Arrow streams.

What is read is bounded by `TableLimits` and never unpickled; every mistake in it is
an error of `service.errors` that says where it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from service.domain.tables import ArrayResult, Table
from service.tables.limits import TableLimits

__all__ = [
    "READABLE",
    "WRITABLE",
    "TableLimits",
    "parse_json",
    "read_table",
    "table_from_json",
    "write",
]

READABLE: tuple[str, ...] = (
    "application/json",
    "text/csv",
    "application/x-npy",
    "application/vnd.apache.parquet",
    "application/vnd.apache.arrow.stream",
)
WRITABLE: tuple[str, ...] = (
    "application/json",
    "text/csv",
    "application/x-npy",
    "application/vnd.apache.arrow.stream",
)


def read_table(body: BinaryIO, content_type: str, limits: TableLimits) -> Table:
    """Return the table in a body that is not JSON."""
    raise NotImplementedError


def parse_json(body: bytes) -> object:
    """Return the value of a JSON document."""
    raise NotImplementedError


def table_from_json(
    value: object, limits: TableLimits, pointer: str = "/data"
) -> Table:
    """Return the table that a parsed JSON value is: a list of rows of numbers."""
    raise NotImplementedError


def write(result: ArrayResult, media_type: str) -> Iterator[bytes]:
    """Return the bytes of a result, in pieces."""
    raise NotImplementedError
