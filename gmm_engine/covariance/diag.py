"""Each component has its own variance in each feature (mclust: VVI)."""

from __future__ import annotations

import numpy as np

from gmm_engine.covariance.base import CovarianceStructure, Moments
from gmm_engine.errors import CollapsedComponentError
from gmm_engine.types import BoolArray, FloatArray


class Diag(CovarianceStructure):
    """Σ_k diagonal: (K, D)."""

    name = "diag"
    code = "VVI"
    moments = Moments.DIAGONAL

    def shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        return (n_components, n_features)

    def n_parameters(self, n_components: int, n_features: int) -> int:
        return n_components * n_features

    def estimate(
        self, scatter: FloatArray, counts: FloatArray, n_features: int
    ) -> FloatArray:
        return np.asarray(scatter / counts[:, None])

    def repair(
        self, covariances: FloatArray, floor: FloatArray
    ) -> tuple[FloatArray, BoolArray]:
        low = np.asarray((covariances < floor).any(axis=1))
        return np.maximum(covariances, floor), low

    def whiten(
        self, covariances: FloatArray, n_features: int
    ) -> tuple[FloatArray, FloatArray]:
        require_positive(covariances)
        whiteners = 1 / np.sqrt(covariances)
        return whiteners, np.log(whiteners).sum(axis=1)

    def expand(
        self, covariances: FloatArray, n_components: int, n_features: int
    ) -> FloatArray:
        return np.asarray(covariances[:, :, None] * np.eye(n_features))

    def variances(
        self, covariances: FloatArray, n_components: int, n_features: int
    ) -> FloatArray:
        return covariances

    def rescale(self, covariances: FloatArray, scale: FloatArray) -> FloatArray:
        return np.asarray(covariances * scale * scale)

    def select(self, covariances: FloatArray, kept: BoolArray) -> FloatArray:
        return covariances[kept]

    def to_vector(self, covariances: FloatArray) -> FloatArray:
        return np.asarray(0.5 * np.log(covariances).ravel())

    def from_vector(
        self, vector: FloatArray, n_components: int, n_features: int
    ) -> FloatArray:
        return np.exp(2 * vector).reshape(n_components, n_features)


def require_positive(variances: FloatArray) -> None:
    """Raise unless all variances, (K,) or (K, D), are positive."""
    bad = np.argwhere(~(variances > 0))
    if len(bad):
        raise CollapsedComponentError(
            f"expected positive variances, but that of component {bad[0, 0]} is "
            f"{variances[tuple(bad[0])]:g}; give positive numbers",
            component=int(bad[0, 0]),
        )
