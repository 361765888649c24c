"""Each component has one variance for all features (mclust: VII)."""

from __future__ import annotations

import numpy as np

from gmm_engine.covariance.base import CovarianceStructure, Moments
from gmm_engine.covariance.diag import require_positive
from gmm_engine.types import BoolArray, FloatArray


class Spherical(CovarianceStructure):
    """Σ_k = σ_k² I: (K,)."""

    name = "spherical"
    code = "VII"
    moments = Moments.TRACE
    isotropic = True

    def shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        return (n_components,)

    def n_parameters(self, n_components: int, n_features: int) -> int:
        return n_components

    def estimate(
        self, scatter: FloatArray, counts: FloatArray, n_features: int
    ) -> FloatArray:
        return np.asarray(scatter / (counts * n_features))

    def repair(
        self, covariances: FloatArray, floor: FloatArray
    ) -> tuple[FloatArray, BoolArray]:
        least = floor.mean()
        return np.maximum(covariances, least), np.asarray(covariances < least)

    def whiten(
        self, covariances: FloatArray, n_features: int
    ) -> tuple[FloatArray, FloatArray]:
        require_positive(covariances)
        whiteners = 1 / np.sqrt(covariances)
        return whiteners, n_features * np.log(whiteners)

    def expand(
        self, covariances: FloatArray, n_components: int, n_features: int
    ) -> FloatArray:
        return np.asarray(covariances[:, None, None] * np.eye(n_features))

    def variances(
        self, covariances: FloatArray, n_components: int, n_features: int
    ) -> FloatArray:
        return np.broadcast_to(covariances[:, None], (n_components, n_features))

    def rescale(self, covariances: FloatArray, scale: FloatArray) -> FloatArray:
        # An isotropic structure is only ever given one scale for all features.
        return np.asarray(covariances * scale[0] * scale[0])

    def select(self, covariances: FloatArray, kept: BoolArray) -> FloatArray:
        return covariances[kept]

    def to_vector(self, covariances: FloatArray) -> FloatArray:
        return np.asarray(0.5 * np.log(covariances))

    def from_vector(
        self, vector: FloatArray, n_components: int, n_features: int
    ) -> FloatArray:
        return np.asarray(np.exp(2 * vector))
