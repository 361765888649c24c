"""The strip below the plot: the log-likelihood over the iterations, and a dot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gmm_engine.types import FloatArray
from service.rendering.palettes import FRAME, INK, PAPER

MARGIN = 0.12


class ProgressStrip:
    """Draws the whole curve pale, what has been done of it dark, and now as a dot."""

    def __init__(
        self, axes: Axes, iterations: Sequence[int], log_likelihoods: Sequence[float]
    ) -> None:
        self._curve = progress_curve(iterations, log_likelihoods)
        axes.add_line(Line2D(*self._curve.T, color=FRAME, linewidth=1.2))
        self._done = Line2D([], [], color=INK, linewidth=1.6, animated=True)
        self._dot = Line2D(
            [],
            [],
            marker="o",
            markersize=6,
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


def progress_curve(
    iterations: Sequence[int], log_likelihoods: Sequence[float]
) -> FloatArray:
    """Return the curve in the unit square, (n, 2).

    A log-likelihood that is not finite leaves a gap; equal ones lie in the middle.
    """
    x = np.asarray(iterations, dtype=np.float64)
    y = np.asarray(log_likelihoods, dtype=np.float64)
    y = np.where(np.isfinite(y), y, np.nan)
    return np.stack([_in_unit(x), MARGIN + (1 - 2 * MARGIN) * _in_unit(y)], axis=1)


def _in_unit(values: FloatArray) -> FloatArray:
    finite = values[np.isfinite(values)]
    low, high = finite.min(initial=np.inf), finite.max(initial=-np.inf)
    if not low < high:
        return np.asarray(values * 0 + 0.5)
    return np.asarray((values - low) / (high - low))
