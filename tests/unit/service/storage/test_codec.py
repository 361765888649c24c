import enum
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from service.errors import CorruptValueError
from service.storage import codec


@given(
    arrays(
        np.float64,
        array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
        elements=st.floats(allow_nan=True),
    )
)
def test_an_array_comes_back_bit_by_bit(array):
    (decoded,) = codec.decode_arrays(codec.encode_array(array))
    assert decoded.shape == array.shape
    assert decoded.dtype == np.float64
    assert decoded.tobytes() == array.tobytes()


def test_arrays_are_stored_as_documented():
    value = codec.encode_array(np.array([[1.0, -2.0]]))
    assert value[:8] == b"GMA1\x02\x00\x00\x00"
    assert value[16:32] == (1).to_bytes(8, "little") + (2).to_bytes(8, "little")
    assert value[32:] == np.array([1.0, -2.0], "<f8").tobytes()


def test_big_endian_and_integer_arrays_are_stored_as_the_same_numbers():
    expected = codec.encode_array(np.array([1.0, 2.0]))
    assert codec.encode_array(np.array([1.0, 2.0], dtype=">f8")) == expected
    assert codec.encode_array(np.array([1, 2])) == expected


def test_arrays_one_after_another_are_told_apart():
    first, second = np.arange(6.0).reshape(2, 3), np.array([7.0])
    value = codec.encode_array(first) + codec.encode_array(second)
    decoded = list(codec.decode_arrays(value))
    np.testing.assert_array_equal(decoded[0], first)
    np.testing.assert_array_equal(decoded[1], second)


@given(st.data())
def test_one_changed_byte_anywhere_is_noticed(data):
    value = bytearray(codec.encode_array(np.arange(6.0).reshape(2, 3)))
    place = data.draw(st.integers(0, len(value) - 1))
    value[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CorruptValueError):
        list(codec.decode_arrays(bytes(value)))


def test_a_changed_number_of_dimensions_is_noticed():
    # Read with eight dimensions the elements are part of a shape with a zero in it.
    value = bytearray(codec.encode_array(np.arange(6.0).reshape(2, 3)))
    value[4] = 8
    with pytest.raises(CorruptValueError):
        list(codec.decode_arrays(bytes(value)))


@pytest.mark.parametrize("length", [1, 15, 16, 20, 40, 79])
def test_a_value_that_was_cut_off_is_noticed(length):
    value = codec.encode_array(np.arange(6.0).reshape(2, 3))[:length]
    with pytest.raises(CorruptValueError):
        list(codec.decode_arrays(value))


def test_rows_are_split_into_blocks_of_about_one_mebibyte():
    rows = np.arange(600_000.0).reshape(-1, 3)
    blocks = list(codec.split_rows(rows))
    sizes = [len(block) for block in blocks]
    assert max(sizes) <= codec.BLOCK_BYTES + 40
    assert min(sizes[:-1]) > codec.BLOCK_BYTES - 40
    joined = np.concatenate([next(codec.decode_arrays(block)) for block in blocks])
    np.testing.assert_array_equal(joined, rows)


def test_a_row_longer_than_a_block_is_a_block_of_its_own():
    blocks = list(codec.split_rows(np.zeros((2, codec.BLOCK_BYTES // 8 + 1))))
    assert [next(codec.decode_arrays(block)).shape[0] for block in blocks] == [1, 1]


def test_packed_values_fill_blocks_and_stay_whole(monkeypatch):
    monkeypatch.setattr(codec, "BLOCK_BYTES", 4)
    assert list(codec.pack([b"aa", b"bb", b"c", b"dddddd", b"e"])) == [
        b"aabb",
        b"c",
        b"dddddd",
        b"e",
    ]


def test_heads_are_json():
    class Color(enum.StrEnum):
        RED = "red"

    @dataclass
    class Paint:
        color: Color
        at: datetime

    head = codec.encode_head(Paint(Color.RED, datetime(2024, 5, 1, tzinfo=UTC)))
    assert orjson.loads(head) == {"color": "red", "at": "2024-05-01T00:00:00+00:00"}


@pytest.mark.parametrize("value", [b"", b"{", b"\xff", b"[1]", b"null"])
def test_what_is_no_json_object_is_no_head(value):
    with pytest.raises(CorruptValueError):
        codec.decode_head(value)
