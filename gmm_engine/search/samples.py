"""Samples of the rows, on which starts are made and compared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gmm_engine.covariance import CovarianceStructure
from gmm_engine.frame import Frame
from gmm_engine.initialization import k_means_plus_plus, start_from
from gmm_engine.sources import ArraySource
from gmm_engine.starts import within_variances
from gmm_engine.types import FloatArray, IntArray

# Rows for each free parameter on which starts are compared, and their bounds.
_ROWS_PER_PARAMETER = 5
_FEWEST_ROWS, _MOST_ROWS = 1_000, 20_000
_GROWTH = 4
# A sample's optimum may be expected to lack this share of tol on all rows: then more
# rows have nothing to add.
NEAR_SHARE = 0.25


@dataclass(frozen=True, eq=False)
class Sample:
    """Some rows, on which starts are made or compared."""

    source: ArraySource
    frame: Frame
    is_everything: bool

    @property
    def n_samples(self) -> int:
        return self.source.n_samples

    @cached_property
    def rows(self) -> FloatArray:
        """Return the rows as they are in the data."""
        return self.source.take(slice(None))

    @cached_property
    def points(self) -> FloatArray:
        """Return the rows in the frame."""
        return self.frame.enter(self.rows)

    @cached_property
    def weights(self) -> FloatArray:
        if self.source.weights is None:
            return np.ones(self.n_samples)
        return self.source.weights


def shortfall(n_parameters: int, n_samples: int, n_rows: int) -> float:
    """Return by how much a sample's optimum is expected to miss that of all rows.

    In mean log-likelihood: p/2 (1/m - 1/n) for m of n rows, as in Wilks's theorem.
    """
    return n_parameters / 2 * (1 / n_rows - 1 / n_samples)


def sample_sizes(n_samples: int, n_parameters: int, tol: float) -> list[int]:
    """Return on how many rows to search, one size after the other.

    >>> sample_sizes(500, 50, 1e-4), sample_sizes(5_000, 50, 1e-4)
    ([500], [1000, 5000])
    >>> sample_sizes(100_000, 50, 1e-4), sample_sizes(10_000_000, 50, 1e-3)
    ([1000, 4000, 16000], [1000, 4000, 16000, 100000])
    """
    size = min(max(_ROWS_PER_PARAMETER * n_parameters, _FEWEST_ROWS), _MOST_ROWS)
    if n_samples <= 2 * size:
        return [n_samples]
    enough = n_samples
    if tol * NEAR_SHARE * n_samples > n_parameters:
        enough = math.ceil(n_parameters / (2 * NEAR_SHARE * tol))
    sizes = [size]
    while size < enough:
        size *= _GROWTH
        if len(sizes) > 1 and 2 * size > enough:
            size = enough
        if size > n_samples // 2:
            break
        sizes.append(size)
    # Which of the finalists is best shows on the second sample.
    return sizes if len(sizes) > 1 else [*sizes, n_samples]


def draw_samples(
    source: ArraySource, frame: Frame, sizes: Sequence[int], rng: np.random.Generator
) -> list[Sample]:
    """Return samples of these sizes, each part of the next."""
    n_samples = source.n_samples
    if sizes[0] == n_samples:
        return [Sample(source, frame, True)]
    chosen = np.arange(n_samples)
    samples = []
    for size in reversed(sizes):
        chosen = chosen[spread_indices(len(chosen), size, rng)]
        weights = None if source.weights is None else source.weights[chosen]
        rows = source.rows if size == n_samples else source.take(chosen)
        part = ArraySource(rows, weights, team=source.team)
        samples.append(Sample(part, frame, False))
    return samples[::-1]


def spread_indices(n_samples: int, size: int, rng: np.random.Generator) -> IntArray:
    """Return `size` distinct numbers below n_samples in rising order.

    One is drawn from each of `size` stretches of nearly equal length: all parts of
    data that come in some order are in the sample, and drawing costs next to nothing.
    """
    if size == n_samples:
        return np.arange(size)
    edges = np.linspace(0, n_samples, size + 1).astype(np.int64)
    return edges[:-1] + (rng.random(size) * np.diff(edges)).astype(np.int64)


def metric_of(sample: Sample, structure: CovarianceStructure) -> FloatArray:
    """Return factors (D,) that bring the features to one spread, for distances."""
    metric = np.ones(sample.points.shape[1])
    spread = sample.points.std(axis=0)
    if not structure.isotropic:
        metric[spread > 0] = 1 / spread[spread > 0]
    return metric


def first_within(
    sample: Sample,
    structure: CovarianceStructure,
    n_components: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Return the variances within components of one start, (D,)."""
    metric = metric_of(sample, structure)
    labels = k_means_plus_plus(
        sample.points * metric, sample.weights, n_components, rng
    )
    tiny = np.full(sample.points.shape[1], 1e-300)
    start = start_from(
        sample.points, sample.weights, labels, n_components, structure, tiny
    )
    return within_variances(start)
