"""The part of the plane, or of the line, that a picture shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmm_engine.types import FloatArray

MARGIN = 0.05
"""Room on each side, as a share of what is shown."""
RING_REACH = 0.62
"""How far rings at two standard deviations may widen a window on each side, as a share
of the points' extent: as far as those of any component of these points reach.

With all points in [0, 1] and the mean at m, the variance is at most m (1 - m), and
2 √(m (1 - m)) - m at most (√5 - 1) / 2: two points, such as the values of an indicator.
"""
RUNAWAY_ALLOWANCE = 0.25
"""How far a ring that reaches further widens it: it is cut off anyway."""
OUTLYING_FACTOR = 3.0
"""A few rows that would make a window so many times wider are left out of it."""
FEWEST_TO_LEAVE_OUT = 20
"""Of fewer rows each one counts."""


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


def inside(points: FloatArray) -> NDArray[np.bool_]:
    """Return which points, in coordinates of the window, it shows."""
    return np.asarray(np.all((points >= 0) & (points <= 1), axis=1))


def window_around(points: FloatArray, rings: tuple[FloatArray, FloatArray]) -> Window:
    """Return the window that shows all points but outlying ones, and rings near them.

    `rings` are the low and high corners of the boxes around the rings, at two standard
    deviations, each (n_components, d).
    """
    low, high = np.transpose([_bounds(values) for values in points.T])
    extent = high - low
    is_near = np.all((rings[0] <= high) & (rings[1] >= low), axis=1)
    # Of rings round a single value all that is known is their own size.
    alone = extent <= _resolution(low, high)
    below, above = (
        np.where(alone, reach, _bounded(reach, extent)).max(axis=0, initial=0)
        for reach in ((low - rings[0])[is_near], (rings[1] - high)[is_near])
    )
    return _widened(low - below, high + above)


def _bounds(values: FloatArray) -> tuple[float, float]:
    """Return the least and the greatest value, but of those that lie far out."""
    low, high = float(values.min()), float(values.max())
    if len(values) < FEWEST_TO_LEAVE_OUT:
        return low, high
    distances = np.abs(values - np.median(values))
    last = len(values) - 1 - _few_of(len(values))
    rest = values[distances <= np.partition(distances, last)[last]]
    rest_low, rest_high = float(rest.min()), float(rest.max())
    extent = rest_high - rest_low
    # Equal values have no width that another could be many times wider than.
    are_equal = extent <= _resolution(rest_low, rest_high)
    if are_equal or high - low <= OUTLYING_FACTOR * extent:
        return low, high
    # Of the few, those that lie near are shown.
    reach = extent / 2
    near = values[(values >= rest_low - reach) & (values <= rest_high + reach)]
    return float(near.min()), float(near.max())


def _bounded(reach: FloatArray, extent: FloatArray) -> FloatArray:
    """Return how far each ring widens the window that it reaches out of so far."""
    is_near = reach <= RING_REACH * extent
    return np.where(is_near, reach, RUNAWAY_ALLOWANCE * extent)


def _widened(low: FloatArray, high: FloatArray) -> Window:
    size = np.maximum(np.abs(low), np.abs(high))
    empty = high - low <= _resolution(low, high)
    around = np.where(size > 0, 0.1 * size, 0.5)
    margin = np.where(empty, around, MARGIN * (high - low))
    return Window(low - margin, high + margin)


def _few_of(n_rows: int) -> int:
    """Return 0.1 % of the rows, or up to three that are at most 1 %, or one."""
    return max(n_rows // 1000, min(3, n_rows // 100), 1)


def _resolution(low: FloatArray | float, high: FloatArray | float) -> FloatArray:
    """Return the width below which float64 has too few steps for a picture."""
    return np.asarray(1e-14 * np.maximum(np.abs(low), np.abs(high)))


def evenly_spaced(rows: FloatArray, at_most: int) -> FloatArray:
    """Return the rows, or so many of them spread evenly over all."""
    if len(rows) <= at_most:
        return rows
    chosen = np.linspace(0, len(rows) - 1, at_most).astype(int)
    return np.asarray(rows[chosen])
