"""Tables in CSV: what is read, and what is said of what is not."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.tables import ArrayResult
from service.errors import (
    InvalidTableError,
    MalformedBodyError,
    MissingValuesError,
    ServiceError,
    TooLargeError,
    UnsupportedMediaTypeError,
)
from service.tables import csv_format, write
from service.tables.csv_layout import layout_of
from tests.unit.service.tables.reading import CSV, SMALL, places, read, refusal


@pytest.mark.parametrize(
    "text",
    [
        "1,2\n3,4",
        "1,2\r\n3,4\r\n",
        "1,2\r3,4\r",
        "\n\n1,2\n\n   \n3,4\n\n",
        "1;2\n3;4\n",
        "1\t2\n3\t4\n",
        '"1","2"\n3,"4"\n',
        " 1 , 2.\n+3,0.4e1\n",
        "\ufeff1,2\n3,4\n",
    ],
)
def test_numbers_without_a_header_are_read(text):
    table = read(text, CSV)
    assert table.columns is None
    assert table.rows.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "text",
    [
        "x,y\n1,2\n",
        "\ufeffx,y\r\n1,2\r\n",
        '"x";"y"\n1;2\n',
        "\n x , y \n\n1,2\n",
        "x\ty\n1\t2",
    ],
)
def test_a_first_line_of_words_is_the_header(text):
    table = read(text, CSV)
    assert table.columns == ("x", "y")
    assert table.rows.tolist() == [[1, 2]]


def test_a_header_of_numbers_has_to_be_announced():
    text = "2020,2021\n1,2\n"
    assert read(text, CSV).rows.tolist() == [[2020, 2021], [1, 2]]
    announced = read(text, "text/csv; header=present")
    assert announced.columns == ("2020", "2021")
    assert announced.rows.tolist() == [[1, 2]]


def test_a_header_declared_absent_is_a_row_with_text_in_it():
    error = refusal(InvalidTableError, "x,y\n1,2\n", 'text/csv; header="absent"')
    assert places(error) == [(1, 1), (1, 2)]


def test_one_column_needs_no_delimiter():
    assert read("x\n1\n2\n", CSV).rows.tolist() == [[1], [2]]


@pytest.mark.parametrize(
    ("encoding", "content_type"),
    [
        ("utf-8", "text/csv"),
        ("utf-8", "TEXT/CSV ; charset=UTF-8"),
        ("latin-1", "text/csv; charset=ISO-8859-1"),
        ("cp1252", 'text/csv; charset="windows-1252"'),
        ("utf-16", "text/csv"),
        ("utf-16-le", "text/csv; charset=utf-16le"),
    ],
)
def test_the_charset_of_the_content_type_is_respected(encoding, content_type):
    assert read("é,b\n1,2".encode(encoding), content_type).columns == ("é", "b")


def test_bytes_that_are_not_utf8_are_refused_with_their_line():
    error = refusal(MalformedBodyError, b"a,b\n1,2\n3,\xe9", CSV)
    assert "Line 3 is not utf-8" in error.detail
    assert "charset=windows-1252" in error.detail


def test_an_unknown_charset_is_refused():
    error = refusal(UnsupportedMediaTypeError, "1,2", "text/csv; charset=ebcdic")
    assert "'ebcdic'" in error.detail


def test_a_text_cell_is_refused_with_its_row_column_and_line():
    error = refusal(InvalidTableError, "a,b\n1,2\n\n3,much\n", CSV)
    assert places(error) == [(2, 2)]
    assert error.detail.startswith(
        "Row 2 (line 4), column 2 ('b'): 'much' is not a number"
    )


def test_a_place_in_columns_without_names_is_a_number():
    error = refusal(MissingValuesError, "1,2\n3,\n", CSV)
    assert error.detail.startswith("Row 2, column 2 is empty")


def test_a_long_cell_is_shortened_in_the_error():
    error = refusal(InvalidTableError, "a\n" + "z" * 10_000, CSV)
    assert len(error.detail) < 200


@pytest.mark.parametrize(
    ("cell", "advice"),
    [
        ("0x10", "decimal numbers"),
        ("1_0", "underscores"),
        ("1 000", "thousands separators"),
        ("5%", "percent sign"),
        ("True", "1 and 0"),
        ("2020-01-31", "dates"),
        ("1|2", "separate cells by commas"),
        ("٣", "numbers only"),
        ("1e400", "range of a 64-bit float"),
        ("-inf", "infinite"),
        ("1\0", "numbers only"),
    ],
)
def test_what_is_no_number_is_refused_with_advice(cell, advice):
    error = refusal(InvalidTableError, f"a\tb\n1\t2\n3\t{cell}\n", CSV)
    assert places(error) == [(2, 2)]
    assert advice in error.detail


def test_too_small_a_number_is_zero():
    assert read("1e-400,2\n", CSV).rows.tolist() == [[0, 2]]


@pytest.mark.parametrize("cell", ["", " ", "NA", "nan", "-NaN", "null", "N/A", "?"])
def test_a_missing_value_is_refused_with_its_place(cell):
    error = refusal(MissingValuesError, f"a,b\n1,2\n{cell},4\n", CSV)
    assert places(error) == [(2, 1)]
    assert ", but missing values are not supported" in error.detail


def test_a_first_row_with_a_missing_value_is_not_a_header():
    error = refusal(MissingValuesError, "1,NA\n3,4\n", CSV)
    assert places(error) == [(1, 2)]


def test_ten_mistakes_are_listed():
    error = refusal(InvalidTableError, "a,b\n" + "x,1\n" * 50, CSV)
    assert places(error) == [(row, 1) for row in range(1, 11)]


def test_mixed_mistakes_are_listed_in_order():
    error = refusal(InvalidTableError, "a,b\nNA,1\n1\n2,y\n", CSV)
    assert places(error) == [(1, 1), (2, None), (3, 2)]


@pytest.mark.parametrize(("text", "row"), [("1,2\n3\n", 2), ("a,b\n1,2\n3,4,5\n", 2)])
def test_ragged_rows_are_refused(text, row):
    error = refusal(InvalidTableError, text, CSV)
    assert places(error) == [(row, None)]
    assert "Make every row as long" in error.detail


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('a,b\n1,2\n"1"2,3\n', 3),
        ('a,b\n1,"2\n', 2),
        ('a,b\n1,"2\n"\n', 2),
        ('"a,b\n1,2\n', 1),
    ],
)
def test_wrong_quoting_is_refused_with_its_line(text, line):
    error = refusal(MalformedBodyError, text, CSV)
    assert error.detail.startswith(f"Line {line} is not right CSV")


def test_a_mistake_before_wrong_quoting_comes_first():
    error = refusal(InvalidTableError, 'a,b\nx,2\n"1"2,3\n', CSV)
    assert places(error) == [(1, 1)]


@pytest.mark.parametrize("text", ["1,5;2,5\n3,5;4,5\n", "a;b\n1,5;2,5\n"])
def test_a_decimal_comma_is_refused_with_advice(text):
    with pytest.raises(ServiceError, match="decimal point"):
        read(text, CSV)


def test_spaces_between_numbers_are_refused_with_advice():
    error = refusal(InvalidTableError, "1 2\n3 4\n", CSV)
    assert "separate cells by commas" in error.detail


@pytest.mark.parametrize("text", ["", "\n \n", "\ufeff"])
def test_an_empty_file_is_refused(text):
    assert "empty" in refusal(InvalidTableError, text, CSV).detail


@pytest.mark.parametrize("text", ["a,b", "a,b\n", "a,b\r\n\r\n"])
def test_a_header_without_rows_is_refused(text):
    assert "no rows" in refusal(InvalidTableError, text, CSV).detail


@pytest.mark.parametrize(
    ("text", "column", "advice"),
    [
        ("x,x\n1,2\n", 2, "both named 'x'"),
        ("x,\n1,2\n", 2, "no name"),
        (",x\n0,1\n", 1, "row names"),
        (",0,1\n0,1.5,2.5\n", 1, "index=False"),
        ("x,1\n1,2\n", 1, "header=present"),
        ("x,y\x07\n1,2\n", 2, "cannot be shown"),
    ],
)
def test_a_doubtful_header_is_refused(text, column, advice):
    error = refusal(InvalidTableError, text, CSV)
    assert error.places[0].column == column
    assert advice in error.detail


@pytest.mark.parametrize("text", ["x,y1,23,4", '"x","y"1,23,4', "x|y1|23|4"])
def test_a_file_without_line_breaks_is_refused_with_the_way_curl_keeps_them(text):
    with pytest.raises(ServiceError, match="--data-binary"):
        read(text, CSV)


def test_a_wrong_line_among_others_is_not_blamed_on_curl():
    error = refusal(InvalidTableError, "x,1\n1,2\n", CSV)
    assert "--data-binary" not in error.detail


@pytest.mark.parametrize("first", ["sep=;", "SEP=,", '"sep=;"', "sep=\t"])
def test_the_separator_line_of_excel_is_refused_with_advice(first):
    error = refusal(MalformedBodyError, f"{first}\r\nx;y\r\n1;2\r\n", CSV)
    assert "remove that line" in error.detail


def test_comments_are_refused():
    assert "no comments" in refusal(MalformedBodyError, "# a,b\n1,2\n", CSV).detail


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"PK\x03\x04rest", "Excel"),
        (b"\x1f\x8b\x08rest", "gzip"),
        (b'{"data": [[1]]}', "JSON"),
        (b"PAR1", "Parquet"),
        (b"<html>", "HTML"),
    ],
)
def test_other_formats_are_recognized(body, name):
    error = refusal(MalformedBodyError, body, CSV)
    assert name in error.detail


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("1,2\n" * 1001, "max_rows"),
        ('"1",2\n' * 1001, "max_rows"),
        (",".join("1" * 21), "max_columns"),
        (",".join("1" * 20) + "\n" + (",".join("1" * 20) + "\n") * 250, "max_numbers"),
        ("x" * 31 + ",y\n1,2\n", "max_text_column_name"),
    ],
)
def test_a_table_over_a_limit_is_refused_with_its_name(text, limit):
    assert limit in refusal(TooLargeError, text, CSV).detail


def test_a_million_cells_in_the_first_line_are_refused_before_they_are_split():
    refusal(TooLargeError, "1," * 1_000_000, CSV)


_cells = st.one_of(
    st.floats(allow_nan=False).map(repr),
    st.integers(-(10**20), 10**20).map(str),
    st.sampled_from(
        ["+1", ".5", "5.", " 7\t", '"8"', '"9', "1_0", "٣", "", "nan", "1e999", "x"]
    ),
    st.text("0123456789.eE+-_ \t\x0b\x0cinfa\"'", max_size=6),
)


@settings(derandomize=True, deadline=None, max_examples=500)
@given(
    st.lists(st.lists(_cells, min_size=2, max_size=2), min_size=1, max_size=4),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_the_fast_reading_takes_nothing_that_the_careful_one_refuses(rows, line_end):
    """Two readings of the same file: what Arrow accepts must mean the same to us."""
    body = line_end.join(["a,b", *map(",".join, rows)]).encode()
    try:
        layout = layout_of(body, CSV, SMALL)
    except ServiceError:
        return
    fast = csv_format._read_fast(body, layout, SMALL)
    if fast is not None:
        careful = csv_format._read_carefully(body, layout, SMALL)
        np.testing.assert_array_equal(fast, careful)


def test_infinities_are_written_as_python_and_numpy_read_them():
    result = ArrayResult({"d": np.array([-np.inf, np.nan, 1e-7, 1.0])}, ("d",))
    text = b"".join(write(result, CSV)).decode()
    assert text == "d\n-inf\nnan\n1e-7\n1\n"


def test_names_are_quoted_where_they_need_to_be():
    result = ArrayResult({"x": np.ones((1, 2))}, ('a "b"', "c,d"))
    header, row = csv.reader(io.StringIO(b"".join(write(result, CSV)).decode()))
    assert header == ['a "b"', "c,d"]
    assert row == ["1", "1"]
