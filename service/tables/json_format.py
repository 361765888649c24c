"""JSON documents, and the tables in them.

JSON has no infinities and no NaN. Results that have them (the log density of a row
far from every component can be -inf) are written as the strings "-Infinity",
"Infinity" and "NaN", as in the JSON mapping of Protocol Buffers: never as null.
"""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import Any, NoReturn

import numpy as np
import orjson

from gmm_engine.types import FloatArray, IntArray
from service.domain.tables import ArrayResult, Table
from service.errors import InvalidTableError, MalformedBodyError, Place
from service.tables.blocks import row_blocks
from service.tables.limits import TableLimits
from service.tables.mistakes import FILL_IN, Mistake, no_numbers, shown, table_error

# Possessive throughout, and every string is matched: time is linear in the body.
_STRING = re.compile(rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)"([ \t\r\n]*+:)?', re.DOTALL)
_CONSTANT = re.compile(r"-?(?:nan|infinity|inf)\b", re.IGNORECASE)


def parse(body: bytes) -> object:
    """Return the value of a JSON document in UTF-8, with or without a mark of it.

    A number beyond float64 becomes an infinity: what uses it can say where it is.
    """
    body = body.removeprefix(BOM_UTF8)
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if "infinity" in error.msg:
            return _parse_carefully(body)
        raise MalformedBodyError(_what_is_wrong(body, error)) from error
    # The fast parser keeps the last of equal keys. Equal names in different objects
    # are fine, so these documents are looked at again.
    keys = [string[1] for string in _STRING.finditer(body) if string[2]]
    if len(keys) != len(set(keys)) or any(b"\\" in key for key in keys):
        return _parse_carefully(body)
    return value


def table(value: object, limits: TableLimits, pointer: str) -> Table:
    """Return the table that is a list of rows, each a list of as many numbers."""
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
    raise table_error(_wrong_cells(value, pointer))


def write(result: ArrayResult) -> Iterator[bytes]:
    """Yield an object with the arrays under their names."""
    opening = b"{"
    for name, array in result.arrays.items():
        yield opening + orjson.dumps(name) + b":["
        width = array.shape[1] if array.ndim == 2 else 1
        for start, stop in row_blocks(len(array), width):
            yield (b"," if start else b"") + _dumps(array[start:stop])[1:-1]
        yield b"]"
        opening = b","
    yield b"}"


def _dumps(block: FloatArray | IntArray) -> bytes:
    if np.isfinite(block).all():
        contiguous = np.ascontiguousarray(block)
        return orjson.dumps(contiguous, option=orjson.OPT_SERIALIZE_NUMPY)
    numbers = block.astype(object)
    numbers[np.isnan(block)] = "NaN"
    numbers[np.isposinf(block)] = "Infinity"
    numbers[np.isneginf(block)] = "-Infinity"
    return orjson.dumps(numbers.tolist())


def _parse_carefully(body: bytes) -> object:
    """Parse with the slower parser, which lets us see each key and number."""
    try:
        value: object = json.loads(
            body,
            object_pairs_hook=_without_repeated_keys,
            parse_int=_integer,
            parse_constant=_refuse_constant,
        )
        # It allows half of a surrogate pair in a string, which could not be encoded.
        if b"\\ud" in body.lower():
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise MalformedBodyError(
            "The body is not JSON: a string has half of a surrogate pair; send UTF-8."
        ) from error
    except RecursionError as error:
        raise MalformedBodyError(_TOO_DEEP) from error
    except ValueError as error:
        raise MalformedBodyError(f"The body is not JSON: {error}.") from error
    return value


def _without_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        (repeated, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise MalformedBodyError(
            f"The JSON object has the key {shown(repeated)} more than once; "
            "send each key once."
        )
    return fields


def _integer(digits: str) -> int | float:
    number = float(digits)
    return int(digits) if abs(number) < 2**63 else number


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedBodyError(_no_constant(name))


_TOO_DEEP = (
    "The JSON is nested too deep (more than 1000 levels); a table is a list of lists."
)


def _no_constant(name: str) -> str:
    return (
        f"The body is not JSON: {name} is not a JSON number. Send finite numbers; "
        "leave rows with missing values out."
    )


def _what_is_wrong(body: bytes, error: orjson.JSONDecodeError) -> str:
    if not body.strip():
        return "The body is empty; send a JSON document."
    if b"\0" in body[:2] or body[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return "The body is not UTF-8 but looks like UTF-16 or UTF-32; send UTF-8."
    try:
        text = body.decode()
    except UnicodeDecodeError as wrong:
        line = body.count(b"\n", 0, wrong.start) + 1
        return (
            f"The body is not UTF-8: line {line} has the byte "
            f"0x{body[wrong.start]:02x} at position {wrong.start}. Send UTF-8."
        )
    if "depth" in error.msg or "recursion" in error.msg:
        return _TOO_DEEP
    place = f"line {error.lineno}, column {error.colno}"
    # After "-Inf" the position is that of the letter.
    minus = text[error.pos - 1 : error.pos] == "-"
    constant = _CONSTANT.match(text, error.pos - minus)
    if constant:
        return _no_constant(f"{constant[0]} ({place})")
    advice = {
        "'": " Write strings and names in double quotes.",
        "(": " Write lists in square brackets.",
    }.get(text[error.pos : error.pos + 1], "")
    return f"The body is not JSON: {error.msg} ({place}).{advice}"


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
                f"Row {i + 1} has {len(row)} numbers, but the first row has {width}."
            )
        else:
            continue
        yield Mistake(Place(detail + advice, f"{pointer}/{i}", i + 1))


def _wrong_cells(value: list[list[object]], pointer: str) -> Iterator[Mistake]:
    for i, row in enumerate(value):
        for j, cell in enumerate(row):
            problem = _problem_of(cell)
            if problem is not None:
                detail = f"Row {i + 1}, column {j + 1} is {problem}."
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
        return f"null: {FILL_IN}"
    return f"{_kind(cell)}; send a number"
