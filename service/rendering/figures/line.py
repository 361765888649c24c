"""One dimension: a histogram, the density of each component and their sum."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.lines import Line2D

from gmm_engine.types import FloatArray
from service.rendering.figures.canvas import Canvas
from service.rendering.figures.clouds import Cloud, ShadedCloud
from service.rendering.figures.furniture import label_axis, style_frame
from service.rendering.figures.layout import Box
from service.rendering.geometry.curves import component_densities, histogram
from service.rendering.geometry.ticks import round_ticks
from service.rendering.palettes import GRID, INK, PAPER, ClusterStyle
from service.rendering.snapshots import OUTER_RING, Snapshot, View

INNER_RING = 1.0
N_POINTS = 321
LANE_HEIGHT = 14
"""Of the rug under the axis, in pixels of the 640 × 480 design."""


class MixtureLine:
    """Draws a one-dimensional mixture over its points.

    The axes go from 0 to 1 across; their height is that of `top` in density.
    """

    def __init__(
        self,
        axes: Axes,
        cloud: Cloud,
        styles: Sequence[ClusterStyle],
        bars: tuple[FloatArray, FloatArray],
        top: float,
    ) -> None:
        self._cloud = cloud
        self._styles = styles
        self._top = top
        self._x = np.linspace(0, 1, N_POINTS)
        heights, edges = bars
        axes.stairs(heights / top, edges, fill=True, color=GRID, zorder=0.5)
        self._bands = PolyCollection([], linewidths=0, animated=True)
        self._curves = LineCollection([], linewidths=1.8, animated=True)
        axes.add_collection(self._bands, autolim=False)
        axes.add_collection(self._curves, autolim=False)
        self._sum = Line2D([], [], color=INK, linewidth=1.2, animated=True)
        axes.add_line(self._sum)
        self._crosses = [
            _cross(axes, color, width)
            for color, width in [(PAPER, 3.6), *((s.line, 1.8) for s in styles)]
        ]

    def show(self, snapshot: Snapshot) -> Sequence[Artist]:
        densities = component_densities(
            self._x,
            snapshot.weights,
            snapshot.means[:, 0],
            snapshot.covariances[:, 0, 0],
        )
        heights = densities / self._top
        styles = [self._styles[k] for k in snapshot.components]
        self._curves.set_segments([np.column_stack([self._x, h]) for h in heights])
        self._curves.set_color([style.line for style in styles])
        self._sum.set_data(self._x, heights.sum(axis=0))
        return [
            *self._cloud.show(snapshot.labels),
            self._show_bands(snapshot, heights),
            self._curves,
            self._sum,
            *self._show_crosses(snapshot),
        ]

    def _show_bands(self, snapshot: Snapshot, heights: FloatArray) -> Artist:
        """Fill each curve within one and two standard deviations of its mean."""
        deviations = np.sqrt(np.maximum(snapshot.covariances[:, 0, 0], 0))
        z = np.abs(self._x - snapshot.means) / np.maximum(deviations, 1e-12)[:, None]
        bands, colors = [], []
        for radius in (OUTER_RING, INNER_RING):
            for k, component in enumerate(snapshot.components):
                within = z[k] <= radius
                bands.append(_area(self._x[within], heights[k, within]))
                colors.append((self._styles[component].fill, 0.22))
        self._bands.set_verts(bands)
        self._bands.set_facecolor(colors)
        return self._bands

    def _show_crosses(self, snapshot: Snapshot) -> Sequence[Artist]:
        halo, *crosses = self._crosses
        halo.set_data(snapshot.means[:, 0], np.zeros(len(snapshot.means)))
        shown = [crosses[k] for k in snapshot.components]
        for cross, mean in zip(shown, snapshot.means, strict=True):
            cross.set_data(mean, [0.0])
        return [halo, *shown]


def line_plot(
    canvas: Canvas,
    points: FloatArray,
    styles: Sequence[ClusterStyle],
    view: View,
    label: str,
    final: Snapshot,
) -> MixtureLine:
    """Add axes with a histogram, and below them a lane with the points as a rug."""
    box = canvas.layout.plot
    lane_height = round(LANE_HEIGHT * canvas.layout.scale)
    lane = Box(box.left, box.bottom, box.width, lane_height)
    axes = canvas.axes(Box(box.left, lane.top, box.width, box.height - lane_height))
    style_frame(axes)
    bars = histogram(points)
    top = _top(bars[0], final)
    low, high = float(view.window.low[0]), float(view.window.high[0])
    label_axis(axes, "x", label, round_ticks(low, high))
    label_axis(axes, "y", "density", round_ticks(0.0, top / (high - low)))
    axes.tick_params(axis="x", length=0, pad=LANE_HEIGHT * 0.72 + 2)
    rug = np.column_stack([points, np.full(len(points), 0.5)])
    cloud = ShadedCloud(canvas, lane, rug, styles, cell=(2, lane_height))
    return MixtureLine(axes, cloud, styles, bars, top)


def _top(heights: FloatArray, final: Snapshot) -> float:
    """Return the density at the upper edge: the final curve fits, if not a spike."""
    x = np.linspace(0, 1, N_POINTS)
    densities = component_densities(
        x, final.weights, final.means[:, 0], final.covariances[:, 0, 0]
    )
    highest = float(heights.max())
    peak = float(densities.sum(axis=0).max())
    return 1.08 * max(highest, min(peak, 2 * highest))


def _area(x: FloatArray, heights: FloatArray) -> FloatArray:
    """Return the outline of the area between a curve and the axis, (n, 2)."""
    if not len(x):
        return np.zeros((1, 2))
    return np.column_stack(
        [np.r_[x[0], x, x[-1]], np.r_[0.0, heights, 0.0]],
    )


def _cross(axes: Axes, color: str, width: float) -> Line2D:
    cross = Line2D(
        [],
        [],
        linestyle="none",
        marker="x",
        markersize=8 if width < 3 else 9.5,
        markeredgewidth=width,
        color=color,
        clip_on=False,
        animated=True,
    )
    axes.add_line(cross)
    return cross
