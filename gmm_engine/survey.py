"""The first look at the data: ranges, means and spreads, which make the frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np

from gmm_engine import validation
from gmm_engine.frame import Frame, powers_of_two
from gmm_engine.sources import Block, Source
from gmm_engine.types import BoolArray, FloatArray

_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """What EM must know of the data before it starts; each array is (D,)."""

    frame: Frame
    variances: FloatArray
    """In the frame, and so about one; zero where a feature is constant."""
    resolution: FloatArray
    """A variance in the frame below which there is nothing but rounding."""

    @property
    def constant(self) -> BoolArray:
        return np.asarray(self.variances == 0)


def survey(source: Source, *, isotropic: bool) -> Survey:
    """Return the frame of the data, with one scale for all features if isotropic.

    Raises
    ------
    InvalidDataError
        If a feature ranges too widely or too narrowly for its square.
    """
    minima, maxima = _ranges(source)
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


def _ranges(source: Source) -> tuple[FloatArray, FloatArray]:
    def on_block(block: Block) -> tuple[FloatArray, FloatArray]:
        return block.rows.min(axis=0), block.rows.max(axis=0)

    return reduce(
        lambda a, b: (np.minimum(a[0], b[0]), np.maximum(a[1], b[1])),
        source.map(on_block),
    )


def _moments(source: Source, frame: Frame) -> tuple[float, FloatArray, FloatArray]:
    """Return the total weight and weighted sums of z and z² in `frame`."""

    def on_block(block: Block) -> tuple[float, FloatArray, FloatArray]:
        points = (block.rows - frame.center) / frame.scale
        if block.weights is None:
            squares = np.einsum("nd,nd->d", points, points)
            return float(len(points)), points.sum(axis=0), squares
        weighted = block.weights @ points
        squares = np.einsum("n,nd,nd->d", block.weights, points, points)
        return float(block.weights.sum()), weighted, squares

    return reduce(
        lambda a, b: (a[0] + b[0], a[1] + b[1], a[2] + b[2]), source.map(on_block)
    )
