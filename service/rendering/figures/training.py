"""The figure of a fit in progress: title, mixture, progress and footer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gmm_engine.types import FloatArray
from service.domain.models import Trajectory
from service.rendering.captions import axis_labels, footer
from service.rendering.figures.canvas import Canvas
from service.rendering.figures.furniture import TICK_SIZE, label_axis, style_frame
from service.rendering.figures.layout import Layout
from service.rendering.figures.line import MixtureLine, line_plot
from service.rendering.figures.plane import MixturePlane, plane_plot
from service.rendering.figures.progress import ProgressStrip
from service.rendering.geometry.windows import evenly_spaced
from service.rendering.gif import Pixels
from service.rendering.palettes import QUIET_INK, cluster_styles
from service.rendering.snapshots import View
from service.rendering.text import log_likelihood_text

MOST_POINTS = 200_000
"""Of more rows so many, evenly spread, are shown: more would not change the shading."""
TITLE_SIZE = 11


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
        self._plot = self._draw_plot(columns)
        self._strip = self._draw_strip()
        self._draw_words(len(rows))
        self._canvas.freeze()

    def picture(self, index: int) -> Pixels:
        """Return the picture of the trajectory's frame with that index."""
        frame = self._trajectory[index]
        snapshot = self._view.snapshot(frame, self._numbering[index], self._rows)
        self._iteration.set_text(f"Iteration {frame.iteration}")
        value = log_likelihood_text(frame.log_likelihood)
        self._log_likelihood.set_text(f"log-likelihood {value}")
        return self._canvas.picture(
            [
                *self._plot.show(snapshot),
                *self._strip.show(index),
                self._iteration,
                self._log_likelihood,
            ]
        )

    def _draw_plot(self, columns: Sequence[str] | None) -> MixturePlane | MixtureLine:
        points = self._view.points(self._rows)
        labels = axis_labels(self._view, columns)
        if points.shape[1] == 2:
            return plane_plot(self._canvas, points, self.styles, self._view, labels)
        return line_plot(
            self._canvas,
            points[:, 0],
            self.styles,
            self._view,
            labels[0],
            self._view.snapshot(
                self._trajectory[-1], self._numbering[-1], self._rows[:1]
            ),
        )

    def _draw_strip(self) -> ProgressStrip:
        axes = self._canvas.axes(self._canvas.layout.strip)
        style_frame(axes)
        axes.set_yticks([])
        return ProgressStrip(
            axes,
            [frame.iteration for frame in self._trajectory],
            [frame.log_likelihood for frame in self._trajectory],
        )

    def _draw_words(self, n_samples: int) -> None:
        canvas, layout = self._canvas, self._canvas.layout
        plot, baseline = layout.plot, layout.title_baseline
        self._iteration = canvas.text(
            plot.left, baseline, "", TITLE_SIZE, weight="bold", animated=True
        )
        self._log_likelihood = canvas.text(
            plot.right, baseline, "", TITLE_SIZE, ha="right", animated=True
        )
        canvas.text(
            plot.left,
            layout.footer_baseline,
            footer(self._view, n_samples),
            TICK_SIZE,
            color=QUIET_INK,
        )
