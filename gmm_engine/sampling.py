"""Drawing rows from a mixture."""

from __future__ import annotations

import numpy as np

from gmm_engine.kernels.dispatch import compiled_kernels
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
    counts = rng.multinomial(n_samples, weights / weights.sum())
    labels = rng.permutation(np.repeat(np.arange(n_components, dtype=np.int64), counts))
    samples = rng.standard_normal((n_samples, n_features))
    # Unit diagonal first, so that features may differ in scale by any power of ten.
    scales = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    factors = np.linalg.cholesky(covariances / scales[:, :, None] / scales[:, None, :])
    compiled_kernels().color(samples, labels, means, factors * scales[:, :, None])
    return samples, labels
