"""Two dimensions: points, means as crosses, covariances as rings."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
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
from service.rendering.figures.marks import INNER_RING, Crosses
from service.rendering.geometry.ellipses import ellipses
from service.rendering.geometry.ticks import round_ticks
from service.rendering.palettes import PAPER, ClusterStyle
from service.rendering.snapshots import OUTER_RING, Snapshot, View
from service.rendering.text import FONT

RING_WIDTHS = {INNER_RING: 1.7, OUTER_RING: 1.1}
HALO = 1.8
"""How much wider than a line the white under it is."""
NUMBER_OFFSET = 0.009


class MixturePlane:
    """Draws a mixture over its points, in axes of the unit square."""

    def __init__(
        self, axes: Axes, cloud: Cloud, styles: Sequence[ClusterStyle]
    ) -> None:
        self._cloud = cloud
        self._styles = styles
        self._halo_rings = _rings(axes)
        self._rings = _rings(axes)
        self._crosses = Crosses(axes, styles)
        self._numbers = [_number(axes, style) for style in styles if style.number]

    def show(self, snapshot: Snapshot) -> Sequence[Artist]:
        """Return the artists that show this snapshot, the lowest first."""
        return [
            *self._cloud.show(snapshot.labels),
            *self._show_rings(snapshot),
            *self._crosses.show(snapshot, snapshot.means),
            *self._show_numbers(snapshot),
        ]

    def _show_rings(self, snapshot: Snapshot) -> Sequence[Artist]:
        styles = [self._styles[k] for k in snapshot.components]
        curves: list[FloatArray] = []
        widths: list[float] = []
        for radius, width in RING_WIDTHS.items():
            curves += list(ellipses(snapshot.means, snapshot.covariances, radius))
            widths += [width] * len(styles)
        self._halo_rings.set_segments(curves)
        self._halo_rings.set_linewidth([width + HALO for width in widths])
        self._rings.set_segments(curves)
        self._rings.set_linewidth(widths)
        self._rings.set_color([style.line for style in styles] * len(RING_WIDTHS))
        self._rings.set_linestyle([style.dash for style in styles] * len(RING_WIDTHS))
        return [self._halo_rings, self._rings]

    def _show_numbers(self, snapshot: Snapshot) -> Sequence[Artist]:
        if not self._numbers:
            return []
        numbers = [self._numbers[k] for k in snapshot.components]
        for number, place in zip(numbers, snapshot.means + NUMBER_OFFSET, strict=True):
            number.set_position(tuple(place))
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
    cloud: Cloud = MarkerCloud(axes, points, styles)
    if len(points) > MOST_MARKERS:
        cloud = ShadedCloud(box, points, styles, cell=(2, 2))
    return MixturePlane(axes, cloud, styles)


def _rings(axes: Axes) -> LineCollection:
    rings = LineCollection([], colors=PAPER, animated=True)
    axes.add_collection(rings, autolim=False)
    return rings


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
