"""The line above the plot: the iteration and its log-likelihood."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.artist import Artist

from service.domain.models import Frame, Trajectory
from service.rendering.figures.canvas import Canvas
from service.rendering.text import log_likelihood_text

TITLE_SIZE = 11


class Title:
    """Two words that stand still, and the two numbers after them that change.

    Only the numbers are drawn in each frame: letters cost more than points.
    """

    def __init__(self, canvas: Canvas, trajectory: Trajectory) -> None:
        plot, y = canvas.layout.plot, canvas.layout.title_baseline
        gap = canvas.layout.scaled(6)
        word = canvas.text(plot.left, y, "Iteration", TITLE_SIZE, weight="bold")
        left = plot.left + canvas.width_of(word) + gap
        self._iteration = canvas.text(
            left, y, "", TITLE_SIZE, weight="bold", animated=True
        )
        self._value = canvas.text(
            plot.right, y, "", TITLE_SIZE, ha="right", animated=True
        )
        widest = 0
        for frame in trajectory:
            self._write(frame)
            widest = max(widest, canvas.width_of(self._value))
        canvas.text(
            plot.right - widest - gap, y, "log-likelihood", TITLE_SIZE, ha="right"
        )

    def show(self, frame: Frame) -> Sequence[Artist]:
        """Return the artists that write this frame's numbers."""
        self._write(frame)
        return [self._iteration, self._value]

    def _write(self, frame: Frame) -> None:
        self._iteration.set_text(str(frame.iteration))
        self._value.set_text(log_likelihood_text(frame.log_likelihood))
