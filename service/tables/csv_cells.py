"""What the cells of a CSV file are, and what is wrong with those that are not numbers.

Numbers have ASCII digits, a decimal point and an exponent if need be, and blanks
around them: what Python's `float` takes, without underscores, infinity and NaN.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from service.errors import Place
from service.tables.mistakes import FILL_IN, Mistake, column_place, shown

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_INFINITE = {"inf", "infinity"}
_MISSING = {"", "na", "n/a", "#n/a", "nan", "null", "none", "nil", ".", "?", "-"}
_ADVICE = (
    (r"[+-]?\d+,\d+([eE][+-]?\d+)?", "write a decimal point, not a comma"),
    (r"[+-]?\d{1,3}([,' ]\d{3})+(\.\d*)?", "leave thousands separators out"),
    (r"[+-]?[\d.]+([ |:]+[+-]?[\d.]+)+", "separate cells by commas"),
    (r"[+-]?0[xX][\da-fA-F]+", "write decimal numbers"),
    (r"[+-]?[\d_.]+", "leave underscores out"),
    (r"(?i:true|false)", "write 1 and 0"),
    (r"[+-]?[\d.]+\s*%", "leave the percent sign out"),
    (r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*", "dates have to be turned into numbers"),
)


def is_number(cell: str) -> bool:
    """Whether a header line with this cell would be a line of data."""
    cell = cell.strip()
    return _NUMBER.fullmatch(cell) is not None or cell.lstrip("+-").lower() in _INFINITE


def is_missing(cell: str) -> bool:
    """Whether the cell is empty or a usual sign for a missing value."""
    cell = cell.strip().lower()
    return cell in _MISSING or cell.lstrip("+-") == "nan"


def strict_float(cell: str) -> float:
    """Return the number in a cell; ValueError when it is none, or not finite."""
    if _NUMBER.fullmatch(cell.strip()) is None:
        raise ValueError(cell)
    return float(cell)


def cell_mistake(
    cell: str, row: int, line: int, column: int, names: Sequence[str]
) -> Mistake | None:
    """Return what is wrong with a cell, None when it is a finite number."""
    where = f"{row_place(row, line)}, {column_place(column, names)}"
    if is_missing(cell):
        sign = f"is {shown(cell)}" if cell.strip() else "is empty"
        detail = f"{where} {sign}, but {FILL_IN}."
        return Mistake(Place(detail, row=row, column=column), is_missing=True)
    try:
        if math.isfinite(strict_float(cell)):
            return None
        problem = "is beyond the range of a 64-bit float; send a smaller number"
    except ValueError:
        if cell.strip().lstrip("+-").lower() in _INFINITE:
            problem = "is infinite; send finite numbers only"
        else:
            problem = f"is not a number; {_advice(cell.strip())}"
    detail = f"{where}: {shown(cell)} {problem}."
    return Mistake(Place(detail, row=row, column=column))


def row_place(row: int, line: int) -> str:
    """Return the row, and the line of the file where that is another number."""
    return f"Row {row}" if row == line else f"Row {row} (line {line})"


def _advice(cell: str) -> str:
    if len(cell) < 100:
        for pattern, advice in _ADVICE:
            if re.fullmatch(pattern, cell, re.ASCII):
                return advice
    return "send columns of numbers only"
