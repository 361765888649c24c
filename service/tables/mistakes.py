"""Mistakes in tables, gathered into one error; and the checks all formats share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from gmm_engine.types import AnyArray, FloatArray
from service.domain.tables import Table
from service.errors import (
    InvalidTableError,
    MissingValuesError,
    Place,
    TooLargeError,
)
from service.tables.limits import TableLimits

MAX_PLACES = 10
"""How many mistakes an error lists."""

FILL_IN = "missing values are not supported: fill the value in or leave the row out"


@dataclass(frozen=True, slots=True)
class Mistake:
    """A place in a table that is wrong, or only empty."""

    place: Place
    is_missing: bool = False


def table_error(mistakes: Iterable[Mistake]) -> InvalidTableError:
    """Return the error for at least one mistake; it says the first and lists ten."""
    found = list(islice(mistakes, MAX_PLACES + 1))
    detail = found[0].place.detail
    if len(found) > MAX_PLACES:
        detail += f" There are more such mistakes; the first {MAX_PLACES} are listed."
    elif len(found) > 1:
        detail += f" There are {len(found)} such mistakes; all are listed."
    are_missing = all(mistake.is_missing for mistake in found)
    error = MissingValuesError if are_missing else InvalidTableError
    return error(detail, [mistake.place for mistake in found[:MAX_PLACES]])


def no_numbers(
    what: str, pointer: str | None = None, advice: str = ""
) -> InvalidTableError:
    """Return the error for a table without rows or without columns."""
    detail = f"The table has no {what}; send at least one.{advice}"
    return InvalidTableError(detail, [Place(detail, pointer)])


def checked_table(
    rows: AnyArray, limits: TableLimits, names: Sequence[str] | None = None
) -> Table:
    """Return a table of rows read from a binary format, when they are numbers."""
    n_rows, n_columns = rows.shape
    limits.check_shape(n_rows, n_columns)
    if n_columns == 0:
        raise no_numbers("columns")
    if n_rows == 0:
        raise no_numbers("rows")
    columns = None if names is None else checked_names(names, limits)
    numbers: FloatArray = np.ascontiguousarray(rows, dtype="<f8")
    if not np.isfinite(numbers).all():
        raise table_error(_not_finite(numbers, columns or ()))
    return Table(numbers, columns)


def checked_names(names: Sequence[str], limits: TableLimits) -> tuple[str, ...]:
    """Return the names of the columns without surrounding blanks, when each is
    there, readable, and different from the others."""
    stripped = tuple(name.strip() for name in names)
    seen: dict[str, int] = {}
    for column, name in enumerate(stripped, start=1):
        if len(name) > limits.max_text_column_name:
            raise TooLargeError(
                f"The name of column {column} has {len(name)} characters; at most "
                f"{limits.max_text_column_name} are read (max_text_column_name). "
                "Shorten it."
            )
        if not name:
            detail = (
                f"Column {column} has no name. Name every column, or leave out the "
                "column (and a delimiter at the end of each line)."
            )
        elif not name.isprintable():
            detail = (
                f"The name of column {column} contains a line break or another "
                "character that cannot be shown. Rename the column."
            )
        elif name in seen:
            detail = (
                f"Columns {seen[name]} and {column} are both named {shown(name)}. "
                "Give every column a name of its own."
            )
        else:
            seen[name] = column
            continue
        raise InvalidTableError(detail, [Place(detail, column=column)])
    return stripped


def shown(text: str, length: int = 40) -> str:
    """Return text from a client quoted and short enough for a message."""
    return repr(text if len(text) <= length else text[: length - 1] + "…")


def column_place(column: int, names: Sequence[str]) -> str:
    """Return the column, from 1, with its name where the columns have names."""
    name = f" ({shown(names[column - 1])})" if names else ""
    return f"column {column}{name}"


def _not_finite(numbers: FloatArray, names: Sequence[str]) -> Iterator[Mistake]:
    # One row at a time once the rows are known: a table of only NaN is common.
    for row in np.flatnonzero(~np.isfinite(numbers).all(axis=1)):
        for column in np.flatnonzero(~np.isfinite(numbers[row])):
            number = float(numbers[row, column])
            yield _not_finite_cell(number, int(row) + 1, int(column) + 1, names)


def _not_finite_cell(
    number: float, row: int, column: int, names: Sequence[str]
) -> Mistake:
    place = f"Row {row}, {column_place(column, names)}"
    if np.isnan(number):
        detail = f"{place} is NaN or null, but {FILL_IN}."
        return Mistake(Place(detail, row=row, column=column), is_missing=True)
    detail = f"{place} is infinite; send finite numbers only."
    return Mistake(Place(detail, row=row, column=column))
