"""What a covariance structure is to the rest of the engine.

EM knows nothing about structures but this interface: which second moments to
gather, how to estimate covariances from them, how to keep them away from zero, and
how to whiten with them. A new structure is one class and one entry in the registry.
"""

from __future__ import annotations

import abc
import enum
from functools import cache
from typing import ClassVar

import numpy as np

from gmm_engine.types import AnyArray, BoolArray, FloatArray

# Below this ratio of an eigenvalue to its variance a covariance is only rounding.
ROUNDING = 1e-13


class Moments(enum.Enum):
    """The second moments of a component about its mean, as the E-step sums them."""

    FULL = "one (n_features, n_features) matrix for each component"
    POOLED = "one (n_features, n_features) matrix summed over the components"
    DIAGONAL = "(n_features,) for each component"
    TRACE = "one number for each component: the sum over the features"


class CovarianceStructure(abc.ABC):
    """How the covariances of a mixture are tied together.

    Shapes below are written for K components of D features; `covariances` has the
    shape that `shape` returns.
    """

    name: ClassVar[str]
    code: ClassVar[str]
    """The name in mclust: volume, shape, orientation; Equal, Variable or Identity."""
    moments: ClassVar[Moments]
    isotropic: ClassVar[bool] = False
    """Whether features must keep their common unit: no scaling one by one."""

    @abc.abstractmethod
    def shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        """Return the shape of the array of covariances."""

    @abc.abstractmethod
    def n_parameters(self, n_components: int, n_features: int) -> int:
        """Return the number of free parameters in the covariances."""

    @abc.abstractmethod
    def estimate(
        self, scatter: FloatArray, counts: FloatArray, n_features: int
    ) -> FloatArray:
        """Return the covariances that maximize the expected log-likelihood.

        `scatter` holds the weighted second moments about the means, as `moments` says;
        `counts` the (K,) sums of responsibilities.
        """

    @abc.abstractmethod
    def repair(
        self, covariances: FloatArray, floor: FloatArray
    ) -> tuple[FloatArray, BoolArray]:
        """Return covariances not below diag(floor), and which (K or 1) were raised.

        With Σ ⪰ diag(floor) as a constraint this is still the maximum of the expected
        log-likelihood: eigenvalues of diag(floor)^-½ Σ diag(floor)^-½ below one become
        one. `floor` is (D,).
        """

    @abc.abstractmethod
    def whiten(
        self, covariances: FloatArray, n_features: int
    ) -> tuple[FloatArray, FloatArray]:
        """Return whiteners W and ln det W of each (K or 1), with Σ⁻¹ = WᵀW.

        Full and tied: W is lower triangular; diag and spherical: reciprocal standard
        deviations.

        Raises
        ------
        CollapsedComponentError
            If a covariance is not positive definite.
        """

    @abc.abstractmethod
    def expand(
        self, covariances: FloatArray, n_components: int, n_features: int
    ) -> FloatArray:
        """Return the covariances as (K, D, D) matrices."""

    @abc.abstractmethod
    def variances(
        self, covariances: FloatArray, n_components: int, n_features: int
    ) -> FloatArray:
        """Return the diagonals, (K, D)."""

    @abc.abstractmethod
    def rescale(self, covariances: FloatArray, scale: FloatArray) -> FloatArray:
        """Return the covariances of data multiplied by `scale` (D,)."""

    @abc.abstractmethod
    def select(self, covariances: FloatArray, kept: BoolArray) -> FloatArray:
        """Return the covariances of the components that are kept."""

    @abc.abstractmethod
    def to_vector(self, covariances: FloatArray) -> FloatArray:
        """Return coordinates without borders: any change gives covariances again."""

    @abc.abstractmethod
    def from_vector(
        self, vector: FloatArray, n_components: int, n_features: int
    ) -> FloatArray:
        """Return the covariances that have these coordinates."""


@cache
def _below_diagonal(n_features: int) -> tuple[AnyArray, AnyArray]:
    return np.tril_indices(n_features, -1)


def matrices_to_vector(matrices: FloatArray) -> FloatArray:
    """Return (K, D, D) matrices by their Cholesky factors L, free of units.

    Logarithms of the diagonal, and below it each row divided by its diagonal.
    """
    factors = np.linalg.cholesky(matrices)
    n_features = factors.shape[1]
    diagonals = np.diagonal(factors, axis1=1, axis2=2)
    rows, columns = _below_diagonal(n_features)
    below = factors[:, rows, columns] / diagonals[:, rows]
    return np.concatenate([np.log(diagonals).ravel(), below.ravel()])


def vector_to_matrices(vector: FloatArray, n: int, n_features: int) -> FloatArray:
    """Return the n matrices that have these coordinates, (n, D, D)."""
    rows, columns = _below_diagonal(n_features)
    diagonals = np.exp(vector[: n * n_features]).reshape(n, n_features)
    factors = np.zeros((n, n_features, n_features))
    below = vector[n * n_features :].reshape(n, len(rows))
    factors[:, rows, columns] = below * diagonals[:, rows]
    diagonal = np.arange(n_features)
    factors[:, diagonal, diagonal] = diagonals
    return factors @ factors.swapaxes(1, 2)


def clipped(covariance: FloatArray, floor: FloatArray) -> FloatArray:
    """Return Σ with the eigenvalues of diag(floor)^-½ Σ diag(floor)^-½ at least 1."""
    root = np.sqrt(floor)
    ratio = covariance / root[:, None] / root
    eigenvalues, vectors = np.linalg.eigh(ratio)
    raised = (vectors * np.maximum(eigenvalues, 1.0)) @ vectors.T
    raised = 0.5 * (raised + raised.T)
    return np.asarray(raised * root[:, None] * root)


def needs_clipping(covariances: FloatArray, floor: FloatArray) -> BoolArray:
    """Return for each of (K, D, D) whether it is not safely above diag(floor)."""
    diagonal = np.arange(covariances.shape[-1])
    variances = covariances[:, diagonal, diagonal]
    margins = covariances.copy()
    # A Cholesky factor exists just when all eigenvalues are positive, and is far
    # cheaper than the eigenvalues.
    margins[:, diagonal, diagonal] -= np.maximum(floor, ROUNDING * variances)
    return ~is_positive_definite(margins)


def is_positive_definite(matrices: FloatArray) -> BoolArray:
    """Return for each of (K, D, D) whether it has a Cholesky factor."""
    try:
        np.linalg.cholesky(matrices)
    except np.linalg.LinAlgError:
        if len(matrices) == 1:
            return np.zeros(1, dtype=np.bool_)
        return np.concatenate([is_positive_definite(m[None]) for m in matrices])
    return np.ones(len(matrices), dtype=np.bool_)
