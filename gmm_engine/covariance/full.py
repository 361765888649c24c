"""Each component has its own covariance matrix (mclust: VVV)."""

from __future__ import annotations

from functools import cache
from typing import NoReturn

import numpy as np

from gmm_engine.covariance.base import (
    ROUNDING,
    CovarianceStructure,
    Moments,
    clipped,
    is_positive_definite,
    matrices_to_vector,
    needs_clipping,
    vector_to_matrices,
)
from gmm_engine.errors import CollapsedComponentError
from gmm_engine.types import BoolArray, FloatArray

# Up to here a triangular matrix is inverted in one piece, as measured.
_SMALL = 16


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

    def to_vector(self, covariances: FloatArray) -> FloatArray:
        return matrices_to_vector(covariances)

    def from_vector(
        self, vector: FloatArray, n_components: int, n_features: int
    ) -> FloatArray:
        return vector_to_matrices(vector, n_components, n_features)


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
    # Unit diagonal first: features may differ in scale by any power of ten.
    scales = np.sqrt(np.maximum(np.diagonal(covariances, axis1=1, axis2=2), 0.0))
    if not scales.all():
        _refuse(np.flatnonzero((scales == 0).any(axis=1))[0])
    correlations = covariances / scales[:, :, None] / scales[:, None, :]
    try:
        factors = np.linalg.cholesky(correlations)
    except np.linalg.LinAlgError:
        _refuse(np.flatnonzero(~is_positive_definite(correlations))[0])
    whiteners = _inverted(np.asarray(factors, np.float64)) / scales[:, None, :]
    return whiteners, np.log(np.diagonal(whiteners, axis1=1, axis2=2)).sum(axis=1)


def _inverted(factors: FloatArray) -> FloatArray:
    """Return the inverses of lower triangular (K, D, D) matrices, by halves.

    [A 0; B C]⁻¹ = [A⁻¹ 0; -C⁻¹ B A⁻¹ C⁻¹]: matrix products do most of the work, while
    LAPACK would take the whole for a matrix without structure.
    """
    n_features = factors.shape[1]
    if n_features <= _SMALL:
        # One call for all of them; what pivoting leaves above the diagonal goes.
        return np.asarray(np.linalg.inv(factors) * lower_mask(n_features))
    half = n_features // 2
    inverses = np.zeros_like(factors)
    upper = inverses[:, :half, :half] = _inverted(factors[:, :half, :half])
    lower = inverses[:, half:, half:] = _inverted(factors[:, half:, half:])
    inverses[:, half:, :half] = -lower @ (factors[:, half:, :half] @ upper)
    return inverses


@cache
def lower_mask(n_features: int) -> FloatArray:
    """Return ones on and below the diagonal, (D, D)."""
    return np.tri(n_features)


def _refuse(component: int) -> NoReturn:
    raise CollapsedComponentError(
        f"expected positive definite covariances, but that of component {component} "
        "is not; give a symmetric matrix with positive eigenvalues",
        component=int(component),
    )
