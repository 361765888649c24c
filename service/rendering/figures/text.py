"""Words and numbers as they are written into pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

FONT = "DejaVu Sans"
"""Comes with matplotlib, so a picture is the same on every machine."""
MISSING = "□"
LONGEST_NAME = 40

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def log_likelihood_text(value: float) -> str:
    """Return the value with two decimals, from a billion on as a power."""
    if not math.isfinite(value):
        return "undefined" if math.isnan(value) else f"{'−' if value < 0 else ''}∞"
    if abs(value) < 1e9:
        return f"{round(value, 2) + 0.0:,.2f}".replace("-", "−")  # + 0: no "−0.00"
    mantissa, exponent = f"{value:.6e}".split("e")
    power = str(int(exponent)).translate(_SUPERSCRIPTS)
    return f"{mantissa}×10{power}".replace("-", "−")


def axis_names(columns: Sequence[str] | None, n_features: int) -> list[str]:
    """Return the features' names; x1, x2, … where the data came without."""
    if columns is None or len(columns) != n_features:
        return [f"x{i}" for i in range(1, n_features + 1)]
    return [printable(column) or f"x{i}" for i, column in enumerate(columns, start=1)]


def printable(name: str) -> str:
    """Return the name on one line, shortened, in characters that the font has."""
    words = shortened(" ".join(name.split()), LONGEST_NAME)
    known = _characters()
    return "".join(c if ord(c) in known else MISSING for c in words)


def shortened(name: str, longest: int) -> str:
    return name if len(name) <= longest else name[: longest - 1] + "…"


@cache
def _characters() -> frozenset[int]:
    return frozenset(FT2Font(font_manager.findfont(FONT)).get_charmap())
