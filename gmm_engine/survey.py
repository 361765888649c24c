"""The first look at the data: ranges, means and spreads, which make the frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from gmm_engine import validation
from gmm_engine.frame import Frame, powers_of_two
from gmm_engine.kernels.dispatch import compiled_kernels
from gmm_engine.sources import Block, Source
from gmm_engine.types import BoolArray, FloatArray

_EPSILON = float(np.finfo(np.float64).eps)
# Moments of the same data agree to this, in the frame's units.
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """What EM must know of the data before it starts; each array is (D,)."""

    frame: Frame
    variances: FloatArray
    """In the frame, and so about one; zero where a feature is constant."""
    resolution: FloatArray
    """A variance in the frame below which there is nothing but rounding."""

    @property
    def fingerprint(self) -> FloatArray:
        """Return numbers that hardly any other data have."""
        return np.concatenate([self.frame.center, self.frame.scale, self.variances])

    def matches(self, fingerprint: FloatArray) -> bool:
        """Return whether a fingerprint is of these data.

        Sums differ in their last digits where the same numbers came in another dtype
        or memory order, or were added by another version of a library; how many
        threads there are changes nothing. Where that takes a spread across a power of
        two, the scale doubles: such a fingerprint is refused, for in another frame
        parameters mean something else.
        """
        scale = self.frame.scale
        slack = np.maximum(_ROUNDING, np.sqrt(self.resolution))
        slack = np.concatenate([slack * scale, slack * scale, slack])
        return fingerprint.shape == slack.shape and bool(
            np.all(np.abs(fingerprint - self.fingerprint) <= slack)
        )

    def recalled(self, fingerprint: FloatArray) -> Survey:
        """Return the survey that a matching fingerprint was taken of."""
        center, scale, variances = fingerprint.reshape(3, -1)
        return replace(self, frame=Frame(center, scale), variances=variances)

    @property
    def constant(self) -> BoolArray:
        return np.asarray(self.variances == 0)


def survey(source: Source, *, isotropic: bool, refuse: Callable[[], None]) -> Survey:
    """Return the frame of the data, with one scale for all features if isotropic.

    `refuse` is called for data with entries that are not finite, and raises.

    Raises
    ------
    InvalidDataError
        If a feature ranges too widely or too narrowly for its square.
    """
    minima, maxima, is_finite = _ranges(source)
    if not is_finite:
        refuse()
    validation.require_spread(minima, maxima)
    # Halves, so that nothing overflows; within the range of the data.
    origin = minima / 2 + maxima / 2
    width = powers_of_two(maxima / 2 - minima / 2)
    weight, first, second = _moments(source, Frame(origin, width))
    shift = first / weight
    variances = np.maximum(second / weight - shift * shift, 0.0)
    constant = minima == maxima
    variances[constant] = 0.0
    center = np.where(constant, minima, origin + shift * width)
    spread = np.sqrt(variances) * width
    if isotropic:
        spread = np.full_like(spread, spread.max())
    scale = powers_of_two(spread)
    relative = width / scale
    magnitude = np.maximum(np.abs(minima), np.abs(maxima))
    grid = np.maximum(1e-10, 8 * _EPSILON * (magnitude / scale))
    # Beyond this the feature is all rounding, and no floor could help.
    grid = np.minimum(grid, 1e-2)
    return Survey(Frame(center, scale), variances * relative**2, grid * grid)


def _ranges(source: Source) -> tuple[FloatArray, FloatArray, bool]:
    kernels = compiled_kernels()

    def on_block(block: Block) -> tuple[FloatArray, FloatArray, bool]:
        result: tuple[FloatArray, FloatArray, bool] = kernels.ranges(block.rows)
        return result

    return source.reduce(
        on_block,
        lambda a, b: (
            np.minimum(a[0], b[0]),
            np.maximum(a[1], b[1]),
            a[2] and b[2],
        ),
        cost_per_row=4.0 * source.n_features,
    )


def _moments(source: Source, frame: Frame) -> tuple[float, FloatArray, FloatArray]:
    """Return the total weight and weighted sums of z and z² in `frame`."""
    kernels = compiled_kernels()

    def on_block(block: Block) -> tuple[float, FloatArray, FloatArray]:
        result: tuple[float, FloatArray, FloatArray] = kernels.power_sums(
            block.rows, block.weights, frame
        )
        return result

    return source.reduce(
        on_block,
        lambda a, b: (a[0] + b[0], a[1] + b[1], a[2] + b[2]),
        cost_per_row=8.0 * source.n_features,
    )
