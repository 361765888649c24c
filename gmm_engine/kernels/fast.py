"""The compiled kernels behind a mixture: packing their arguments, unpacking sums."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmm_engine.covariance import Moments
from gmm_engine.covariance.full import lower_mask
from gmm_engine.frame import Frame
from gmm_engine.kernels import compiled
from gmm_engine.kernels.density import Density, operations_per_row
from gmm_engine.kernels.layout import KINDS, NO_FLOATS, padded, read_only, tile_for
from gmm_engine.statistics import SufficientStatistics
from gmm_engine.types import FloatArray, IntArray

# Whitened means farther from the origin than this leave too few digits to moments
# about it: the pooled covariance is then gathered component by component.
_FAR = 1e3
_NO_INTS = np.empty(0, dtype=np.int64)
_NO_ROWS = np.empty((0, 0))


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """What the kernel has added up over some rows, in its own layout."""

    log_likelihood: float
    counts: FloatArray
    first: FloatArray
    second: FloatArray

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.log_likelihood + other.log_likelihood,
            self.counts + other.counts,
            self.first + other.first,
            self.second + other.second,
        )


def ranges(rows: FloatArray) -> tuple[FloatArray, FloatArray, bool]:
    """Return the minima and maxima (D,) of rows, and whether all are finite."""
    minima, maxima = np.empty(rows.shape[1]), np.empty(rows.shape[1])
    is_finite = compiled.ranges(read_only(rows), minima, maxima)
    return minima, maxima, is_finite


def power_sums(
    rows: FloatArray, weights: FloatArray | None, frame: Frame
) -> tuple[float, FloatArray, FloatArray]:
    """Return the total weight and the weighted sums of z and z², (D,), in a frame."""
    first, second = np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
    compiled.power_sums(
        read_only(rows),
        read_only(NO_FLOATS if weights is None else weights),
        read_only(frame.center),
        read_only(frame.scale),
        first,
        second,
    )
    total = float(len(rows)) if weights is None else float(weights.sum())
    return total, first, second


def color(
    samples: FloatArray, labels: IntArray, means: FloatArray, factors: FloatArray
) -> None:
    """Turn standard normal rows into rows of their components, in place."""
    compiled.color(samples, labels, read_only(means), factors)


def whiten(matrices: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    """Return inverse Cholesky factors of (K, D, D) and ln of their determinants.

    None where a matrix has none, or only just.
    """
    whiteners, log_determinants = np.zeros(matrices.shape), np.empty(len(matrices))
    contiguous = read_only(np.ascontiguousarray(matrices))
    if compiled.whiten(contiguous, whiteners, log_determinants) >= 0:
        return None
    return whiteners, log_determinants


class Kernel:
    """A density packed for the compiled kernels."""

    def __init__(self, density: Density) -> None:
        self._density = density
        self._kind = KINDS[density.moments]
        n_components, n_features = density.means.shape
        n_padded = padded(n_features)
        means, whiteners = density.means, density.whiteners
        if self._kind == compiled.POOLED:
            whitened = means @ whiteners.T
            if np.abs(whitened).max() > _FAR:
                self._kind = compiled.FULL
                whiteners = np.broadcast_to(
                    whiteners, (n_components, n_features, n_features)
                )
            else:
                means, whiteners = whitened, whiteners[None]
        elif self._kind == compiled.DIAGONAL:
            whiteners = whiteners[:, None, :]
        elif self._kind == compiled.TRACE:
            whiteners = whiteners[:, None, None]
        self._means = np.zeros((n_components, n_padded))
        self._means[:, :n_features] = means
        shape = tuple(n_padded if n == n_features else n for n in whiteners.shape[1:])
        if self._kind == compiled.TRACE:
            shape = (1, 1)
        elif self._kind == compiled.DIAGONAL:
            shape = (1, n_padded)
        self._whiteners = np.zeros((len(whiteners), *shape))
        self._whiteners[:, : whiteners.shape[1], : whiteners.shape[2]] = whiteners
        self._tile = tile_for(n_features)

    @property
    def cost_per_row(self) -> float:
        """Return about how many operations a row takes."""
        moments = self._density.moments
        if self._kind == compiled.FULL:
            moments = Moments.FULL
        return operations_per_row(moments, *self._means.shape)

    @property
    def result_numbers(self) -> int:
        """Return how many numbers the sums over a block take."""
        return self._means.size + self._whiteners.size

    def accumulate(self, rows: FloatArray, weights: FloatArray | None) -> Sums:
        """Return the E-step's sums over a block of rows."""
        frame = self._density.frame
        counts = np.zeros(len(self._means))
        first = np.zeros(self._means.shape)
        second = np.zeros(self._whiteners.shape)
        log_likelihood = compiled.accumulate(
            self._kind,
            self._tile,
            read_only(rows),
            read_only(NO_FLOATS if weights is None else weights),
            read_only(frame.center),
            read_only(frame.scale),
            self._means,
            self._whiteners,
            self._density.log_constants,
            counts,
            first,
            second,
        )
        return Sums(log_likelihood, counts, first, second)

    def statistics(self, sums: Sums) -> SufficientStatistics:
        """Return the sums as statistics about the density's means."""
        n_features = self._density.n_features
        moments = self._density.moments
        first = sums.first[:, :n_features]
        second = sums.second[:, :n_features, :n_features]
        if moments is Moments.DIAGONAL:
            second = sums.second[:, 0, :n_features]
        elif moments is Moments.TRACE:
            second = sums.second[:, 0, 0]
        elif moments is Moments.FULL:
            second = _symmetric(second)
        elif self._kind == compiled.FULL:
            second = _symmetric(second).sum(axis=0)
        else:
            first, second = self._unwhitened(sums)
        return SufficientStatistics(sums.log_likelihood, sums.counts, first, second)

    def _unwhitened(self, sums: Sums) -> tuple[FloatArray, FloatArray]:
        """Return first and pooled second moments about the means, in the frame.

        With y whitened and ν its means: Σ r (y - ν)(y - ν)ᵀ
        = Σ w y yᵀ - Σ_k (N_k ν νᵀ + ν fᵀ + f νᵀ), f = Σ r (y - ν).
        """
        n = self._density.n_features
        about_means = sums.first[:, :n]
        nu = self._means[:, :n]
        cross = nu.T @ about_means
        about_origin = _symmetric(sums.second[:, :n, :n])[0]
        pooled = about_origin - (nu.T * sums.counts) @ nu - cross - cross.T
        unwhitener = np.linalg.inv(self._density.whiteners)
        return about_means @ unwhitener.T, unwhitener @ pooled @ unwhitener.T

    def log_densities(self, rows: FloatArray, out: FloatArray) -> None:
        """Fill the log density of each row in the frame, (n,)."""
        self._evaluate(rows, out, _NO_INTS, _NO_ROWS)

    def labels(self, rows: FloatArray, out: IntArray) -> None:
        """Fill the most probable component of each row, (n,)."""
        self._evaluate(rows, NO_FLOATS, out, _NO_ROWS)

    def probabilities(self, rows: FloatArray, out: FloatArray) -> None:
        """Fill the responsibilities of each row, (n, K)."""
        self._evaluate(rows, NO_FLOATS, _NO_INTS, out)

    def posterior(
        self, rows: FloatArray, densities: FloatArray, probabilities: FloatArray
    ) -> None:
        """Fill log densities (n,) and responsibilities (n, K) of rows."""
        self._evaluate(rows, densities, _NO_INTS, probabilities)

    def _evaluate(
        self,
        rows: FloatArray,
        densities: FloatArray,
        labels: IntArray,
        probabilities: FloatArray,
    ) -> None:
        compiled.evaluate(
            self._kind,
            self._tile,
            read_only(rows),
            read_only(self._density.frame.center),
            read_only(self._density.frame.scale),
            self._means,
            self._whiteners,
            self._density.log_constants,
            densities,
            labels,
            probabilities,
        )


def _symmetric(lower: FloatArray) -> FloatArray:
    """Return (K, D, D) matrices whose lower triangles are given."""
    mask = lower_mask(lower.shape[1])
    return np.asarray(lower * mask + lower.swapaxes(1, 2) * (1 - mask))
