"""What a Parquet file claims to hold, read before Arrow acts on it.

Arrow allocates what the header of a page says it will inflate to, up to 2 GiB,
whatever the metadata of the file say; and asking pyarrow about the metadata of a
column ends the process when they are damaged. So both are read here. The numbers of
fields are those of parquet.thrift in https://github.com/apache/parquet-format.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.errors import TooLargeError
from service.tables.thrift_compact import (
    Struct,
    integer,
    read_struct,
    struct,
    structs,
)

_MAX_FOOTER_BYTES = 16 << 20
_MAX_PAGE_HEADER_BYTES = 1 << 16
_SLACK_BYTES = 4 << 20
_SLACK_PAGES = 10_000

_FILE_ROWS, _FILE_ROW_GROUPS = 3, 4
_GROUP_COLUMNS, _GROUP_ROWS = 1, 3
_CHUNK_METADATA = 3
_COLUMN_VALUES, _COLUMN_COMPRESSED_SIZE = 5, 7
_COLUMN_DATA_OFFSET, _COLUMN_DICTIONARY_OFFSET = 9, 11
_PAGE_UNCOMPRESSED_SIZE, _PAGE_COMPRESSED_SIZE = 2, 3


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A part of a column: so many numbers, in these bytes of the file."""

    n_rows: int
    start: int
    stop: int


def check_claims(body: bytes, n_rows: int, positions: Sequence[int]) -> None:
    """Raise TooLargeError when the columns at some positions would inflate to more
    than their numbers need, and ValueError when their metadata contradict themselves.
    """
    pages_left = _SLACK_PAGES + n_rows * len(positions) // 100
    for chunk in _chunks(body, n_rows, positions):
        inflated = 0
        for page_bytes in _page_sizes(body, chunk):
            inflated += page_bytes
            pages_left -= 1
            if inflated > 16 * chunk.n_rows + _SLACK_BYTES:
                raise TooLargeError(
                    f"{chunk.n_rows} numbers of a column say that they inflate to "
                    f"{inflated} bytes, more than they need. Write the Parquet file "
                    "again, without compression."
                )
            if pages_left < 0:
                raise TooLargeError(
                    "The Parquet file has very many pages with few numbers. "
                    "Write it again, with larger pages."
                )


def _chunks(body: bytes, n_rows: int, positions: Sequence[int]) -> Iterator[_Chunk]:
    footer_bytes = int.from_bytes(body[-8:-4], "little")
    if footer_bytes > _MAX_FOOTER_BYTES:
        raise TooLargeError(
            f"The Parquet file has {footer_bytes} bytes of metadata; at most "
            f"{_MAX_FOOTER_BYTES} are read. Write it again, with larger row groups."
        )
    metadata, _ = read_struct(body[-8 - footer_bytes : -8])
    groups = structs(metadata, _FILE_ROW_GROUPS)
    if not n_rows == integer(metadata, _FILE_ROWS) == sum(map(_rows_of, groups)):
        raise ValueError("row groups of another number of rows")
    for group in groups:
        chunks = structs(group, _GROUP_COLUMNS)
        for position in positions:
            if position >= len(chunks):
                raise ValueError("a row group without a column")
            column = struct(chunks[position], _CHUNK_METADATA)
            yield _chunk(column, _rows_of(group), len(body))


def _rows_of(group: Struct) -> int:
    return integer(group, _GROUP_ROWS)


def _chunk(column: Struct, n_rows: int, body_bytes: int) -> _Chunk:
    if not 0 <= n_rows == integer(column, _COLUMN_VALUES):
        raise ValueError("a column of another number of rows")
    start = integer(column, _COLUMN_DATA_OFFSET)
    if _COLUMN_DICTIONARY_OFFSET in column:
        dictionary = integer(column, _COLUMN_DICTIONARY_OFFSET)
        if 0 < dictionary < start:  # As Arrow decides where to begin.
            start = dictionary
    stop = start + integer(column, _COLUMN_COMPRESSED_SIZE)
    if not 0 < start <= stop <= body_bytes:
        raise ValueError("a column outside the file")
    return _Chunk(n_rows, start, stop)


def _page_sizes(body: bytes, chunk: _Chunk) -> Iterator[int]:
    """Yield what each page of a column inflates to."""
    start = chunk.start
    while start < chunk.stop:
        header_stop = min(chunk.stop, start + _MAX_PAGE_HEADER_BYTES)
        header, header_bytes = read_struct(body[start:header_stop])
        inflated = integer(header, _PAGE_UNCOMPRESSED_SIZE)
        compressed = integer(header, _PAGE_COMPRESSED_SIZE)
        if inflated < 0 or compressed < 0:
            raise ValueError("a page of negative size")
        yield inflated
        start += header_bytes + compressed
