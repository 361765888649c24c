"""Moments and projections of mixtures, whatever the structure of their covariances.

Structures that are small as stored are never expanded to (K, D, D) matrices, which for
a thousand features would take gigabytes; all others go by `full_covariances`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmm_engine import GaussianMixture
from gmm_engine.types import FloatArray


def projected_covariances(
    mixture: GaussianMixture, directions: FloatArray
) -> FloatArray:
    """Return Aᵀ Σ_k A for directions A (D, d): (n_components, d, d)."""
    covariances = mixture.covariances
    n_components, n_axes = mixture.n_components, directions.shape[1]
    match mixture.covariance_type:
        case "tied":
            projected = directions.T @ covariances @ directions
            return np.broadcast_to(projected, (n_components, n_axes, n_axes))
        case "diag":
            return np.asarray((directions.T * covariances[:, None, :]) @ directions)
        case "spherical":
            return covariances[:, None, None] * (directions.T @ directions)
        case _:
            full = mixture.full_covariances()
            return np.asarray(directions.T @ full @ directions)


def mean_covariance(mixture: GaussianMixture) -> FloatArray:
    """Return Σ_k π_k Σ_k, (n_features, n_features)."""
    weights, covariances = mixture.weights, mixture.covariances
    match mixture.covariance_type:
        case "tied":
            return covariances
        case "diag":
            return np.diag(weights @ covariances)
        case "spherical":
            return float(weights @ covariances) * np.eye(mixture.means.shape[1])
        case _:
            full = mixture.full_covariances()
            return np.asarray(np.tensordot(weights, full, axes=1))


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
    between = (weights[:, None] * centered).T @ centered
    return Moments(mean, mean_covariance(mixture), between)
