"""The animation of a fit: one frame for each EM iteration.

Implements `service.ports.AnimationRenderer`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gmm_engine.types import FloatArray
from service.domain.models import Trajectory
from service.errors import NoTrajectoryError
from service.rendering.figures.layout import Layout
from service.rendering.figures.training import TrainingFigure
from service.rendering.gif import Pixels, SharedPalette, delays, encode
from service.rendering.palettes import FRAME, GRID, INK, PAPER

PALETTE_FRAMES = 5
"""So many frames, evenly spread, choose the colors of all."""


class TrainingAnimation:
    """Renders how EM moved a mixture through its data.

    An instance holds settings only: threads may share it.
    """

    def __init__(self, width: int = 640, height: int = 480) -> None:
        self._layout = Layout(width, height)

    def render(
        self, trajectory: Trajectory, rows: FloatArray, columns: Sequence[str] | None
    ) -> bytes:
        """Return a GIF with one frame per frame of the trajectory."""
        figure = self._figure(trajectory, rows, columns)
        n_frames = len(trajectory)
        chosen = np.linspace(0, n_frames - 1, PALETTE_FRAMES).round().astype(int)
        samples = {index: figure.picture(index) for index in set(chosen.tolist())}
        palette = SharedPalette.of(list(samples.values()), _pinned(figure))
        frames = (
            samples[i] if i in samples else figure.picture(i) for i in range(n_frames)
        )
        return encode(frames, palette, delays(n_frames))

    def pictures(
        self, trajectory: Trajectory, rows: FloatArray, columns: Sequence[str] | None
    ) -> Iterator[Pixels]:
        """Yield the same pictures in full color."""
        figure = self._figure(trajectory, rows, columns)
        return map(figure.picture, range(len(trajectory)))

    def _figure(
        self, trajectory: Trajectory, rows: FloatArray, columns: Sequence[str] | None
    ) -> TrainingFigure:
        if not trajectory:
            raise NoTrajectoryError(
                "Expected the iterations of a fit, got none; fit the model again."
            )
        return TrainingFigure(self._layout, trajectory, rows, columns)


def _pinned(figure: TrainingFigure) -> list[str]:
    """Return the colors that must stay exact in every frame."""
    fills = [style.fill for style in figure.styles]
    lines = [style.line for style in figure.styles]
    return [PAPER, INK, GRID, FRAME, *fills, *lines]
