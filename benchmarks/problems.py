"""Data with a known truth, for the comparisons."""

from __future__ import annotations

import numpy as np

from gmm_engine import GaussianMixture
from gmm_engine.types import FloatArray


def random_truth(
    rng: np.random.Generator,
    n_features: int,
    n_components: int,
    separation: float,
    *,
    weight_spread: float = 0.0,
    shape_spread: float = 0.5,
) -> GaussianMixture:
    """Return a mixture of full covariances.

    `separation` is the typical distance between two means in standard deviations;
    `weight_spread` and `shape_spread` are those of the logarithms of the weights and of
    the axes' lengths.
    """
    centers = rng.standard_normal((n_components, n_features))
    centers *= separation / np.sqrt(2 * n_features)
    weights = np.exp(weight_spread * rng.standard_normal(n_components))
    square = (n_components, n_features, n_features)
    axes, _ = np.linalg.qr(rng.standard_normal(square))
    lengths = np.exp(shape_spread * rng.standard_normal((n_components, n_features)))
    covariances = (axes * lengths[:, None, :] ** 2) @ axes.swapaxes(1, 2)
    return GaussianMixture(
        weights / weights.sum(),
        centers,
        0.5 * (covariances + covariances.swapaxes(1, 2)),
    )


def overlapping(
    n_samples: int, n_features: int, n_components: int, seed: int
) -> FloatArray:
    """Return rows of overlapping clusters of unequal weights and shapes."""
    rng = np.random.default_rng([seed, n_samples, n_features, n_components])
    # In many dimensions the same distance separates less: a row's noise is longer.
    separation = 4.0 if n_features > 2 else 6.0
    truth = random_truth(
        rng, n_features, n_components, separation, weight_spread=0.5, shape_spread=0.3
    )
    X, _ = truth.sample(n_samples, rng)
    return X
