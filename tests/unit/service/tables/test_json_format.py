"""JSON documents and the tables in them."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.tables import ArrayResult
from service.errors import (
    InvalidTableError,
    MalformedBodyError,
    MissingValuesError,
    TooLargeError,
)
from service.tables import parse_json, table_from_json, write
from tests.unit.service.tables.reading import SMALL


def pointers(value: object, error: type[InvalidTableError]) -> list[str | None]:
    with pytest.raises(error) as raised:
        table_from_json(value, SMALL)
    assert type(raised.value) is error
    return [place.pointer for place in raised.value.places]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"[1,\n 2,]", "line 2, column 3"),
        (b"{'a': 1}", "double quotes"),
        (b'{"a": 1} x', "line 1, column 10"),
        (b"[NaN]", "NaN (line 1, column 2) is not a JSON number"),
        (b"[1, -Infinity]", "-Infinity (line 1, column 6) is not a JSON number"),
        (b"[1e999, Infinity]", "Infinity is not a JSON number"),
        (b"[" * 10_000 + b"]" * 10_000, "nested too deep"),
        (b"[1e999," + b"[" * 10_000 + b"]" * 10_001, "nested too deep"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "nested too deep"),
        (b'["\xff"]', "line 1 has the byte 0xff at position 2"),
        ("[1]".encode("utf-16"), "looks like UTF-16"),
        ("[1]".encode("utf-32-le"), "looks like UTF-16 or UTF-32"),
        (b"[01]", "line 1, column 2"),
        (b'["\\ud800"]', "not JSON"),
        (b'{"a": 1e999, "b": "\\ud800"}', "surrogate"),
        (b'{"a": 1, "b": {"a": 2}, "b": 3}', "key 'b' more than once"),
        (b'{"a": 1, "\\u0061": 2}', "key 'a' more than once"),
    ],
)
def test_what_is_not_json_is_refused_with_a_sentence(body, sentence):
    with pytest.raises(MalformedBodyError) as raised:
        parse_json(body)
    assert sentence in raised.value.detail


def test_a_byte_order_mark_is_allowed():
    assert parse_json(b"\xef\xbb\xbf[1]") == [1]


def test_the_same_key_in_different_objects_is_allowed():
    document = {"a": {"x": 1}, "b": {"x": [{"y": 1}, {"y": 2}]}, 'c"x': "x:"}
    assert parse_json(json.dumps(document).encode()) == document


def test_numbers_beyond_float64_are_infinite_so_that_their_place_is_found():
    value = parse_json(b'{"data": [[1, 2], [3, 1e999]]}')
    assert isinstance(value, dict)
    assert pointers(value["data"], InvalidTableError) == ["/data/1/1"]


@pytest.mark.parametrize(
    "body",
    [
        b'["' + b'\\"' * 2_000_000 + b'"]',
        b"[" + b'"",' * 300_000 + b'""]',
        b"[" + b"9" * 1_000_000 + b"]",
    ],
    ids=["escapes", "strings", "digits"],
)
@pytest.mark.timeout(10)
def test_hostile_documents_take_time_in_proportion_to_their_size(body):
    assert isinstance(parse_json(body), list)


@pytest.mark.timeout(10)
def test_one_repeated_key_among_many_is_found_fast():
    body = b"{" + b",".join(b'"%d":1' % k for k in range(100_000)) + b',"7":1}'
    with pytest.raises(MalformedBodyError, match="key '7' more than once"):
        parse_json(body)


def test_rows_become_a_table():
    table = table_from_json([[1, 2.5], [-3, 2**64]], SMALL)
    assert table.rows.tolist() == [[1, 2.5], [-3, 2.0**64]]
    assert table.columns is None


@pytest.mark.parametrize(
    ("value", "places"),
    [
        (None, ["/data"]),
        ("text", ["/data"]),
        ({"a": 1}, ["/data"]),
        ([], ["/data"]),
        ([[]], ["/data"]),
        ([1, 2], ["/data/0", "/data/1"]),
        ([[1, 2], [3]], ["/data/1"]),
        ([[1, 2], 3], ["/data/1"]),
        ([[1, 2], [3, "4"]], ["/data/1/1"]),
        ([[1, True], [3, 4]], ["/data/0/1"]),
        ([[1, [2]], [3, 4]], ["/data/0/1"]),
        ([[1, {}], [None, 4]], ["/data/0/1", "/data/1/0"]),
        ([[1, float("inf")]], ["/data/0/1"]),
        ([[10**400]], ["/data/0/0"]),
        ([["x"]] * 50, [f"/data/{k}/0" for k in range(10)]),
    ],
)
def test_what_is_no_table_is_refused_with_pointers(value, places):
    assert pointers(value, InvalidTableError) == places


@pytest.mark.parametrize(
    ("names", "place"),
    [
        (["a", "b"], "Row 2, column 1 ('a') is null"),
        ([], "Row 2, column 1 is null"),
        (["a"], "Row 2, column 1 is null"),
    ],
)
def test_a_place_has_the_name_of_its_column(names, place):
    with pytest.raises(MissingValuesError, match=re.escape(place)):
        table_from_json([[1, 2], [None, 4]], SMALL, names=names)


def test_null_is_a_missing_value():
    assert pointers([[1, 2], [None, 4]], MissingValuesError) == ["/data/1/0"]


def test_a_flat_list_is_refused_because_it_could_be_a_row_or_a_column():
    with pytest.raises(InvalidTableError, match="one row or one column"):
        table_from_json([1, 2, 3], SMALL)


@pytest.mark.parametrize(
    ("value", "limit"),
    [
        ([[1]] * 1001, "max_rows"),
        ([[1] * 21], "max_columns"),
        ([[1] * 10] * 501, "max_numbers"),
    ],
)
def test_a_table_over_a_limit_is_refused_with_its_name(value, limit):
    with pytest.raises(TooLargeError, match=limit):
        table_from_json(value, SMALL)


def test_infinities_are_never_written_as_null():
    densities = np.array([-np.inf, np.inf, np.nan, 0.5])
    result = ArrayResult({"log_densities": densities}, ("log_density",))
    assert json.loads(b"".join(write(result, "application/json"))) == {
        "log_densities": ["-Infinity", "Infinity", "NaN", 0.5]
    }


@pytest.mark.parametrize(
    "arrays",
    [
        {"labels": np.arange(5)},
        {"samples": np.arange(6.0).reshape(2, 3).T, "labels": np.array([1, 0, 1])},
        {"log_densities": np.array([-np.inf, 0.1]), '"': np.array([1e300, np.nan])},
    ],
)
def test_few_numbers_are_written_like_many(arrays, monkeypatch):
    result = ArrayResult(arrays, ())
    few = b"".join(write(result, "application/json"))
    monkeypatch.setattr("service.tables.json_format._FEW", -1)
    assert few == b"".join(write(result, "application/json"))


_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3),
    lambda values: st.lists(values, max_size=4),
    max_leaves=20,
)


@settings(derandomize=True, deadline=None, max_examples=500)
@given(_json)
def test_any_value_is_a_sound_table_or_refused(value):
    try:
        rows = table_from_json(value, SMALL).rows.tolist()
    except InvalidTableError:
        return
    assert rows == value
    assert all(type(cell) in {int, float} for row in value for cell in row)
