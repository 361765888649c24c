"""Drawing rows from a mixture: blocks of rows, each with random numbers of its own."""

from __future__ import annotations

import numpy as np

from gmm_engine.kernels.dispatch import compiled_kernels
from gmm_engine.team import n_processors, team_of
from gmm_engine.types import FloatArray, IntArray

# Rows of a block: what is drawn does not depend on how many threads draw.
_BLOCK = 1 << 15


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
    # Unit diagonal first, so that features may differ in scale by any power of ten.
    scales = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    factors = np.linalg.cholesky(covariances / scales[:, :, None] / scales[:, None, :])
    factors *= scales[:, :, None]
    cumulative = np.cumsum(weights)
    samples = np.empty((n_samples, means.shape[1]))
    labels = np.empty(n_samples, dtype=np.int64)
    starts = range(0, n_samples, _BLOCK)
    seeds = np.random.SeedSequence(rng.integers(2**32, size=4).tolist())

    def draw(start_and_seed: tuple[int, np.random.SeedSequence]) -> None:
        start, seed = start_and_seed
        stop = start + _BLOCK
        # The fastest of numpy's bit generators.
        own = np.random.Generator(np.random.SFC64(seed))
        uniforms = own.random(len(labels[start:stop])) * cumulative[-1]
        drawn = np.searchsorted(cumulative, uniforms, side="right")
        labels[start:stop] = np.minimum(drawn, len(cumulative) - 1)
        own.standard_normal(out=samples[start:stop])
        compiled_kernels().color(
            samples[start:stop], labels[start:stop], means, factors
        )

    with team_of(min(n_processors(), max(1, len(starts)))) as team:
        team.map(draw, zip(starts, seeds.spawn(len(starts)), strict=True))
    return samples, labels
