"""From many features to the one or two that a picture has.

A projection is linear, so the projection of a Gaussian is a Gaussian whose mean and
covariance are known exactly: rings in a projected picture are not approximations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmm_engine import GaussianMixture
from gmm_engine.types import FloatArray
from service.rendering.geometry.mixtures import moments, projected_covariances

RANK_TOLERANCE = 1e-10
"""Directions with less than this share of the largest variance count as none."""
SEPARATION_TOLERANCE = 1e-3
"""A discriminant explaining a smaller share of its variance separates nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """The map y = (x - center) @ directions, from D features to d ≤ 2 axes."""

    center: FloatArray
    """(D,)"""
    directions: FloatArray
    """(D, d)"""
    correlations: FloatArray
    """(D, d): of each feature with each axis, under the mixture projected from."""
    n_discriminants: int = 0
    """How many of the axes are discriminants; the others are principal components."""

    @property
    def n_axes(self) -> int:
        return int(self.directions.shape[1])

    @property
    def is_identity(self) -> bool:
        return len(self.center) == self.n_axes

    def points(self, X: FloatArray) -> FloatArray:
        if self.is_identity:
            return X
        return np.asarray((X - self.center) @ self.directions)

    def covariances(self, mixture: GaussianMixture) -> FloatArray:
        """Return the components' covariances as projected, (n_components, d, d)."""
        return projected_covariances(mixture, self.directions)


def identity(n_features: int) -> Projection:
    """Return the projection that shows the features themselves."""
    eye = np.eye(n_features)
    return Projection(np.zeros(n_features), eye, eye)


def discriminant(mixture: GaussianMixture) -> Projection:
    r"""Return the plane in which the components' means lie furthest apart.

    The axes maximize the share of their variance that lies between the components,
    .. math:: \lambda = \frac{v^T B v}{v^T (W + B) v} \in [0, 1],
    are uncorrelated, and have unit variance under the mixture. Where fewer than two
    directions separate (K ≤ 2, or common means) principal components of what is left
    follow: with K = 1 this is principal component analysis of standardized features.

    References
    ----------
    Fisher (1936); Scrucca (2010), Dimension reduction for model-based clustering.
    """
    of_mixture = moments(mixture)
    total = of_mixture.total
    scales = np.sqrt(np.diagonal(total))
    scales = np.where(scales > 0, scales, 1.0)
    whitening, variances = _whitening(total / scales / scales[:, None])
    between = of_mixture.between / scales / scales[:, None]
    rotation, n_discriminants = _axes(whitening.T @ between @ whitening, variances)
    directions = whitening @ rotation
    correlations = (total / scales / scales[:, None]) @ directions
    signs = _signs(correlations)
    return Projection(
        center=of_mixture.mean,
        directions=_two_columns(directions * signs) / scales[:, None],
        correlations=_two_columns(correlations * signs),
        n_discriminants=n_discriminants,
    )


def _whitening(covariance: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return P (D, r) with Pᵀ Σ P = I, and the r variances, largest first."""
    variances, vectors = np.linalg.eigh(covariance)
    variances, vectors = variances[::-1], vectors[:, ::-1]
    kept = variances > RANK_TOLERANCE * max(variances[0], 0)
    return vectors[:, kept] / np.sqrt(variances[kept]), variances[kept]


def _axes(between: FloatArray, variances: FloatArray) -> tuple[FloatArray, int]:
    """Return at most two orthonormal axes in whitened space, discriminants first."""
    shares, vectors = np.linalg.eigh(between)
    separating = vectors[:, ::-1][:, :2][:, shares[::-1][:2] > SEPARATION_TOLERANCE]
    n_discriminants = separating.shape[1]
    rest = np.eye(len(variances)) - separating @ separating.T
    _, principal = np.linalg.eigh(rest @ np.diag(variances) @ rest)
    n_missing = min(2, len(variances)) - n_discriminants
    return (
        np.hstack([separating, principal[:, ::-1][:, :n_missing]]),
        n_discriminants,
    )


def _signs(correlations: FloatArray) -> FloatArray:
    """Return the signs that make each axis grow with its strongest feature."""
    strongest = np.abs(correlations).argmax(axis=0)
    return np.where(correlations[strongest, range(correlations.shape[1])] < 0, -1.0, 1)


def _two_columns(directions: FloatArray) -> FloatArray:
    """Return the directions with zero columns where the data have no second one."""
    n_missing = 2 - directions.shape[1]
    return np.pad(directions, [(0, 0), (0, n_missing)])
