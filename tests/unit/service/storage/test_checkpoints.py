"""Checkpoints as stored values: exact, and found out when damaged."""

from __future__ import annotations

import numpy as np
import pytest

import gmm_engine
from service.errors import CorruptValueError
from service.storage.checkpoints import decode_checkpoint, encode_checkpoint
from tests.records import a_checkpoint


def test_a_checkpoint_comes_back_bit_by_bit():
    checkpoint = a_checkpoint()
    expected = checkpoint.to_dict()
    found = decode_checkpoint(encode_checkpoint(checkpoint)).to_dict()
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, strict=True)


@pytest.mark.parametrize("place", [0, 5, 9, 20, 300, -1])
def test_a_changed_byte_is_noticed(place):
    value = bytearray(encode_checkpoint(a_checkpoint()))
    value[place] ^= 1
    with pytest.raises(CorruptValueError):
        decode_checkpoint(bytes(value))


@pytest.mark.parametrize("length", [0, 5, 12, 40, 1000])
def test_a_checkpoint_cut_off_is_noticed(length):
    with pytest.raises(CorruptValueError):
        decode_checkpoint(encode_checkpoint(a_checkpoint())[:length])


def test_the_checkpoint_of_another_engine_is_not_used(monkeypatch):
    value = encode_checkpoint(a_checkpoint())
    monkeypatch.setattr(gmm_engine, "__version__", "99")
    with pytest.raises(CorruptValueError, match="another engine"):
        decode_checkpoint(value)
