"""Round numbers along an axis, and how to write them in little room."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gmm_engine.types import FloatArray

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_MINUS = str.maketrans("-", "−")


@dataclass(frozen=True, slots=True, eq=False)
class Ticks:
    """Where ticks stand (0 to 1 along the axis) and what is written there.

    A value is (label × 10^exponent) + offset; `note` says so, or is empty.
    """

    positions: FloatArray
    labels: tuple[str, ...]
    note: str = ""


def round_ticks(low: float, high: float, at_most: int = 6) -> Ticks:
    """Return ticks at multiples of 1, 2, 2.5 or 5 times a power of ten."""
    return _ticks(low, high, *_round_step((high - low) / at_most))


def whole_ticks(low: int, high: int, at_most: int = 8) -> Ticks:
    """Return ticks at round whole numbers; the only one in the middle."""
    if low == high:
        return Ticks(np.array([0.5]), (str(low),))
    step, exponent = _round_step(max(1.0, (high - low) / at_most))
    if exponent < 0:  # 2.5
        step, exponent = 5.0, 0
    return _ticks(low, high, step, exponent)


def _ticks(low: float, high: float, step: float, exponent_of_step: int) -> Ticks:
    width = high - low
    values = step * np.arange(math.ceil(low / step), math.floor(high / step) + 1)
    largest = max(abs(low), abs(high))
    # Labels that differ in their last digits only: write the common part once.
    offset = float(values[0]) if largest > 1e5 * width else 0.0
    values = values - offset
    exponent = _exponent(width if offset else largest)
    decimals = max(0, exponent - exponent_of_step)
    labels = (f"{value * 10.0**-exponent:.{decimals}f}" for value in values)
    return Ticks(
        positions=np.asarray((values - (low - offset)) / width),
        labels=tuple(_without_negative_zero(label) for label in labels),
        note=_note(exponent, offset),
    )


def _round_step(smallest: float) -> tuple[float, int]:
    """Return a round step ≥ `smallest`, and the exponent of its last digit."""
    exponent = math.floor(math.log10(smallest))
    for factor, finer in ((1.0, 0), (2.0, 0), (2.5, 1), (5.0, 0)):
        if factor * 10.0**exponent >= smallest * (1 - 1e-9):
            return factor * 10.0**exponent, exponent - finer
    return 10.0 ** (exponent + 1), exponent + 1


def _exponent(size: float) -> int:
    """Return the power of ten to take out of labels up to `size`: mostly none."""
    exponent = math.floor(math.log10(size))
    return exponent if exponent >= 5 or exponent <= -4 else 0


def _note(exponent: int, offset: float) -> str:
    factor = f"×10{str(exponent).translate(_SUPERSCRIPTS)}" if exponent else ""
    shift = f"{offset:+.15g}".replace("e+", "e") if offset else ""
    return " ".join(filter(None, (factor, shift))).translate(_MINUS)


def _without_negative_zero(label: str) -> str:
    is_zero = not label.strip("-0.")
    return (label.lstrip("-") if is_zero else label).translate(_MINUS)
