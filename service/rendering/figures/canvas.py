"""A figure whose still parts are drawn once and whose moving parts every frame.

`Figure` and `FigureCanvasAgg` only, never pyplot: its global figure is shared between
threads, and their pictures would mix.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from service.rendering.figures.layout import Box, Layout
from service.rendering.figures.text import FONT
from service.rendering.gif import Pixels
from service.rendering.palettes import INK, PAPER


class Canvas:
    """Draws still artists by `freeze`, then frames of moving ones by `picture`."""

    def __init__(self, layout: Layout) -> None:
        # A hair more than wanted: matplotlib cuts the size off to whole pixels.
        size = (
            (layout.width + 1e-3) / layout.dpi,
            (layout.height + 1e-3) / layout.dpi,
        )
        self.layout = layout
        self.figure = Figure(figsize=size, dpi=layout.dpi, facecolor=PAPER)
        # Any: this class is the one of those used here that matplotlib left untyped.
        self._agg: Any = FigureCanvasAgg(self.figure)
        self._background: Any = None

    def axes(self, box: Box) -> Axes:
        """Add axes of the unit square that fill the box."""
        width, height = self.layout.width, self.layout.height
        axes = self.figure.add_axes(
            (
                box.left / width,
                box.bottom / height,
                box.width / width,
                box.height / height,
            )
        )
        axes.set(xlim=(0, 1), ylim=(0, 1), autoscale_on=False)
        return axes

    def text(self, x: float, y: float, text: str, size: float, **style: Any) -> Text:
        """Write text with its baseline at pixel y; names are never read as TeX."""
        style = {"size": size, "color": INK, "family": FONT} | style
        place = (x / self.layout.width, y / self.layout.height)
        return self.figure.text(*place, text, style, parse_math=False)

    def width_of(self, text: Text) -> int:
        """Return the width of the text in pixels."""
        return math.ceil(text.get_window_extent(self._agg.get_renderer()).width)

    def freeze(self) -> None:
        """Draw what does not move; artists with `animated` set are left out."""
        self._agg.draw()
        self._background = self._agg.copy_from_bbox(self.figure.bbox)

    def picture(self, artists: Iterable[Artist]) -> Pixels:
        """Draw the artists on the still background and return a copy of the pixels."""
        self._agg.restore_region(self._background)
        renderer = self._agg.get_renderer()
        for artist in artists:
            artist.draw(renderer)
        return np.array(self._agg.buffer_rgba())
