"""What the engine is for, as hypothesis strategies.

Unregularized mixture likelihood is unbounded, so a careless generator finds collapsed
components, not bugs: data here are drawn from real mixtures, with many more rows than
parameters, and starts are near the truth.
"""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from gmm_engine import COVARIANCE_TYPES, GaussianMixture
from gmm_engine.types import FloatArray

seeds = st.integers(0, 2**32 - 1)


@st.composite
def mixtures(
    draw: st.DrawFn,
    *,
    max_components: int = 5,
    max_features: int = 6,
    covariance_type: str | None = None,
) -> GaussianMixture:
    """Well-conditioned mixtures of any structure, at scales from 1e-3 to 1e3."""
    name = covariance_type or draw(st.sampled_from(COVARIANCE_TYPES))
    n_components = draw(st.integers(1, max_components))
    n_features = draw(st.integers(1, max_features))
    rng = np.random.default_rng(draw(seeds))
    scale = 10.0 ** draw(st.integers(-3, 3))
    return random_mixture(rng, n_components, n_features, name, scale)


def random_mixture(
    rng: np.random.Generator,
    n_components: int,
    n_features: int,
    covariance_type: str,
    scale: float = 1.0,
    separation: float = 2.0,
) -> GaussianMixture:
    """Return a mixture with eigenvalues between 0.1 and 10 times scale²."""
    shapes = {
        "full": (n_components, n_features, n_features),
        "tied": (n_features, n_features),
        "diag": (n_components, n_features),
        "spherical": (n_components,),
    }
    shape = shapes[covariance_type]
    if covariance_type in ("full", "tied"):
        square = (shape[:-2] or (1,)) + shape[-2:]
        roots, _ = np.linalg.qr(rng.standard_normal(square))
        eigenvalues = 10.0 ** rng.uniform(-1, 1, square[:-1])
        covariances = (roots * eigenvalues[:, None, :]) @ roots.swapaxes(1, 2)
        covariances = covariances.reshape(shape)
        covariances = 0.5 * (covariances + covariances.swapaxes(-1, -2))
    else:
        covariances = 10.0 ** rng.uniform(-1, 1, shape)
    weights = rng.dirichlet(np.full(n_components, 5.0)) * 0.9 + 0.1 / n_components
    means = separation * rng.standard_normal((n_components, n_features))
    return GaussianMixture(
        weights, scale * means, scale**2 * covariances, covariance_type
    )


@st.composite
def em_problems(
    draw: st.DrawFn, *, covariance_type: str | None = None
) -> tuple[FloatArray, GaussianMixture]:
    """Data drawn from a mixture, and another mixture near it to start from."""
    truth = draw(
        mixtures(max_components=4, max_features=4, covariance_type=covariance_type)
    )
    rng = np.random.default_rng(draw(seeds))
    X, _ = truth.sample(draw(st.integers(150, 400)), rng)
    noise = rng.standard_normal(truth.means.shape) * 0.3 * X.std(axis=0)
    start = GaussianMixture(
        truth.weights,
        truth.means + noise,
        1.5 * truth.covariances,
        truth.covariance_type,
    )
    return X, start
