"""Points colored by cluster: as markers while there are few, shaded beyond."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gmm_engine.types import FloatArray, IntArray
from service.rendering.figures.layout import Box
from service.rendering.figures.marks import Raster
from service.rendering.geometry.shading import ShadingGrid
from service.rendering.palettes import ClusterStyle, rgb

MOST_MARKERS = 8_000
"""Above this, markers hide each other, and drawing them takes seconds."""
MOST_LOOSE_MARKERS = 1_000
"""Up to this, white beside a line would cut more points than it lifts the line."""


class Cloud(Protocol):
    @property
    def is_dense(self) -> bool:
        """Whether lines over the points need white beside them to be seen."""

    def show(self, labels: IntArray) -> Sequence[Artist]:
        """Return the artists that show the points with these labels."""


class MarkerCloud:
    """One line of markers per cluster: a scatter of all takes ten times as long."""

    def __init__(
        self, axes: Axes, points: FloatArray, styles: Sequence[ClusterStyle]
    ) -> None:
        self._points = points
        size = _marker_size(len(points))
        self._lines = [
            Line2D(
                [],
                [],
                linestyle="none",
                marker="o",
                markersize=size,
                markeredgewidth=0,
                color=style.fill,
                alpha=0.75,
                animated=True,
            )
            for style in styles
        ]
        for line in self._lines:
            axes.add_line(line)

    @property
    def is_dense(self) -> bool:
        return len(self._points) > MOST_LOOSE_MARKERS

    def show(self, labels: IntArray) -> Sequence[Artist]:
        for k, line in enumerate(self._lines):
            line.set_data(*self._points[labels == k].T)
        return self._lines


class ShadedCloud:
    """Mean color and density of the points in each cell of a grid."""

    def __init__(
        self,
        box: Box,
        points: FloatArray,
        styles: Sequence[ClusterStyle],
        cell: tuple[int, int],
    ) -> None:
        """`cell` is the width and height of a cell in pixels."""
        self._cell = cell
        n_columns, n_rows = box.width // cell[0], box.height // cell[1]
        self._grid = ShadingGrid.of(points, (n_rows, n_columns))
        self._colors = rgb([style.fill for style in styles])
        self._raster = Raster(box)

    @property
    def is_dense(self) -> bool:
        return True

    def show(self, labels: IntArray) -> Sequence[Artist]:
        width, height = self._cell
        cells = self._grid.colored(labels, self._colors)
        self._raster.pixels = cells.repeat(height, axis=0).repeat(width, axis=1)
        return [self._raster]


def _marker_size(n_points: int) -> float:
    """Return a diameter that lets points of 10 to 8,000 neighbors be seen."""
    return float(np.clip(10 / n_points**0.17, 2.2, 6.0))
