"""The strip below the plot: the log-likelihood over the iterations, and a dot."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from service.domain.models import Trajectory
from service.rendering.figures.canvas import Canvas
from service.rendering.figures.furniture import TICK_SIZE, label_axis, style_frame
from service.rendering.figures.text import FONT
from service.rendering.geometry.progress import progress_curve
from service.rendering.geometry.ticks import whole_ticks
from service.rendering.palettes import FRAME, INK, PAPER, QUIET_INK


class ProgressStrip:
    """Draws the whole curve pale, what has been done of it dark, and now as a dot."""

    def __init__(self, axes: Axes, trajectory: Trajectory) -> None:
        self._curve = progress_curve(
            [frame.iteration for frame in trajectory],
            [frame.log_likelihood for frame in trajectory],
        )
        axes.add_line(Line2D(*self._curve.T, color=FRAME, linewidth=1.2))
        self._done = Line2D([], [], color=INK, linewidth=1.6, animated=True)
        self._dot = Line2D(
            [],
            [],
            marker="o",
            markersize=6.5,
            color=INK,
            markeredgecolor=PAPER,
            markeredgewidth=1,
            clip_on=False,
            animated=True,
        )
        axes.add_line(self._done)
        axes.add_line(self._dot)

    def show(self, index: int) -> Sequence[Artist]:
        """Return the artists for the frame with that index."""
        self._done.set_data(*self._curve[: index + 1].T)
        self._dot.set_data(*self._curve[index : index + 1].T)
        return [self._done, self._dot]


def progress_strip(canvas: Canvas, trajectory: Trajectory) -> ProgressStrip:
    """Add the strip's axes, with round iterations written below them."""
    axes = canvas.axes(canvas.layout.strip)
    style_frame(axes)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    iterations = [frame.iteration for frame in trajectory]
    label_axis(axes, "x", "", whole_ticks(min(iterations), max(iterations)))
    axes.text(
        1,
        0.12,
        "log-likelihood by iteration",
        size=TICK_SIZE,
        color=QUIET_INK,
        family=FONT,
        ha="right",
    )
    return ProgressStrip(axes, trajectory)
