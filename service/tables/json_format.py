"""Tables in JSON: lists of rows, each a list of numbers.

JSON has no infinities and no NaN. Results that have them (the log density of a row
far from every component can be -inf) are written as the strings "-Infinity",
"Infinity" and "NaN", as in the JSON mapping of Protocol Buffers: never as null.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np
import orjson

from gmm_engine.types import FloatArray, IntArray
from service.domain.tables import ArrayResult, Table
from service.domain.wording import counted
from service.errors import InvalidTableError, Place
from service.tables.blocks import row_blocks
from service.tables.limits import TableLimits
from service.tables.mistakes import (
    FILL_IN,
    Mistake,
    column_place,
    no_numbers,
    shown,
    table_error,
)

_FEW = 1000


def table(
    value: object, limits: TableLimits, pointer: str, names: Sequence[str] = ()
) -> Table:
    """Return the table that is a list of rows, each a list of as many numbers.

    The names of the columns, where there are any, are for messages.
    """
    if not isinstance(value, list):
        detail = (
            f"Expected a list of rows such as [[1, 2], [3, 4]], got {_kind(value)}."
        )
        raise InvalidTableError(detail, [Place(detail, pointer)])
    if not value:
        raise no_numbers("rows", pointer)
    limits.check_shape(len(value), len(value[0]) if type(value[0]) is list else 1)
    if set(map(type, value)) != {list} or len(set(map(len, value))) != 1:
        raise table_error(_wrong_rows(value, pointer))
    n_columns = len(value[0])
    if n_columns == 0:
        raise no_numbers("columns", pointer)
    # numpy would take booleans and numbers in strings for numbers.
    if set(map(type, chain.from_iterable(value))) <= {float, int}:
        try:
            cells = chain.from_iterable(value)
            count = len(value) * n_columns
            rows = np.fromiter(cells, "<f8", count).reshape(len(value), n_columns)
        except OverflowError:
            pass
        else:
            if np.isfinite(rows).all():
                return Table(rows)
    known = names if len(names) == n_columns else ()
    raise table_error(_wrong_cells(value, pointer, known))


def write(result: ArrayResult) -> Iterator[bytes]:
    """Yield an object with the arrays under their names."""
    if all(array.size <= _FEW for array in result.arrays.values()):
        yield from _write_few(result)
        return
    opening = b"{"
    for name, array in result.arrays.items():
        yield opening + orjson.dumps(name) + b":["
        width = array.shape[1] if array.ndim == 2 else 1
        for start, stop in row_blocks(len(array), width):
            yield (b"," if start else b"") + _dumps(array[start:stop])[1:-1]
        yield b"]"
        opening = b","
    yield b"}"


def _write_few(result: ArrayResult) -> Iterator[bytes]:
    """As `write`, for a few numbers: most of its time would go into the pieces."""
    arrays = result.arrays.items()
    document = {name: np.ascontiguousarray(array) for name, array in arrays}
    if all(np.isfinite(array).all() for array in document.values()):
        yield orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    else:
        members = [orjson.dumps(name) + b":" + _dumps(array) for name, array in arrays]
        yield b"{" + b",".join(members) + b"}"


def _dumps(block: FloatArray | IntArray) -> bytes:
    if np.isfinite(block).all():
        contiguous = np.ascontiguousarray(block)
        return orjson.dumps(contiguous, option=orjson.OPT_SERIALIZE_NUMPY)
    numbers = block.astype(object)
    numbers[np.isnan(block)] = "NaN"
    numbers[np.isposinf(block)] = "Infinity"
    numbers[np.isneginf(block)] = "-Infinity"
    return orjson.dumps(numbers.tolist())


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text {shown(value)}"
    if isinstance(value, int | float):
        return "a number"
    return "a list" if isinstance(value, list) else "an object"


def _wrong_rows(value: list[object], pointer: str) -> Iterator[Mistake]:
    if not any(isinstance(row, list) for row in value):
        advice = (
            " A flat list could be one row or one column: send [[1, 2, 3]] for one row "
            "or [[1], [2], [3]] for one column."
        )
    else:
        advice = " Make every row a list of as many numbers."
    width = next((len(row) for row in value if isinstance(row, list)), None)
    for i, row in enumerate(value):
        if not isinstance(row, list):
            detail = f"Expected a list of rows, but row {i + 1} is {_kind(row)}."
        elif len(row) != width:
            detail = (
                f"Row {i + 1} has {counted(len(row), 'number')}, but the first row "
                f"has {width}."
            )
        else:
            continue
        yield Mistake(Place(detail + advice, f"{pointer}/{i}", i + 1))


def _wrong_cells(
    value: list[list[object]], pointer: str, names: Sequence[str]
) -> Iterator[Mistake]:
    for i, row in enumerate(value):
        for j, cell in enumerate(row):
            problem = _problem_of(cell)
            if problem is not None:
                detail = f"Row {i + 1}, {column_place(j + 1, names)} is {problem}."
                place = Place(detail, f"{pointer}/{i}/{j}", i + 1, j + 1)
                yield Mistake(place, is_missing=cell is None)


def _problem_of(cell: object) -> str | None:
    if type(cell) in {float, int}:
        try:
            finite = np.isfinite(float(cell))  # type: ignore[arg-type]
        except OverflowError:
            finite = False
        return None if finite else "not a finite 64-bit float; send a smaller number"
    if cell is None:
        return f"null, but {FILL_IN}"
    return f"{_kind(cell)}; send a number"
