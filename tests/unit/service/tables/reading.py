"""Short ways to read a table in a test."""

from __future__ import annotations

import io

import numpy as np
import pytest

from service.domain.tables import Table
from service.errors import ServiceError
from service.tables import TableLimits, read_table

CSV = "text/csv"
NPY = "application/x-npy"
PARQUET = "application/vnd.apache.parquet"
ARROW = "application/vnd.apache.arrow.stream"

SMALL = TableLimits(
    max_rows=1000, max_columns=20, max_numbers=5000, max_text_column_name=30
)


def read(body: bytes | str, content_type: str, limits: TableLimits = SMALL) -> Table:
    body = body.encode() if isinstance(body, str) else body
    return read_table(io.BytesIO(body), content_type, limits)


def refusal(
    error: type[ServiceError], body: bytes | str, content_type: str
) -> ServiceError:
    """Return the error that reading must raise: this class, not one below it."""
    with pytest.raises(error) as raised:
        read(body, content_type)
    assert type(raised.value) is error
    return raised.value


def places(error: ServiceError) -> list[tuple[int | None, int | None]]:
    return [(place.row, place.column) for place in error.places]


def npy(array: np.ndarray, allow_pickle: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=allow_pickle)
    return file.getvalue()
