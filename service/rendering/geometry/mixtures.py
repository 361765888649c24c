"""Moments of mixtures, whatever the structure of their covariances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gmm_engine import GaussianMixture
from gmm_engine.types import FloatArray

Expansion = Callable[[FloatArray, int, int], FloatArray]

_EXPANSIONS: dict[str, Expansion] = {
    "full": lambda covariances, k, d: covariances,
    "tied": lambda covariances, k, d: np.broadcast_to(covariances, (k, d, d)),
    "diag": lambda variances, k, d: variances[:, :, None] * np.eye(d),
    "spherical": lambda variances, k, d: variances[:, None, None] * np.eye(d),
}


def dense_covariances(mixture: GaussianMixture) -> FloatArray:
    """Return the covariances as matrices, (n_components, n_features, n_features)."""
    expand = _EXPANSIONS[mixture.covariance_type]
    covariances = np.asarray(mixture.covariances, dtype=np.float64)
    return expand(covariances, *mixture.means.shape)


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """The mean of a mixture, and its covariance split as in analysis of variance.

    The covariance of the mixture is `within` + `between`: the weighted mean of the
    components' covariances, and the weighted covariance of their means.
    """

    mean: FloatArray
    within: FloatArray
    between: FloatArray

    @property
    def total(self) -> FloatArray:
        return self.within + self.between


def moments(mixture: GaussianMixture) -> Moments:
    """Return the moments of the mixture's density."""
    weights = mixture.weights
    mean = weights @ mixture.means
    # A second pass takes away what rounding left in the mean far from the origin.
    mean = mean + weights @ (mixture.means - mean)
    centered = mixture.means - mean
    return Moments(
        mean=mean,
        within=np.einsum("k,kij->ij", weights, dense_covariances(mixture)),
        between=np.einsum("k,ki,kj->ij", weights, centered, centered),
    )
