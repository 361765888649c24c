"""The marks that all mixtures share: crosses, and the casing that lifts them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from gmm_engine.types import FloatArray
from service.rendering.figures.layout import Box
from service.rendering.palettes import PAPER, ClusterStyle
from service.rendering.snapshots import Snapshot


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
