"""A mixture prepared for evaluation: everything that does not depend on the rows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gmm_engine.covariance import CovarianceStructure, Moments
from gmm_engine.frame import Frame
from gmm_engine.types import FloatArray

LOG_TWO_PI = math.log(2 * math.pi)


@dataclass(frozen=True, slots=True, eq=False)
class Parameters:
    """Weights (K,), means (K, D) and covariances in the coordinates of a frame."""

    weights: FloatArray
    means: FloatArray
    covariances: FloatArray
    structure: CovarianceStructure

    @property
    def n_components(self) -> int:
        return len(self.weights)

    @property
    def n_features(self) -> int:
        return int(self.means.shape[1])


@dataclass(frozen=True, slots=True, eq=False)
class Density:
    """Parameters in the form that the kernels use.

    ln π_k 𝒩(z | k) = log_constants_k - ½ ‖W_k (z - means_k)‖²: Bishop (2006), eq. 2.43.

    Attributes
    ----------
    whiteners : W with Σ⁻¹ = WᵀW, as the structure's `whiten` returns it.
    log_constants : (K,), ln π_k + ln det W_k - ½ D ln 2π.
    """

    frame: Frame
    moments: Moments
    means: FloatArray
    whiteners: FloatArray
    log_constants: FloatArray

    @property
    def n_components(self) -> int:
        return len(self.means)

    @property
    def n_features(self) -> int:
        return int(self.means.shape[1])


def operations_per_row(moments: Moments, n_components: int, n_features: int) -> float:
    """Return about how many operations the E-step takes for a row."""
    per_feature = 2 * n_features if moments is Moments.FULL else 8
    shared = 2 * n_features * n_features if moments is Moments.POOLED else 0
    per_component = n_features * (per_feature + 4) + 40
    return float(n_components * per_component + shared)


def prepare(parameters: Parameters, frame: Frame) -> Density:
    """Return the density of `parameters`, which live in `frame`.

    Raises
    ------
    CollapsedComponentError
        If a covariance is not positive definite.
    """
    whiteners, log_determinants = parameters.structure.whiten(
        parameters.covariances, parameters.n_features
    )
    return density_of(parameters, frame, whiteners, log_determinants)


def density_of(
    parameters: Parameters,
    frame: Frame,
    whiteners: FloatArray,
    log_determinants: FloatArray,
) -> Density:
    """Return the density of parameters that have been whitened."""
    constant = -0.5 * parameters.n_features * LOG_TWO_PI
    log_constants = np.log(parameters.weights) + log_determinants + constant
    moments = parameters.structure.moments
    return Density(frame, moments, parameters.means, whiteners, log_constants)
