"""Tables of numbers as bytes: JSON, CSV, npy, Parquet and Arrow streams.

What is read is bounded by `TableLimits` and never unpickled; every mistake in it is
an error of `service.errors` that says where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from service.domain.tables import ArrayResult, Table
from service.errors import NotAcceptableError, UnsupportedMediaTypeError
from service.tables import (
    arrow_format,
    csv_format,
    json_documents,
    json_format,
    npy_format,
    parquet_format,
)
from service.tables.limits import TableLimits
from service.tables.mistakes import shown

__all__ = [
    "READABLE",
    "WRITABLE",
    "TableLimits",
    "parse_json",
    "read_table",
    "size_bytes",
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


_NPY = "application/x-npy"
_NO_WORKBOOKS = "Excel workbooks are not read; save the sheet as CSV"

_READERS: dict[str, Callable[[BinaryIO, str, TableLimits], Table]] = {
    "text/csv": csv_format.read,
    "application/x-npy": lambda body, _, limits: npy_format.read(body, limits),
    "application/vnd.apache.parquet": (
        lambda body, _, limits: parquet_format.read(body, limits)
    ),
    "application/vnd.apache.arrow.stream": (
        lambda body, _, limits: arrow_format.read(body, limits)
    ),
}
_WRITERS: dict[str, Callable[[ArrayResult], Iterator[bytes]]] = {
    "application/json": json_format.write,
    "text/csv": csv_format.write,
    "application/x-npy": npy_format.write,
    "application/vnd.apache.arrow.stream": arrow_format.write,
}


def read_table(body: BinaryIO, content_type: str, limits: TableLimits) -> Table:
    """Return the table in a body that is not JSON.

    A table that is too large may be refused before the whole body is read.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    try:
        read = _READERS[media_type]
    except KeyError:
        raise UnsupportedMediaTypeError(_unsupported(media_type)) from None
    return read(body, content_type, limits)


def parse_json(body: bytes) -> object:
    """Return the value of a JSON document.

    A number beyond float64 becomes an infinity; what uses it can say where it is.
    """
    return json_documents.parse(body)


def table_from_json(
    value: object,
    limits: TableLimits,
    pointer: str = "/data",
    names: Sequence[str] = (),
) -> Table:
    """Return the table that a parsed JSON value is: a list of rows of numbers.

    Messages say the names of its columns, where they are given.
    """
    return json_format.table(value, limits, pointer, names)


def write(result: ArrayResult, media_type: str) -> Iterator[bytes]:
    """Return the bytes of a result, in pieces of about a megabyte."""
    try:
        write_as = _WRITERS[media_type]
    except KeyError:
        raise NotAcceptableError(
            f"Tables cannot be written as {media_type!r}; "
            f"accept one of {', '.join(WRITABLE)}."
        ) from None
    return write_as(result)


def size_bytes(result: ArrayResult, media_type: str) -> int | None:
    """How many bytes `write` makes of a result, where that is known before."""
    return npy_format.size_bytes(result) if media_type == _NPY else None


def _unsupported(media_type: str) -> str:
    advice = {
        "": "The Content-Type is missing",
        "application/x-www-form-urlencoded": "Content-Type is that of a web form, "
        "which curl sends unless told otherwise (-H 'Content-Type: text/csv' and "
        "--data-binary @file)",
        "multipart/form-data": "Content-Type is that of a web form; send the file "
        "itself as the body (with curl: --data-binary @file)",
        "application/vnd.ms-excel": _NO_WORKBOOKS,
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": (
            _NO_WORKBOOKS
        ),
        "application/vnd.apache.arrow.file": "Arrow files are not read; send the "
        "stream format",
    }.get(media_type, f"Content-Type {shown(media_type)} cannot be read as a table")
    return f"{advice}. Send one of {', '.join(READABLE)}."
