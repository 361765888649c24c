"""The figure of a fit in progress: title, mixture, progress and footer."""

from __future__ import annotations

from collections.abc import Sequence

from gmm_engine.types import FloatArray
from service.domain.models import Trajectory
from service.rendering.captions import axis_labels, footer
from service.rendering.figures.canvas import Canvas
from service.rendering.figures.furniture import TICK_SIZE
from service.rendering.figures.layout import Layout
from service.rendering.figures.line import MixtureLine, line_plot
from service.rendering.figures.plane import MixturePlane, plane_plot
from service.rendering.figures.progress import progress_strip
from service.rendering.figures.title import Title
from service.rendering.geometry.windows import evenly_spaced
from service.rendering.gif import Pixels
from service.rendering.palettes import QUIET_INK, cluster_styles
from service.rendering.snapshots import Snapshot, View

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
        self._trajectory = trajectory
        self._rows = evenly_spaced(rows, MOST_POINTS)
        self._view = View.of(rows, trajectory[-1].mixture)
        self._numbering = self._view.numbering(trajectory)
        n_clusters = 1 + max(int(numbers.max()) for numbers in self._numbering)
        self.styles = cluster_styles(n_clusters)
        self._canvas = Canvas(layout)
        self._plot = self._add_plot(axis_labels(self._view, columns))
        self._strip = progress_strip(self._canvas, trajectory)
        self._title = Title(self._canvas, trajectory)
        self._add_footer(len(rows))
        self._canvas.freeze()

    def picture(self, index: int) -> Pixels:
        """Return the picture of the trajectory's frame with that index."""
        return self._canvas.picture(
            [
                *self._plot.show(self._snapshot(index)),
                *self._strip.show(index),
                *self._title.show(self._trajectory[index]),
            ]
        )

    def _snapshot(self, index: int) -> Snapshot:
        return self._view.snapshot(
            self._trajectory[index], self._numbering[index], self._rows
        )

    def _add_plot(self, labels: Sequence[str]) -> MixturePlane | MixtureLine:
        canvas, view, styles = self._canvas, self._view, self.styles
        points = view.points(self._rows)
        if view.projection.n_axes == 2:
            return plane_plot(canvas, points, styles, view, labels)
        final = self._snapshot(len(self._trajectory) - 1)
        return line_plot(canvas, points[:, 0], styles, view, labels[0], final)

    def _add_footer(self, n_samples: int) -> None:
        layout = self._canvas.layout
        words = footer(self._view, n_samples, n_shown=len(self._rows))
        self._canvas.text(
            layout.plot.left, layout.footer_baseline, words, TICK_SIZE, color=QUIET_INK
        )
