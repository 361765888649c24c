"""Density shading: what to draw instead of more points than there are pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from gmm_engine.types import FloatArray, IntArray
from service.rendering.geometry.windows import inside

FAINTEST = 0.3
"""Opacity of the emptiest cell that holds a point."""


@dataclass(frozen=True, slots=True, eq=False)
class ShadingGrid:
    """Points of the unit square, counted in the cells of a grid.

    Only cells that hold points are kept, so that a frame costs one pass over the
    points and one over the occupied cells, however many clusters there are.
    """

    shape: tuple[int, int]
    """Rows (the first one on top) and columns."""
    inside: IntArray
    """Indices of the points that lie in the square."""
    cell_of_point: IntArray
    """For each of those, its place in `occupied`."""
    occupied: IntArray
    """Flat indices into the grid."""
    counts: IntArray
    opacity: FloatArray
    """0 to 1 for each occupied cell."""

    @classmethod
    def of(cls, points: FloatArray, shape: tuple[int, int]) -> Self:
        """Count points, (n_samples, 2), in a grid of that shape."""
        shown = np.flatnonzero(inside(points))
        n_rows, n_columns = shape
        columns = np.minimum((points[shown, 0] * n_columns).astype(int), n_columns - 1)
        rows = np.minimum(((1 - points[shown, 1]) * n_rows).astype(int), n_rows - 1)
        occupied, cell_of_point, counts = np.unique(
            rows * n_columns + columns, return_inverse=True, return_counts=True
        )
        return cls(shape, shown, cell_of_point, occupied, counts, tones(counts))

    def colored(self, labels: IntArray, colors: FloatArray) -> NDArray[np.uint8]:
        """Return RGBA from 0 to 255, (rows, columns, 4), for colors from 0 to 1.

        A cell has the mean color of its points; `colors` is (n_labels, 3) and
        `labels` are of all points, inside or not.
        """
        of_points = colors[labels[self.inside]]
        sums = [
            np.bincount(self.cell_of_point, channel, minlength=len(self.occupied))
            for channel in of_points.T
        ]
        cells = np.stack([*(sums / self.counts), self.opacity], axis=1)
        image = np.zeros((self.shape[0] * self.shape[1], 4), dtype=np.uint8)
        image[self.occupied] = (255 * cells).round()
        return image.reshape(*self.shape, 4)


def tones(counts: IntArray) -> FloatArray:
    """Return opacities by rank: the share of cells that hold no more points.

    Ranks, because counts span orders of magnitude: on a linear scale a dense core
    would leave everything else white.
    """
    _, level, cells = np.unique(counts, return_inverse=True, return_counts=True)
    ranks = np.cumsum(cells)[level] / max(len(counts), 1)
    return np.asarray(FAINTEST + (1 - FAINTEST) * ranks)
