"""Tables in npy files."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pytest

from service.domain.tables import ArrayResult
from service.errors import (
    InvalidTableError,
    MalformedBodyError,
    MissingValuesError,
    TooLargeError,
)
from service.tables import size_bytes, write
from tests.unit.service.tables.reading import (
    NPY,
    SMALL,
    npy,
    places,
    read,
    refusal,
)

X = np.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize("dtype", ["<f8", ">f8", "<f4", ">f4", "<f2", "|u1", ">i2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_numbers_of_any_size_and_order_are_read(dtype, order):
    table = read(npy(np.array(X, dtype=dtype, order=order)), NPY)
    assert table.columns is None
    assert table.rows.dtype == np.dtype("<f8")
    assert table.rows.flags.c_contiguous
    assert table.rows.flags.writeable
    np.testing.assert_array_equal(table.rows, X)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_all_versions_of_the_format_are_read(version):
    file = io.BytesIO()
    np.lib.format.write_array(file, X, version=version)
    np.testing.assert_array_equal(read(file.getvalue(), NPY).rows, X)


def test_headers_of_other_writers_are_read():
    header = b"{ 'shape':(2,3L),'fortran_order' : False, 'descr':'<f8' }"
    body = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    np.testing.assert_array_equal(read(body + X.tobytes(), NPY).rows, X)


def test_large_integers_are_rounded_to_the_nearest_float():
    table = read(npy(np.array([[2**53 + 1, 2**63 - 1]])), NPY)
    assert table.rows.tolist() == [[2.0**53, 2.0**63]]


@pytest.mark.parametrize(
    ("array", "what"),
    [
        (np.array([[None]]), "Python objects"),
        (np.array([["text"]]), "text"),
        (np.array([[b"text"]]), "text"),
        (np.zeros((2, 2), dtype=[("a", "<f8")]), "records"),
        (np.array([[1j]]), "complex numbers"),
        (np.array([[True]]), "booleans"),
        (np.array([["2020-01-01"]], dtype="M8[D]"), "dates"),
        (np.array([[1]], dtype="m8[s]"), "durations"),
        (np.zeros((1, 1), np.longdouble), "not of 16, 32 or 64 bits"),
        (np.ones(3), "1 dimension;"),
        (np.array(1.0), "0 dimensions"),
        (np.ones((1, 1, 1)), "3 dimensions"),
        (np.ones((0, 3)), "no rows"),
        (np.ones((3, 0)), "no columns"),
    ],
)
def test_what_is_no_matrix_of_numbers_is_refused(array, what):
    body = npy(array, allow_pickle=True)
    assert what in refusal(InvalidTableError, body, NPY).detail


def test_an_infinite_number_is_refused_with_its_place():
    error = refusal(InvalidTableError, npy(np.array([[1, 2], [3, np.inf]])), NPY)
    assert places(error) == [(2, 2)]


def test_nan_is_a_missing_value():
    error = refusal(MissingValuesError, npy(np.array([[1, np.nan], [np.nan, 2]])), NPY)
    assert places(error) == [(1, 2), (2, 1)]


@pytest.mark.filterwarnings("error")
def test_a_signaling_nan_is_a_missing_value_without_a_warning():
    array = np.array([[0x7F800001]], dtype="<u4").view("<f4")
    refusal(MissingValuesError, npy(array), NPY)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x93NUMPY",
        b"\x93NUMPY\x01\x00",
        b"\x93NUMPY\x09\x00" + npy(X)[8:],
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + npy(X)[10:],
        npy(X)[:-1],
        npy(X) + b"\0",
        npy(X) + npy(X),
        npy(X).replace(b"(2, 3)", b"(-2,3)"),
        npy(X).replace(b"(2, 3)", b"(9**9)"),
        npy(X).replace(b"(2, 3), }" + b" " * 30, b"(" + b"9" * 30 + b", 3), }", 1),
        npy(X).replace(b"'shape'", b"'shave'"),
        npy(X).replace(b"False", b"__im_"),
        npy(X).replace(b"'descr': '<f8'", b"'shape': (2,3)"),
    ],
)
def test_damaged_files_are_refused(body):
    refusal(MalformedBodyError, body, NPY)


def test_archives_and_pickles_are_recognized():
    archive = io.BytesIO()
    np.savez(archive, X=X)
    assert "npz" in refusal(MalformedBodyError, archive.getvalue(), NPY).detail
    assert "pickle" in refusal(MalformedBodyError, pickle.dumps([[1.0]]), NPY).detail


@pytest.mark.parametrize(
    ("shape", "limit"),
    [
        ((1001, 1), "max_rows"),
        ((1, 21), "max_columns"),
        ((501, 10), "max_numbers"),
        ((10**17, 3), "max_rows"),
        ((0, 10**17), "max_columns"),
    ],
)
def test_a_shape_over_a_limit_is_refused_before_the_numbers_are_read(shape, limit):
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}".encode()
    start = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    assert limit in refusal(TooLargeError, start, NPY).detail


def test_a_shape_within_the_limits_that_lies_is_refused():
    body = npy(X).replace(b"(2, 3), } ", b"(900, 3),}", 1)
    assert "ends 21552 bytes early" in refusal(MalformedBodyError, body, NPY).detail
    assert SMALL.max_rows > 900


def test_one_array_is_written_as_it_is():
    labels = np.arange(5)
    body = b"".join(write(ArrayResult({"labels": labels}, ("label",)), NPY))
    assert body == npy(labels)


def test_several_arrays_are_written_side_by_side():
    result = ArrayResult({"samples": X, "labels": np.array([1, 0])}, tuple("abcd"))
    written = np.load(io.BytesIO(b"".join(write(result, NPY))))
    np.testing.assert_array_equal(written, [[0, 1, 2, 1], [3, 4, 5, 0]])


@pytest.mark.parametrize(
    "result",
    [
        ArrayResult({"labels": np.arange(5)}, ("label",)),
        ArrayResult({"probabilities": X}, tuple("abc")),
        ArrayResult({"samples": X, "labels": np.array([1, 0])}, tuple("abcd")),
    ],
)
def test_the_size_is_known_before_it_is_written(result):
    assert size_bytes(result, NPY) == len(b"".join(write(result, NPY)))
