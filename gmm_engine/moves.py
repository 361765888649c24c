"""Split and merge: out of an optimum with two components where one would do.

EM cannot carry a component from one end of the data to the other. Two components that
overlap most are merged into one, and another one is split along its longest axis.

References
----------
Ueda, Nakano, Ghahramani & Hinton (2000), SMEM algorithm for mixture models.
"""

from __future__ import annotations

import numpy as np

from gmm_engine.covariance import CovarianceStructure, Moments
from gmm_engine.kernels.density import Parameters
from gmm_engine.types import FloatArray

_N_MERGES, _N_SPLITS = 2, 3


def split_and_merge(parameters: Parameters) -> list[Parameters]:
    """Return some mixtures, each one merge and one split away."""
    n_components, n_features = parameters.means.shape
    if n_components < 3:
        return []
    matrices = parameters.structure.expand(
        parameters.covariances, n_components, n_features
    )
    moved = []
    for i, j in _closest_pairs(parameters.means, matrices)[:_N_MERGES]:
        others = [k for k in _largest(parameters.weights, matrices) if k not in (i, j)]
        moved += [_moved(parameters, matrices, i, j, k) for k in others[:_N_SPLITS]]
    return moved


def _closest_pairs(means: FloatArray, matrices: FloatArray) -> list[tuple[int, int]]:
    """Return pairs by their distance in standard deviations of the two together."""
    pairs = []
    for i in range(len(means) - 1):
        for j in range(i + 1, len(means)):
            apart = means[i] - means[j]
            both = 0.5 * (matrices[i] + matrices[j])
            pairs.append((float(apart @ np.linalg.solve(both, apart)), i, j))
    return [(i, j) for _, i, j in sorted(pairs)]


def _largest(weights: FloatArray, matrices: FloatArray) -> list[int]:
    """Return components by weight times typical length, the largest first."""
    _, log_determinants = np.linalg.slogdet(matrices)
    sizes = np.log(weights) + log_determinants / (2 * matrices.shape[1])
    return [int(k) for k in np.argsort(-sizes)]


def _moved(
    parameters: Parameters, matrices: FloatArray, i: int, j: int, k: int
) -> Parameters:
    """Return the mixture with i and j merged into i, and k split into k and j."""
    weights, means = parameters.weights.copy(), parameters.means.copy()
    matrices = matrices.copy()
    share = weights[i] / (weights[i] + weights[j])
    apart = means[i] - means[j]
    matrices[i] = share * matrices[i] + (1 - share) * matrices[j]
    matrices[i] += share * (1 - share) * np.outer(apart, apart)
    means[i] = share * means[i] + (1 - share) * means[j]
    weights[i] += weights[j]
    eigenvalues, axes = np.linalg.eigh(matrices[k])
    # Halves of a normal distribution lie 0.8 deviations from its centre.
    offset = 0.8 * np.sqrt(eigenvalues[-1]) * axes[:, -1]
    matrices[k] -= 0.9 * np.outer(offset, offset)
    matrices[j] = matrices[k]
    means[j], means[k] = means[k] - offset, means[k] + offset
    weights[j] = weights[k] = weights[k] / 2
    return Parameters(
        weights,
        means,
        _as_covariances(matrices, weights, parameters.structure),
        parameters.structure,
    )


def _as_covariances(
    matrices: FloatArray, weights: FloatArray, structure: CovarianceStructure
) -> FloatArray:
    """Return what the structure keeps of (K, D, D) covariances."""
    scatter = matrices * weights[:, None, None]
    if structure.moments is Moments.POOLED:
        scatter = scatter.sum(axis=0)
    elif structure.moments is not Moments.FULL:
        scatter = np.diagonal(scatter, axis1=1, axis2=2)
        if structure.moments is Moments.TRACE:
            scatter = scatter.sum(axis=1)
    return structure.estimate(scatter, weights, matrices.shape[1])
