import re

import numpy as np
import pytest
from numpy.testing import assert_allclose

from service.rendering.geometry.ticks import round_ticks, whole_ticks


def test_small_ranges_are_written_plainly():
    ticks = round_ticks(1.4, 5.3)
    assert ticks.labels == ("2", "3", "4", "5")
    assert_allclose(ticks.positions, (np.arange(2, 6) - 1.4) / 3.9)
    assert ticks.note == ""


def test_labels_have_as_many_decimals_as_the_step():
    assert round_ticks(0, 0.13).labels == (
        *("0.000", "0.025", "0.050", "0.075", "0.100", "0.125"),
    )


def test_zero_has_no_sign_and_minus_is_a_minus():
    assert round_ticks(-1, 1, at_most=4).labels == ("−1.0", "−0.5", "0.0", "0.5", "1.0")


def test_large_and_small_powers_go_into_the_note():
    assert round_ticks(0, 3e100).note == "×10¹⁰⁰"
    assert round_ticks(0, 3e-100).note == "×10⁻¹⁰⁰"


def test_a_common_part_goes_into_the_note():
    ticks = round_ticks(1e8 - 1, 1e8 + 5)
    assert ticks.labels == ("0", "1", "2", "3", "4", "5", "6")
    assert ticks.note == "+99999999"


def value_of(label, note):
    exponent = re.search("×10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", note)
    offset = re.search(r"(?:^| )([+−][\d.e−]+)$", note)
    digits = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹−", "-0123456789-")
    power = int(exponent[1].translate(digits)) if exponent else 0
    shift = float(offset[1].translate(digits)) if offset else 0.0
    return float(label.translate(digits)) * 10.0**power + shift


@pytest.mark.parametrize("scale", [1e-100, 1e-5, 0.037, 1.0, 730.0, 1e6, 1e100])
@pytest.mark.parametrize("low", [-3.0, 0.0, 0.4, 1e4, 1e8])
def test_what_is_written_is_where_it_stands(scale, low):
    low, high = low * scale, (low + 7.3) * scale
    ticks = round_ticks(low, high)
    assert 2 <= len(ticks.labels) <= 8
    assert np.all((ticks.positions >= -1e-6) & (ticks.positions <= 1 + 1e-6))
    values = [value_of(label, ticks.note) for label in ticks.labels]
    assert_allclose(
        values, low + ticks.positions * (high - low), atol=1e-6 * (high - low)
    )


@pytest.mark.parametrize("last", [1, 2, 3, 7, 16, 20, 59, 500])
def test_iterations_are_whole(last):
    ticks = whole_ticks(0, last)
    assert all(label.isdigit() for label in ticks.labels)
    assert_allclose(ticks.positions, np.array(ticks.labels, dtype=float) / last)


def test_a_single_iteration_stands_in_the_middle():
    ticks = whole_ticks(7, 7)
    assert (ticks.positions.tolist(), ticks.labels) == ([0.5], ("7",))
