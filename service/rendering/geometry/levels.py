"""Labels along a line, raised where they would lie on each other."""

from __future__ import annotations

import numpy as np

from gmm_engine.types import FloatArray, IntArray


def levels(middles: FloatArray, widths: FloatArray) -> IntArray:
    """Return for each label, (n,), the lowest level on which it touches none.

    They are placed from left to right.
    """
    result = np.zeros(len(middles), dtype=np.intp)
    ends: list[float] = []
    """Of each level, where its last label ends."""
    lows, highs = middles - widths / 2, middles + widths / 2
    for k in np.argsort(lows, kind="stable"):
        free = (level for level, end in enumerate(ends) if end <= lows[k])
        level = next(free, len(ends))
        ends[level : level + 1] = [float(highs[k])]
        result[k] = level
    return result
