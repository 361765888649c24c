"""pyarrow, imported once: it has no types, so that all of it is `Any` here.

Also what its formats share: which columns are read, their numbers, and its errors.
A column named `__index_level_0__` is the index of a pandas data frame, not a feature,
and is left out. Integers beyond 2⁵³ are rounded to the nearest float64.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.csv  # type: ignore[import-untyped]
import pyarrow.parquet  # type: ignore[import-untyped]

from gmm_engine.types import FloatArray
from service.errors import InvalidTableError, MalformedBodyError, Place
from service.tables.limits import TableLimits
from service.tables.mistakes import checked_names, no_numbers, shown

__all__ = ["number_columns", "pa", "reading", "rows_of"]

_PANDAS_INDEX = re.compile(r"__index_level_\d+__")

# Seen on damaged files, beside Arrow's own: bad UTF-8 in names, impossible sizes.
_DAMAGED: tuple[type[Exception], ...] = (
    pa.ArrowException,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    MemoryError,
)


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn what Arrow raises on damaged bytes into MalformedBodyError."""
    try:
        yield
    except _DAMAGED as error:
        raise MalformedBodyError(
            f"The {name} cannot be read: it is damaged or incomplete. "
            "Write it again, and send the whole of it as the body."
        ) from error


def number_columns(schema: Any, limits: TableLimits) -> list[tuple[int, str]]:
    """Return the positions and names of the columns, all of which hold numbers."""
    limits.check_columns(len(schema))
    fields = [
        (position, field)
        for position, field in enumerate(schema)
        if not _PANDAS_INDEX.fullmatch(field.name)
    ]
    if not fields:
        raise no_numbers("columns")
    names = checked_names([field.name for _, field in fields], limits)
    for column, (_, field) in enumerate(fields, start=1):
        if not (pa.types.is_floating(field.type) or pa.types.is_integer(field.type)):
            detail = (
                f"Column {column} ({shown(field.name)}) has the type "
                f"{shown(str(field.type))}; leave it out, or write it as float64."
            )
            raise InvalidTableError(detail, [Place(detail, column=column)])
    return [(position, name) for (position, _), name in zip(fields, names, strict=True)]


def rows_of(batch: Any, positions: Sequence[int]) -> FloatArray:
    """Return the numbers of a record batch, NaN where it has nulls."""
    # Arrow believes the lengths in the body until it is told to look.
    batch.validate(full=True)
    rows = np.empty((batch.num_rows, len(positions)))
    with np.errstate(invalid="ignore"):  # Some NaN of float32 would warn.
        for column, position in enumerate(positions):
            rows[:, column] = batch.column(position).to_numpy(zero_copy_only=False)
    return rows
