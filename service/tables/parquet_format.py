"""Tables in Parquet files (read only).

The metadata at the end of the file, and then the headers of its pages, say how large
it is; both are checked before anything is inflated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np

from service.domain.tables import Table
from service.errors import MalformedBodyError, TooLargeError
from service.tables.arrow_library import number_columns, pa, reading, rows_of
from service.tables.limits import TableLimits
from service.tables.mistakes import checked_table, no_numbers
from service.tables.parquet_pages import inflated_sizes

_NAME = "Parquet file"
_ROWS_PER_BATCH = 1 << 16
_SLACK_BYTES = 4 << 20
_SLACK_PAGES = 10_000


def read(stream: BinaryIO, limits: TableLimits) -> Table:
    """Return the numbers in the columns of a Parquet file."""
    body = stream.read()
    if not body.startswith(b"PAR1"):
        raise MalformedBodyError(
            "The body is not a Parquet file, or it is encrypted; send a plain one."
        )
    with reading(_NAME):
        file = pa.parquet.ParquetFile(pa.BufferReader(body))
        schema, n_rows = file.schema_arrow, file.metadata.num_rows
    columns = number_columns(schema, limits)
    limits.check_shape(n_rows, len(columns))
    positions = [position for position, _ in columns]
    with reading(_NAME):
        _check_pages(body, file.metadata, positions)
        batches = file.iter_batches(
            _ROWS_PER_BATCH,
            columns=[schema.field(position).name for position in positions],
            use_threads=False,
        )
        blocks = [rows_of(batch, range(len(positions))) for batch in batches]
        if sum(map(len, blocks)) != n_rows:
            raise ValueError("another number of rows than promised")
    if n_rows == 0:
        raise no_numbers("rows")
    return checked_table(np.concatenate(blocks), limits, [name for _, name in columns])


def _check_pages(body: bytes, metadata: Any, positions: Sequence[int]) -> None:
    """Raise TooLargeError when a column would inflate to more than its numbers."""
    groups = [metadata.row_group(k) for k in range(metadata.num_row_groups)]
    if sum(group.num_rows for group in groups) != metadata.num_rows:
        raise ValueError("row groups of another number of rows")
    pages_left = _SLACK_PAGES + metadata.num_rows * len(positions) // 100
    for group in groups:
        for position in positions:
            chunk = group.column(position)
            if not 0 <= group.num_rows == chunk.num_values:
                raise ValueError("a column of another number of rows")
            start = chunk.data_page_offset
            if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < start:
                start = chunk.dictionary_page_offset
            stop = start + chunk.total_compressed_size
            if not 0 < start <= stop <= len(body):
                raise ValueError("a column outside the file")
            inflated_bytes = 0
            for size in inflated_sizes(body, start, stop):
                inflated_bytes += size
                pages_left -= 1
                if inflated_bytes > 16 * group.num_rows + _SLACK_BYTES:
                    raise TooLargeError(
                        f"The {group.num_rows} numbers of a column inflate to more "
                        f"than {inflated_bytes} bytes. Write the Parquet file again."
                    )
                if pages_left < 0:
                    raise TooLargeError(
                        "The Parquet file has very many pages with few numbers. "
                        "Write it again, with larger pages."
                    )
