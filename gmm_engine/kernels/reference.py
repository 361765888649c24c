"""The kernels in plain numpy: short, and the yardstick for the fast ones.

Arrays are component-major, (K, B), so that every sum over rows is contiguous.
"""

from __future__ import annotations

import numpy as np

from gmm_engine.covariance import Moments
from gmm_engine.kernels.density import Density
from gmm_engine.statistics import SufficientStatistics
from gmm_engine.types import FloatArray


def log_joint(density: Density, rows: FloatArray) -> FloatArray:
    """Return ln π_k 𝒩(z_n | k) in the frame, (K, B)."""
    points = density.frame.enter(rows)
    result = np.empty((density.n_components, len(points)))
    for k in range(density.n_components):
        whitened = _whiten(density, points - density.means[k], k)
        np.einsum("nd,nd->n", whitened, whitened, out=result[k])
    result *= -0.5
    result += density.log_constants[:, None]
    return result


def log_evidence(log_joint: FloatArray) -> FloatArray:
    """Return ln Σ_k exp of (K, B), the largest term taken out first."""
    largest = log_joint.max(axis=0)
    return np.asarray(np.log(np.exp(log_joint - largest).sum(axis=0)) + largest)


def normalize(log_joint: FloatArray) -> FloatArray:
    """Turn (K, B) into responsibilities in place, and return the log evidence.

    Divided by their sum, not by exp of the log evidence: where a row is very far away
    the logarithm of the sum is lost in rounding.
    """
    largest = log_joint.max(axis=0)
    log_joint -= largest
    np.exp(log_joint, out=log_joint)
    total = log_joint.sum(axis=0)
    log_joint /= total
    return np.asarray(np.log(total) + largest)


def accumulate(
    density: Density, rows: FloatArray, weights: FloatArray | None
) -> SufficientStatistics:
    """Return the statistics of a block: the E-step and its sums in one go.

    References
    ----------
    Bishop (2006), eqs. 9.23-9.25, with moments about the current means.
    """
    responsibilities = log_joint(density, rows)
    evidence = normalize(responsibilities)
    if weights is not None:
        responsibilities *= weights
        evidence = evidence * weights
    return moments_about(
        density.frame.enter(rows),
        responsibilities,
        density.means,
        density.moments,
        float(evidence.sum()),
    )


def moments_about(
    points: FloatArray,
    responsibilities: FloatArray,
    reference: FloatArray,
    moments: Moments,
    log_likelihood: float = 0.0,
) -> SufficientStatistics:
    """Return the moments of points (B, D), weighted by (K, B), about (K, D)."""
    n_components, n_features = reference.shape
    first = np.empty((n_components, n_features))
    second = np.zeros(_second_shape(moments, n_components, n_features))
    for k in range(n_components):
        centred = points - reference[k]
        weighted = responsibilities[k][:, None] * centred
        first[k] = weighted.sum(axis=0)
        if moments is Moments.FULL:
            second[k] = weighted.T @ centred
        elif moments is Moments.POOLED:
            second += weighted.T @ centred
        elif moments is Moments.DIAGONAL:
            second[k] = np.einsum("nd,nd->d", weighted, centred)
        else:
            second[k] = np.einsum("nd,nd->", weighted, centred)
    return SufficientStatistics(
        log_likelihood, responsibilities.sum(axis=1), first, second
    )


def _whiten(density: Density, centred: FloatArray, k: int) -> FloatArray:
    if density.moments is Moments.FULL:
        return np.asarray(centred @ density.whiteners[k].T)
    if density.moments is Moments.POOLED:
        return np.asarray(centred @ density.whiteners.T)
    return np.asarray(centred * density.whiteners[k])


def _second_shape(
    moments: Moments, n_components: int, n_features: int
) -> tuple[int, ...]:
    return {
        Moments.FULL: (n_components, n_features, n_features),
        Moments.POOLED: (n_features, n_features),
        Moments.DIAGONAL: (n_components, n_features),
        Moments.TRACE: (n_components,),
    }[moments]
