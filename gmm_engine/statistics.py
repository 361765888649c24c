"""Sufficient statistics: all that EM keeps of the rows.

They are sums over rows, so blocks, threads and machines add theirs. Moments are
taken about a reference point for each component (its mean before the M-step), which
keeps their differences from cancelling when components are far apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmm_engine.covariance import Moments
from gmm_engine.types import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class SufficientStatistics:
    """Weighted sums over rows; responsibilities r carry the sample weight.

    Attributes
    ----------
    log_likelihood : Σ_n w_n ln p(z_n), nats.
    counts : (K,), Σ_n r_nk.
    first : (K, D), Σ_n r_nk (z_n - reference_k).
    second : Σ_n r_nk (z_n - reference_k)(z_n - reference_k)ᵀ in the shape that
        `Moments` names.
    """

    log_likelihood: float
    counts: FloatArray
    first: FloatArray
    second: FloatArray

    def __add__(self, other: SufficientStatistics) -> SufficientStatistics:
        return SufficientStatistics(
            self.log_likelihood + other.log_likelihood,
            self.counts + other.counts,
            self.first + other.first,
            self.second + other.second,
        )


def scatter_about_means(
    statistics: SufficientStatistics, counts: FloatArray, moments: Moments
) -> FloatArray:
    """Return the second moments about the means instead of the reference.

    Σ r (z - m)(z - m)ᵀ = Σ r (z - ref)(z - ref)ᵀ - N δδᵀ with δ = m - ref. `counts`
    are those of the statistics, but never zero.
    """
    first, second = statistics.first, statistics.second
    if moments is Moments.FULL:
        shift = first[:, :, None] * (first / counts[:, None])[:, None, :]
        return np.asarray(second - shift)
    if moments is Moments.POOLED:
        return np.asarray(second - (first.T / counts) @ first)
    squares = first * first / counts[:, None]
    if moments is Moments.TRACE:
        return np.asarray(second - squares.sum(axis=1))
    return np.asarray(second - squares)
