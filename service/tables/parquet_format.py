"""Tables in Parquet files (read only).

The metadata at the end of the file say how large it is; they are checked before
anything is read, and the rows are counted again while they are.
"""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np

from gmm_engine.types import FloatArray
from service.domain.tables import Table
from service.errors import MalformedBodyError
from service.tables.arrow_library import number_columns, pa, reading, rows_of
from service.tables.limits import TableLimits
from service.tables.mistakes import checked_table, no_numbers

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
        n_groups = file.metadata.num_row_groups
    columns = number_columns(schema, limits)
    limits.check_shape(n_rows, len(columns))
    positions = [position for position, _ in columns]
    blocks: list[FloatArray] = []
    with reading(_NAME):
        for batch in _batches(file, schema, positions):
            blocks.append(rows_of(batch, range(len(positions))))
            n_rows -= batch.num_rows
            if n_rows < 0:
                raise ValueError("more rows than promised")
        if n_rows:
            raise ValueError(f"fewer rows than promised in {n_groups} groups")
    if not blocks:
        raise no_numbers("rows")
    return checked_table(np.concatenate(blocks), limits, [name for _, name in columns])


def _batches(file: Any, schema: Any, positions: list[int]) -> Any:
    return file.iter_batches(
        _ROWS_PER_BATCH,
        columns=[schema.field(position).name for position in positions],
        use_threads=False,
    )
