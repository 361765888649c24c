"""Two dimensions: points, means as crosses, covariances as rings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.text import Text

from gmm_engine.types import FloatArray
from service.rendering.figures.canvas import Canvas
from service.rendering.figures.clouds import (
    MOST_MARKERS,
    Cloud,
    MarkerCloud,
    ShadedCloud,
)
from service.rendering.figures.furniture import label_axis, style_frame
from service.rendering.geometry.ellipses import ellipses
from service.rendering.geometry.ticks import round_ticks
from service.rendering.palettes import PAPER, ClusterStyle
from service.rendering.snapshots import OUTER_RING, Snapshot, View
from service.rendering.text import FONT

INNER_RING = 1.0
RING_WIDTHS = {INNER_RING: 1.6, OUTER_RING: 1.0}
HALO = 2.2
"""How much wider than a line the white under it is."""


class MixturePlane:
    """Draws a mixture over its points, in axes of the unit square."""

    def __init__(
        self, axes: Axes, cloud: Cloud, styles: Sequence[ClusterStyle]
    ) -> None:
        self._cloud = cloud
        self._styles = styles
        self._halo_rings = _rings(axes, HALO)
        self._rings = _rings(axes, 0.0)
        self._halo_crosses = _cross(axes, PAPER, 3.6)
        self._crosses = [_cross(axes, style.line, 1.8) for style in styles]
        self._numbers = [_number(axes, style) for style in styles if style.number]

    def show(self, snapshot: Snapshot) -> Sequence[Artist]:
        means, components = snapshot.means, snapshot.components
        self._halo_crosses.set_data(*means.T)
        crosses = [self._crosses[k] for k in components]
        for cross, mean in zip(crosses, means, strict=True):
            cross.set_data(mean[:1], mean[1:])
        return [
            *self._cloud.show(snapshot.labels),
            *self._show_rings(snapshot),
            self._halo_crosses,
            *crosses,
            *self._show_numbers(snapshot),
        ]

    def _show_rings(self, snapshot: Snapshot) -> Sequence[Artist]:
        styles = [self._styles[k] for k in snapshot.components]
        curves = [
            ellipses(snapshot.means, snapshot.covariances, radius)
            for radius in RING_WIDTHS
        ]
        for rings in (self._halo_rings, self._rings):
            rings.set_segments(list(np.concatenate(curves)))
        n_rings = len(RING_WIDTHS)
        self._rings.set_color([style.line for style in styles] * n_rings)
        self._rings.set_linestyle([style.dash for style in styles] * n_rings)
        for rings, extra in ((self._halo_rings, HALO), (self._rings, 0.0)):
            rings.set_linewidth(
                [w + extra for w in RING_WIDTHS.values() for _ in styles]
            )
        return [self._halo_rings, self._rings]

    def _show_numbers(self, snapshot: Snapshot) -> Sequence[Artist]:
        if not self._numbers:
            return []
        numbers = [self._numbers[k] for k in snapshot.components]
        for number, mean in zip(numbers, snapshot.means, strict=True):
            number.set_position((mean[0] + 0.008, mean[1] + 0.008))
        return numbers


def plane_plot(
    canvas: Canvas,
    points: FloatArray,
    styles: Sequence[ClusterStyle],
    view: View,
    labels: Sequence[str],
) -> MixturePlane:
    """Add axes with the points, ready to draw mixtures over them."""
    box = canvas.layout.plot
    axes = canvas.axes(box)
    style_frame(axes)
    low, high = view.window.low, view.window.high
    label_axis(axes, "x", labels[0], round_ticks(low[0], high[0]))
    label_axis(axes, "y", labels[1], round_ticks(low[1], high[1]))
    cloud: Cloud
    if len(points) > MOST_MARKERS:
        cloud = ShadedCloud(canvas, box, points, styles, cell=(2, 2))
    else:
        cloud = MarkerCloud(axes, points, styles)
    return MixturePlane(axes, cloud, styles)


def _rings(axes: Axes, extra_width: float) -> LineCollection:
    rings = LineCollection([], colors=PAPER, alpha=0.9, animated=True)
    rings.set_linewidth(extra_width)
    axes.add_collection(rings, autolim=False)
    return rings


def _cross(axes: Axes, color: str, width: float) -> Line2D:
    cross = Line2D(
        [],
        [],
        linestyle="none",
        marker="x",
        markersize=8 if width < 3 else 9.5,
        markeredgewidth=width,
        color=color,
        animated=True,
    )
    axes.add_line(cross)
    return cross


def _number(axes: Axes, style: ClusterStyle) -> Text:
    return axes.text(
        0,
        0,
        style.number,
        size=7.5,
        weight="bold",
        color=style.line,
        family=FONT,
        clip_on=True,
        animated=True,
        path_effects=[withStroke(linewidth=2, foreground=PAPER)],
    )
