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
from service.rendering.figures.marks import Crosses, Numbers
from service.rendering.geometry.curves import (
    area,
    component_densities,
    curves_above,
    histogram,
)
from service.rendering.geometry.ellipses import INNER_RING, OUTER_RING
from service.rendering.geometry.ticks import round_ticks
from service.rendering.geometry.windows import inside
from service.rendering.palettes import GRID, INK, ClusterStyle
from service.rendering.snapshots import Snapshot, Story

POSITIONS = np.linspace(0, 1, 401)
"""Across the plot, where curves have their points."""
LOWEST = 0.002
"""A component's curve is left out where it is lower than this share of the plot."""
LANE_HEIGHT = 14
"""Of the rug under the axis, in pixels of the 640 × 480 design."""


class MixtureLine:
    """Draws a one-dimensional mixture, in axes as high as the density `top`."""

    def __init__(
        self,
        axes: Axes,
        cloud: Cloud,
        styles: Sequence[ClusterStyle],
        numbers: Numbers,
        top: float,
    ) -> None:
        self._cloud = cloud
        self._styles = styles
        self._top = top
        self._bands = PolyCollection([], linewidths=0, animated=True)
        self._curves = LineCollection([], linewidths=1.4, animated=True)
        axes.add_collection(self._bands, autolim=False)
        axes.add_collection(self._curves, autolim=False)
        self._sum = Line2D([], [], color=INK, linewidth=2.2, animated=True)
        axes.add_line(self._sum)
        self._crosses = Crosses(axes, styles, clip_on=False)
        self._numbers = numbers

    def show(self, snapshot: Snapshot) -> Sequence[Artist]:
        """Return the artists that show this snapshot, the lowest first."""
        heights = densities(snapshot) / self._top
        self._show_bands(snapshot, heights)
        self._sum.set_data(POSITIONS, heights.sum(axis=0))
        self._curves.set_segments(curves_above(LOWEST, POSITIONS, heights))
        self._curves.set_color([self._styles[k].line for k in snapshot.components])
        on_axis = np.pad(snapshot.means, [(0, 0), (0, 1)])
        on_axis[~inside(on_axis)] = np.nan  # the axis does not cut crosses off
        return [
            *self._cloud.show(snapshot.labels),
            self._bands,
            self._sum,
            self._curves,
            *self._crosses.show(snapshot, on_axis),
            *self._numbers.above(snapshot, on_axis),
        ]

    def _show_bands(self, snapshot: Snapshot, heights: FloatArray) -> None:
        """Fill each curve within one and two standard deviations of its mean."""
        deviations = np.sqrt(np.maximum(snapshot.covariances[:, 0], 0))
        distances = np.abs(POSITIONS - snapshot.means)
        self._bands.set_verts(
            [
                area(POSITIONS[within], height[within])
                for radius in (OUTER_RING, INNER_RING)
                for within, height in zip(
                    distances <= radius * deviations, heights, strict=True
                )
            ]
        )
        fills = [(self._styles[k].fill, 0.25) for k in snapshot.components]
        self._bands.set_facecolor(fills * 2)


def densities(snapshot: Snapshot) -> FloatArray:
    """Return the components' densities, (n_components, len(POSITIONS))."""
    return component_densities(
        POSITIONS, snapshot.weights, snapshot.means[:, 0], snapshot.covariances[:, 0, 0]
    )


def line_plot(
    canvas: Canvas, story: Story, styles: Sequence[ClusterStyle], labels: Sequence[str]
) -> MixtureLine:
    """Add axes with a histogram, and below them a lane with the points as a rug."""
    box = canvas.layout.plot
    lane = Box(box.left, box.bottom, box.width, canvas.layout.scaled(LANE_HEIGHT))
    plot = Box(box.left, lane.top, box.width, box.height - lane.height)
    axes = canvas.axes(plot)
    style_frame(axes)
    shown = story.points[inside(story.points), 0]
    heights, edges = histogram(shown)
    heights = heights * (len(shown) / len(story.points))
    final = story.snapshot(len(story.trajectory) - 1)
    top = _top(heights, densities(final).sum(axis=0))
    axes.stairs(heights / top, edges, fill=True, color=GRID, zorder=0.5)
    low, high = float(story.view.window.low[0]), float(story.view.window.high[0])
    label_axis(axes, "x", labels[0], round_ticks(low, high))
    label_axis(axes, "y", "density", round_ticks(0.0, top / (high - low)))
    axes.tick_params(axis="x", length=0, pad=LANE_HEIGHT * 0.72 + 2)  # in points
    rug = np.pad(story.points, [(0, 0), (0, 1)])
    cloud = ShadedCloud(lane, rug, styles, cell=(2, lane.height))
    numbers = Numbers(canvas.layout, plot, styles)
    return MixtureLine(axes, cloud, styles, numbers, top)


def _top(bars: FloatArray, curve: FloatArray) -> float:
    """Return the density at the upper edge: the final curve fits, if not a spike."""
    highest = float(bars.max())
    return 1.08 * max(highest, min(float(curve.max()), 2 * highest))
