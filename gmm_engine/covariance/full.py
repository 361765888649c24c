"""Each component has its own covariance matrix (mclust: VVV)."""

from __future__ import annotations

import numpy as np
from scipy.linalg.lapack import dtrtri  # type: ignore[import-untyped]  # no stubs

from gmm_engine.covariance.base import (
    ROUNDING,
    CovarianceStructure,
    Moments,
    clipped,
    needs_clipping,
)
from gmm_engine.errors import CollapsedComponentError
from gmm_engine.types import BoolArray, FloatArray


class Full(CovarianceStructure):
    """Σ_k free: (K, D, D)."""

    name = "full"
    code = "VVV"
    moments = Moments.FULL

    def shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        return (n_components, n_features, n_features)

    def n_parameters(self, n_components: int, n_features: int) -> int:
        return n_components * n_features * (n_features + 1) // 2

    def estimate(
        self, scatter: FloatArray, counts: FloatArray, n_features: int
    ) -> FloatArray:
        return np.asarray(scatter / counts[:, None, None])

    def repair(
        self, covariances: FloatArray, floor: FloatArray
    ) -> tuple[FloatArray, BoolArray]:
        return repair_matrices(covariances, floor)

    def whiten(
        self, covariances: FloatArray, n_features: int
    ) -> tuple[FloatArray, FloatArray]:
        return whiten_matrices(covariances)

    def expand(
        self, covariances: FloatArray, n_components: int, n_features: int
    ) -> FloatArray:
        return covariances

    def variances(
        self, covariances: FloatArray, n_components: int, n_features: int
    ) -> FloatArray:
        return np.diagonal(covariances, axis1=1, axis2=2)

    def rescale(self, covariances: FloatArray, scale: FloatArray) -> FloatArray:
        return covariances * scale[:, None] * scale

    def select(self, covariances: FloatArray, kept: BoolArray) -> FloatArray:
        return covariances[kept]


def repair_matrices(
    covariances: FloatArray, floor: FloatArray
) -> tuple[FloatArray, BoolArray]:
    """Return (K, D, D) matrices not below diag(floor), and which were raised."""
    low = needs_clipping(covariances, floor)
    if not low.any():
        return covariances, low
    repaired = covariances.copy()
    for k in np.flatnonzero(low):
        variances = np.diagonal(covariances[k])
        # Twice the rounding threshold, so that the result passes the test it failed.
        least = np.maximum(floor, 2 * ROUNDING * variances)
        repaired[k] = clipped(covariances[k], least)
    return repaired, low


def whiten_matrices(covariances: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return inverse Cholesky factors W of (K, D, D) matrices, and ln det W."""
    whiteners = np.empty(covariances.shape)
    for k, covariance in enumerate(covariances):
        # Unit diagonal first: features may differ in scale by any power of ten.
        # A variance of zero is found by the factorization.
        scale = np.sqrt(np.maximum(np.diagonal(covariance), 0.0))
        safe = np.where(scale > 0, scale, 1.0)
        try:
            factor = np.linalg.cholesky(covariance / safe[:, None] / safe)
        except np.linalg.LinAlgError as error:
            raise CollapsedComponentError(
                f"expected positive definite covariances, but that of component {k} "
                "is not; give a symmetric matrix with positive eigenvalues",
                component=k,
            ) from error
        inverse, _ = dtrtri(factor, lower=1)
        whiteners[k] = np.tril(inverse) / safe
    diagonals = np.diagonal(whiteners, axis1=1, axis2=2)
    return whiteners, np.log(diagonals).sum(axis=1)
