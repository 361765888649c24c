"""Tables in Parquet files (read only)."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from service.domain.tables import Table
from service.errors import MalformedBodyError
from service.tables.arrow_library import number_columns, pa, reading, rows_of
from service.tables.limits import TableLimits
from service.tables.mistakes import checked_table, no_numbers
from service.tables.parquet_claims import check_claims

_NAME = "Parquet file"
_ROWS_PER_BATCH = 1 << 16


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
    if n_rows == 0:
        raise no_numbers("rows")
    positions = [position for position, _ in columns]
    with reading(_NAME):
        check_claims(body, n_rows, positions)
        batches = file.iter_batches(
            _ROWS_PER_BATCH,
            columns=[schema.field(position).name for position in positions],
            use_threads=False,
        )
        blocks = [rows_of(batch, range(len(positions))) for batch in batches]
        if sum(map(len, blocks)) != n_rows:
            raise ValueError("another number of rows than promised")
    return checked_table(np.concatenate(blocks), limits, [name for _, name in columns])
