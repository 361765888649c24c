"""Drawing rows from a mixture."""

from __future__ import annotations

import numpy as np

from gmm_engine.types import FloatArray, IntArray


def sample(
    weights: FloatArray,
    means: FloatArray,
    covariances: FloatArray,
    n_samples: int,
    rng: np.random.Generator,
) -> tuple[FloatArray, IntArray]:
    """Return rows (n_samples, D) and the components (n_samples,) they came from.

    `covariances` is (K, D, D). The components come in random order.
    """
    n_components, n_features = means.shape
    labels = rng.choice(n_components, size=n_samples, p=weights / weights.sum())
    samples = rng.standard_normal((n_samples, n_features))
    order = np.argsort(labels, kind="stable")
    bounds = np.searchsorted(labels, np.arange(n_components + 1), sorter=order)
    for k in range(n_components):
        members = order[bounds[k] : bounds[k + 1]]
        # Unit diagonal first, so that features may differ in scale by any power of ten.
        scale = np.sqrt(np.diagonal(covariances[k]))
        factor = np.linalg.cholesky(covariances[k] / scale[:, None] / scale)
        samples[members] = (samples[members] @ factor.T) * scale + means[k]
    return samples, labels.astype(np.int64)
