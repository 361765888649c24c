"""The figure of a fit in progress: title, mixture, progress and footer."""

from __future__ import annotations

from collections.abc import Sequence

from gmm_engine.types import FloatArray
from service.domain.models import Trajectory
from service.rendering.figures.canvas import Canvas
from service.rendering.figures.captions import axis_labels, footer
from service.rendering.figures.furniture import TICK_SIZE
from service.rendering.figures.layout import Layout
from service.rendering.figures.line import MixtureLine, line_plot
from service.rendering.figures.plane import MixturePlane, plane_plot
from service.rendering.figures.progress import progress_strip
from service.rendering.figures.title import Title
from service.rendering.geometry.windows import evenly_spaced
from service.rendering.gif import Pixels
from service.rendering.palettes import QUIET_INK, cluster_styles
from service.rendering.snapshots import Story

MOST_POINTS = 200_000
"""Of more rows so many, evenly spread, are shown: more would not change the shading."""


class TrainingFigure:
    """Draws any frame of one trajectory."""

    def __init__(
        self,
        layout: Layout,
        trajectory: Trajectory,
        rows: FloatArray,
        columns: Sequence[str] | None,
    ) -> None:
        shown = evenly_spaced(rows, MOST_POINTS)
        self._story = Story(trajectory, shown)
        self.styles = cluster_styles(self._story.n_clusters)
        self._canvas = Canvas(layout)
        self._plot = self._add_plot(axis_labels(self._story.view, columns))
        self._strip = progress_strip(self._canvas, trajectory)
        self._title = Title(self._canvas, trajectory)
        self._add_footer(footer(self._story, len(rows)))
        self._canvas.freeze()

    def picture(self, index: int) -> Pixels:
        """Return the picture of the trajectory's frame with that index."""
        snapshot = self._story.snapshot(index)
        return self._canvas.picture(
            [
                *self._plot.show(snapshot),
                *self._strip.show(index),
                *self._title.show(snapshot),
            ]
        )

    def _add_plot(self, labels: Sequence[str]) -> MixturePlane | MixtureLine:
        draw = line_plot if self._story.view.n_axes == 1 else plane_plot
        return draw(self._canvas, self._story, self.styles, labels)

    def _add_footer(self, words: str) -> None:
        layout = self._canvas.layout
        self._canvas.text(
            layout.plot.left, layout.footer_baseline, words, TICK_SIZE, color=QUIET_INK
        )
