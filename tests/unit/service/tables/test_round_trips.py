"""What is written in a format and read again is the same, number for number."""

from __future__ import annotations

import io

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from service.domain.tables import ArrayResult
from service.errors import NotAcceptableError, UnsupportedMediaTypeError
from service.tables import (
    READABLE,
    WRITABLE,
    TableLimits,
    parse_json,
    read_table,
    table_from_json,
    write,
)
from tests.unit.service.tables.reading import NPY, PARQUET, SMALL, npy, read

matrices = arrays(
    np.float64,
    array_shapes(min_dims=2, max_dims=2, max_side=8),
    elements=st.floats(allow_nan=False, allow_infinity=False),
)
reproducibly = settings(derandomize=True, deadline=None, max_examples=150)


def result_of(X: np.ndarray) -> ArrayResult:
    return ArrayResult({"X": X}, tuple(f"x{k}" for k in range(X.shape[1])))


@pytest.mark.parametrize("media_type", [m for m in WRITABLE if "json" not in m])
@reproducibly
@given(X=matrices)
def test_numbers_survive_exactly(media_type, X):
    body = b"".join(write(result_of(X), media_type))
    table = read(body, media_type)
    np.testing.assert_array_equal(table.rows, X)
    np.testing.assert_array_equal(np.signbit(table.rows), np.signbit(X))
    assert table.columns == (None if media_type == NPY else result_of(X).columns)


@reproducibly
@given(X=matrices)
def test_numbers_survive_json_exactly(X):
    value = parse_json(b"".join(write(result_of(X), "application/json")))
    assert isinstance(value, dict)
    np.testing.assert_array_equal(table_from_json(value["X"], SMALL).rows, X)


@reproducibly
@given(X=matrices)
def test_numbers_survive_parquet_exactly(X):
    file = io.BytesIO()
    names = [f"x{k}" for k in range(X.shape[1])]
    pyarrow.parquet.write_table(pa.table(list(X.T), names=names), file)
    np.testing.assert_array_equal(read(file.getvalue(), PARQUET).rows, X)


@reproducibly
@given(
    X=arrays(
        st.sampled_from(["<f2", ">f4", "<i8", ">u8", "|i1"]),
        array_shapes(min_dims=2, max_dims=2, max_side=5),
        elements={"allow_nan": False, "allow_infinity": False},
    ),
    order=st.sampled_from("CF"),
)
def test_npy_files_of_numpy_are_read_as_numpy_reads_them(X, order):
    rows = read(npy(np.array(X, order=order)), NPY).rows
    np.testing.assert_array_equal(rows, X.astype(np.float64))


@pytest.mark.parametrize("media_type", WRITABLE)
def test_large_results_come_in_pieces_of_about_a_megabyte(media_type):
    X = np.random.default_rng(0).normal(size=(50_000, 8))
    pieces = list(write(result_of(X), media_type))
    assert len(pieces) > 3
    assert max(map(len, pieces)) < 4 << 20
    body = b"".join(pieces)
    if media_type == "application/json":
        np.testing.assert_array_equal(orjson.loads(body)["X"], X)
    else:
        large = read_table(io.BytesIO(body), media_type, TableLimits())
        np.testing.assert_array_equal(large.rows, X)


@pytest.mark.parametrize("media_type", WRITABLE)
def test_an_array_that_is_not_contiguous_is_written_as_it_looks(media_type):
    X = np.asfortranarray(np.arange(12.0).reshape(4, 3))[::2]
    body = b"".join(write(result_of(X), media_type))
    if media_type == "application/json":
        assert orjson.loads(body) == {"X": X.tolist()}
    else:
        np.testing.assert_array_equal(read(body, media_type).rows, X)


def test_all_that_is_written_can_be_read():
    assert set(WRITABLE) < set(READABLE)


@pytest.mark.parametrize(
    ("content_type", "advice"),
    [
        ("", "Content-Type is missing"),
        ("text/plain", "'text/plain' cannot be read"),
        ("application/x-www-form-urlencoded", "curl"),
        ("multipart/form-data; boundary=x", "--data-binary"),
        ("application/vnd.apache.arrow.file", "stream format"),
        ("\r\n;;=\"'\0", "is missing"),
    ],
)
def test_other_content_types_are_refused_with_advice(content_type, advice):
    with pytest.raises(UnsupportedMediaTypeError) as raised:
        read(b"1,2", content_type)
    assert advice in raised.value.detail
    assert all(media_type in raised.value.detail for media_type in READABLE)


def test_a_format_that_cannot_be_written_is_refused_at_once():
    with pytest.raises(NotAcceptableError, match="text/csv"):
        write(result_of(np.ones((1, 1))), PARQUET)
