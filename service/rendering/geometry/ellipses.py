"""The curves on which a Gaussian's Mahalanobis distance is constant."""

from __future__ import annotations

import numpy as np

from gmm_engine.types import FloatArray

INNER_RING, OUTER_RING = 1.0, 2.0
"""The Mahalanobis distances that pictures show: one and two standard deviations."""


def square_roots(covariances: FloatArray) -> FloatArray:
    """Return R with R Rᵀ = Σ for each covariance, (n, d, d).

    By eigendecomposition: unlike Cholesky it also has an answer for a singular Σ,
    whose ellipse is a segment or a point.
    """
    values, vectors = np.linalg.eigh(covariances)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0))[:, None, :])


def ellipses(
    means: FloatArray, covariances: FloatArray, radius: float, n_points: int = 73
) -> FloatArray:
    """Return closed curves, (n, n_points, 2), with (x-μ)ᵀ Σ⁻¹ (x-μ) = radius²."""
    angles = np.linspace(0, 2 * np.pi, n_points)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    circle[-1] = circle[0]  # sin(2π) is not zero in floating point
    arms = square_roots(covariances)
    curves = means[:, None, :] + radius * circle @ arms.transpose(0, 2, 1)
    return np.asarray(curves)


def extents(
    means: FloatArray, covariances: FloatArray, radius: float
) -> tuple[FloatArray, FloatArray]:
    """Return the corners, each (n, d), of the boxes that just hold the ellipsoids."""
    variances = np.diagonal(covariances, axis1=1, axis2=2)
    half_widths = radius * np.sqrt(np.maximum(variances, 0))
    return means - half_widths, means + half_widths
