"""Two dimensions: points, means as crosses, covariances as rings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from gmm_engine.types import FloatArray
from service.rendering.figures.canvas import Canvas
from service.rendering.figures.clouds import (
    MOST_MARKERS,
    Cloud,
    MarkerCloud,
    ShadedCloud,
)
from service.rendering.figures.furniture import label_axis, style_frame
from service.rendering.figures.marks import Crosses, Numbers
from service.rendering.geometry.ellipses import INNER_RING, OUTER_RING, ellipses
from service.rendering.geometry.ticks import round_ticks
from service.rendering.palettes import MANY, PAPER, ClusterStyle
from service.rendering.snapshots import Snapshot, Story

RING_WIDTHS = {INNER_RING: 1.7, OUTER_RING: 1.1}
HALO = 1.8
"""How much wider than a ring the white under it is, where points are dense."""


class MixturePlane:
    """Draws a mixture over its points, in axes of the unit square."""

    def __init__(
        self,
        axes: Axes,
        cloud: Cloud,
        styles: Sequence[ClusterStyle],
        numbers: Numbers,
    ) -> None:
        self._cloud = cloud
        self._styles = styles
        self._halo = HALO if cloud.is_dense else 0.0
        self._trails = _lines(axes, linewidths=1.2, alpha=0.5)
        self._halo_rings = _lines(axes, colors=PAPER)
        self._rings = _lines(axes)
        self._crosses = Crosses(axes, styles)
        self._numbers = numbers

    def show(self, snapshot: Snapshot) -> Sequence[Artist]:
        """Return the artists that show this snapshot, the lowest first."""
        return [
            *self._cloud.show(snapshot.labels),
            *self._show_trails(snapshot),
            *self._show_rings(snapshot),
            *self._crosses.show(snapshot, snapshot.means),
            *self._numbers.beside(snapshot, snapshot.means),
        ]

    def _show_trails(self, snapshot: Snapshot) -> Sequence[Artist]:
        if len(self._styles) > MANY:  # their trails would only tangle
            return []
        self._trails.set_segments(list(snapshot.paths))
        self._trails.set_color([self._styles[k].line for k in snapshot.components])
        return [self._trails]

    def _show_rings(self, snapshot: Snapshot) -> Sequence[Artist]:
        styles = [self._styles[k] for k in snapshot.components]
        curves: list[FloatArray] = []
        widths: list[float] = []
        for radius, width in RING_WIDTHS.items():
            curves += list(ellipses(snapshot.means, snapshot.covariances, radius))
            widths += [width] * len(styles)
        self._halo_rings.set_segments(curves)
        self._halo_rings.set_linewidth([width + self._halo for width in widths])
        self._rings.set_segments(curves)
        self._rings.set_linewidth(widths)
        self._rings.set_color([style.line for style in styles] * len(RING_WIDTHS))
        self._rings.set_linestyle([style.dash for style in styles] * len(RING_WIDTHS))
        return [self._halo_rings, self._rings]


def plane_plot(
    canvas: Canvas, story: Story, styles: Sequence[ClusterStyle], labels: Sequence[str]
) -> MixturePlane:
    """Add axes with the points, ready to draw mixtures over them."""
    box = canvas.layout.plot
    axes = canvas.axes(box)
    style_frame(axes)
    low, high = story.view.window.low, story.view.window.high
    label_axis(axes, "x", labels[0], round_ticks(low[0], high[0]))
    label_axis(axes, "y", labels[1], round_ticks(low[1], high[1]))
    cloud: Cloud = (
        MarkerCloud(axes, story.points, styles)
        if len(story.points) <= MOST_MARKERS
        else ShadedCloud(box, story.points, styles, cell=(2, 2))
    )
    return MixturePlane(axes, cloud, styles, Numbers(canvas.layout, box, styles))


def _lines(axes: Axes, **style: Any) -> LineCollection:
    lines = LineCollection([], animated=True, **style)
    axes.add_collection(lines, autolim=False)
    return lines
