"""JSON documents, parsed strictly: UTF-8, no NaN, no key twice."""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from collections import Counter
from typing import Any, NoReturn

import orjson

from service.errors import MalformedBodyError, Place
from service.tables.mistakes import shown

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
        raise _what_is_wrong(body, error) from error
    # The fast parser keeps the last of equal keys. Equal names in different objects
    # are fine, so these documents are looked at again.
    keys = [string[1] for string in _STRING.finditer(body) if string[2]]
    if len(keys) != len(set(keys)) or any(b"\\" in key for key in keys):
        return _parse_carefully(body)
    return value


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
    except json.JSONDecodeError as error:
        raise _at(error, f"The body is not JSON: {error}.") from error
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


def _at(error: json.JSONDecodeError, detail: str) -> MalformedBodyError:
    place = Place(detail, line=error.lineno, column=error.colno)
    return MalformedBodyError(detail, [place])


def _what_is_wrong(body: bytes, error: orjson.JSONDecodeError) -> MalformedBodyError:
    if not body.strip():
        return MalformedBodyError("The body is empty; send a JSON document.")
    if b"\0" in body[:2] or body[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return MalformedBodyError(
            "The body is not UTF-8 but looks like UTF-16 or UTF-32; send UTF-8."
        )
    try:
        text = body.decode()
    except UnicodeDecodeError as wrong:
        line = body.count(b"\n", 0, wrong.start) + 1
        detail = (
            f"The body is not UTF-8: line {line} has the byte "
            f"0x{body[wrong.start]:02x} at position {wrong.start}. Send UTF-8."
        )
        return MalformedBodyError(detail, [Place(detail, line=line)])
    if "depth" in error.msg or "recursion" in error.msg:
        return MalformedBodyError(_TOO_DEEP)
    place = f"line {error.lineno}, column {error.colno}"
    # After "-Inf" the position is that of the letter.
    minus = text[error.pos - 1 : error.pos] == "-"
    constant = _CONSTANT.match(text, error.pos - minus)
    if constant:
        return _at(error, _no_constant(f"{constant[0]} ({place})"))
    advice = {
        "'": " Write strings and names in double quotes.",
        "(": " Write lists in square brackets.",
    }.get(text[error.pos : error.pos + 1], "")
    return _at(error, f"The body is not JSON: {error.msg} ({place}).{advice}")
