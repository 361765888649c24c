"""All components share one covariance matrix (mclust: EEE)."""

from __future__ import annotations

import numpy as np

from gmm_engine.covariance.base import (
    CovarianceStructure,
    Moments,
    matrices_to_vector,
    vector_to_matrices,
)
from gmm_engine.covariance.full import repair_matrices, whiten_matrices
from gmm_engine.types import BoolArray, FloatArray


class Tied(CovarianceStructure):
    """Σ_k = Σ: (D, D)."""

    name = "tied"
    code = "EEE"
    moments = Moments.POOLED

    def shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        return (n_features, n_features)

    def n_parameters(self, n_components: int, n_features: int) -> int:
        return n_features * (n_features + 1) // 2

    def estimate(
        self, scatter: FloatArray, counts: FloatArray, n_features: int
    ) -> FloatArray:
        return np.asarray(scatter / counts.sum())

    def repair(
        self, covariances: FloatArray, floor: FloatArray
    ) -> tuple[FloatArray, BoolArray]:
        repaired, low = repair_matrices(covariances[None], floor)
        return repaired[0], low

    def whiten(
        self, covariances: FloatArray, n_features: int
    ) -> tuple[FloatArray, FloatArray]:
        whiteners, log_determinants = whiten_matrices(covariances[None])
        return whiteners[0], log_determinants

    def expand(
        self, covariances: FloatArray, n_components: int, n_features: int
    ) -> FloatArray:
        return np.broadcast_to(covariances, (n_components, n_features, n_features))

    def variances(
        self, covariances: FloatArray, n_components: int, n_features: int
    ) -> FloatArray:
        return np.broadcast_to(np.diagonal(covariances), (n_components, n_features))

    def rescale(self, covariances: FloatArray, scale: FloatArray) -> FloatArray:
        return covariances * scale[:, None] * scale

    def select(self, covariances: FloatArray, kept: BoolArray) -> FloatArray:
        return covariances

    def to_vector(self, covariances: FloatArray) -> FloatArray:
        return matrices_to_vector(covariances[None])

    def from_vector(
        self, vector: FloatArray, n_components: int, n_features: int
    ) -> FloatArray:
        return np.asarray(vector_to_matrices(vector, 1, n_features)[0])
