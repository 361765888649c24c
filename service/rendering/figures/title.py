"""The line above the plot: the iteration and its log-likelihood."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.artist import Artist

from service.domain.models import Trajectory
from service.rendering.figures.canvas import Canvas
from service.rendering.figures.text import log_likelihood_text
from service.rendering.snapshots import Snapshot

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
        values = [log_likelihood_text(frame.log_likelihood) for frame in trajectory]
        # Digits are equally wide: the longest value is the widest, or nearly so.
        self._value = canvas.text(0, y, max(values, key=len), TITLE_SIZE, animated=True)
        left = plot.right - canvas.width_of(self._value)
        self._value.set_x(left / canvas.layout.width)
        canvas.text(left - gap, y, "log-likelihood", TITLE_SIZE, ha="right")

    def show(self, snapshot: Snapshot) -> Sequence[Artist]:
        """Return the artists that write this snapshot's numbers."""
        self._iteration.set_text(str(snapshot.iteration))
        self._value.set_text(log_likelihood_text(snapshot.log_likelihood))
        return [self._iteration, self._value]
