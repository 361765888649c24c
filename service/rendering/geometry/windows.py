"""The part of the plane, or of the line, that a picture shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmm_engine.types import FloatArray

MARGIN = 0.05
"""Room on each side, as a share of what is shown."""
RING_ALLOWANCE = 0.25
"""How far rings may widen a window, as a share of the points' extent on each side."""


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A box, shown as the unit square."""

    low: FloatArray
    high: FloatArray

    @property
    def widths(self) -> FloatArray:
        return self.high - self.low

    def points(self, points: FloatArray) -> FloatArray:
        return np.asarray((points - self.low) / self.widths)

    def covariances(self, covariances: FloatArray) -> FloatArray:
        # One width at a time: their product can leave the range of float64.
        return np.asarray(covariances / self.widths / self.widths[:, None])


def window_around(points: FloatArray, rings: tuple[FloatArray, FloatArray]) -> Window:
    """Return the window that shows all points, and rings that stay near them.

    `rings` are the low and high corners of the boxes around the rings.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    allowance = RING_ALLOWANCE * (high - low)
    # Of rings round a single value all that is known is their own size.
    alone = high - low <= _resolution(low, high)
    ring_low, ring_high = rings[0].min(axis=0), rings[1].max(axis=0)
    low = np.minimum(
        low, np.where(alone, ring_low, np.maximum(ring_low, low - allowance))
    )
    high = np.maximum(
        high, np.where(alone, ring_high, np.minimum(ring_high, high + allowance))
    )
    return _widened(low, high)


def _widened(low: FloatArray, high: FloatArray) -> Window:
    size = np.maximum(np.abs(low), np.abs(high))
    empty = high - low <= _resolution(low, high)
    around = np.where(size > 0, 0.1 * size, 0.5)
    margin = np.where(empty, around, MARGIN * (high - low))
    return Window(low - margin, high + margin)


def _resolution(low: FloatArray, high: FloatArray) -> FloatArray:
    """Return the width below which float64 has too few steps for a picture."""
    return np.asarray(1e-14 * np.maximum(np.abs(low), np.abs(high)))


def evenly_spaced(rows: FloatArray, at_most: int) -> FloatArray:
    """Return the rows, or so many of them spread evenly over all."""
    if len(rows) <= at_most:
        return rows
    chosen = np.linspace(0, len(rows) - 1, at_most).astype(int)
    return np.asarray(rows[chosen])
