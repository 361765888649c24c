"""The marks that all mixtures share: crosses, and the casing that lifts them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.colors import to_rgba
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from matplotlib.transforms import IdentityTransform
from numpy.typing import NDArray

from gmm_engine.types import FloatArray
from service.rendering.figures.layout import Box, Layout
from service.rendering.figures.text import FONT
from service.rendering.geometry.levels import levels
from service.rendering.geometry.windows import inside
from service.rendering.palettes import INK, PAPER, ClusterStyle
from service.rendering.snapshots import Snapshot

# In pixels of the 640 × 480 design.
NUMBER_SIZE, NUMBER_HALO = 11.0, 3.2
BESIDE, ABOVE = 7.5, 13.0
"""From a mean to where its number begins, and to its middle: clear of the cross."""
LEAST_SCALE = 0.8
"""Of numbers: however small the picture is, its digits can be read."""
LINE_SPACING = 1.1
"""From number to number above it, as a share of their size."""
_NOTHING = Path(np.empty((0, 2)))
_BOLD = FontProperties(family=FONT, weight="bold")


class Crosses:
    """Means as crosses on white: on their own cluster's points they would vanish."""

    def __init__(
        self, axes: Axes, styles: Sequence[ClusterStyle], **style: Any
    ) -> None:
        self._halo = _cross(axes, 9.5, 3.8, color=PAPER, **style)
        self._crosses = [_cross(axes, 8, 1.9, color=s.line, **style) for s in styles]

    def show(self, snapshot: Snapshot, places: FloatArray) -> Sequence[Artist]:
        """Put a cross in its component's color at each place, (n_components, 2)."""
        self._halo.set_data(*places.T)
        crosses = [self._crosses[k] for k in snapshot.components]
        for cross, (x, y) in zip(crosses, places, strict=True):
            cross.set_data([x], [y])
        return [self._halo, *crosses]


def _cross(axes: Axes, size: float, width: float, **style: Any) -> Line2D:
    cross = Line2D(
        [],
        [],
        linestyle="none",
        marker="x",
        markersize=size,
        markeredgewidth=width,
        animated=True,
        **style,
    )
    axes.add_line(cross)
    return cross


class Numbers(Artist):
    """The components' numbers, in ink on white: legible on points of any color.

    All of a frame are one path: as texts they would take as long as the points.
    """

    def __init__(
        self, layout: Layout, box: Box, styles: Sequence[ClusterStyle]
    ) -> None:
        super().__init__()
        self._corner = np.array([box.left, box.bottom])
        self._size = np.array([box.width, box.height])
        self._scale = max(layout.scale, LEAST_SCALE)
        self._glyphs = [_glyphs(style.number, self._scale) for style in styles]
        self._widths = np.array([path.get_extents().width for path in self._glyphs])
        self._path = _NOTHING

    def beside(self, snapshot: Snapshot, places: FloatArray) -> Sequence[Artist]:
        """Write each number to the right of its place, (n_components, 2)."""
        pixels = self._corner + places * self._size
        pixels[:, 0] += BESIDE * self._scale + self._widths[snapshot.components] / 2
        return self._show(snapshot, places, pixels)

    def above(self, snapshot: Snapshot, places: FloatArray) -> Sequence[Artist]:
        """Write each number above its place, higher where another one is."""
        pixels = self._corner + places * self._size
        widths = self._widths[snapshot.components] + NUMBER_HALO * self._scale
        pixels[:, 1] += ABOVE * self._scale
        pixels[:, 1] += (
            LINE_SPACING * NUMBER_SIZE * self._scale * levels(pixels[:, 0], widths)
        )
        return self._show(snapshot, places, pixels)

    def _show(
        self, snapshot: Snapshot, places: FloatArray, pixels: FloatArray
    ) -> Sequence[Artist]:
        """Put the middles of the numbers at these pixels, where places are in view."""
        shown = np.flatnonzero(inside(places))
        paths = [
            # On whole pixels a digit looks the same wherever it is.
            _moved(self._glyphs[snapshot.components[k]], np.round(pixels[k]))
            for k in shown
        ]
        self._path = Path.make_compound_path(*paths) if paths else _NOTHING
        return [self]

    def draw(self, renderer: RendererBase) -> None:
        context = renderer.new_gc()
        context.set_joinstyle("round")
        context.set_foreground(PAPER)
        context.set_linewidth(NUMBER_HALO * self._scale)
        renderer.draw_path(context, self._path, IdentityTransform())
        context.set_linewidth(0)
        renderer.draw_path(context, self._path, IdentityTransform(), to_rgba(INK))
        context.restore()


def _glyphs(number: str, scale: float) -> Path:
    """Return the outlines of the digits in pixels, with their middle at the origin."""
    path = TextPath((0, 0), number, NUMBER_SIZE * scale, _BOLD)
    return _moved(path, -path.get_extents().get_points().mean(axis=0))


def _moved(path: Path, by: FloatArray) -> Path:
    return Path(np.asarray(path.vertices) + by, path.codes)


class Raster(Artist):
    """Pixels put where they belong without resampling (unlike `FigureImage`)."""

    def __init__(self, box: Box) -> None:
        super().__init__()
        self._box = box
        self.pixels: NDArray[np.uint8] = np.zeros((1, 1, 4), dtype=np.uint8)
        """RGBA, the top row first; it may be a little smaller than the box."""

    def draw(self, renderer: RendererBase) -> None:
        context = renderer.new_gc()
        bottom = self._box.top - self.pixels.shape[0]
        renderer.draw_image(context, self._box.left, bottom, self.pixels[::-1])
        context.restore()
