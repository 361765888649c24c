"""Compile the kernels, or load them from numba's cache: `python -m gmm_engine.warm_up`.

Run it once when the engine is installed, so that no user waits for the compiler (about
25 seconds); and call `warm_up()` in a process that will fork workers, so that these
find the kernels loaded. It starts no threads.
"""

from __future__ import annotations

import numpy as np

from gmm_engine.covariance import COVARIANCE_TYPES
from gmm_engine.fitting import fit
from gmm_engine.frame import Frame
from gmm_engine.mixture import GaussianMixture, enter_frame
from gmm_engine.search.posterior import Posterior
from gmm_engine.search.splits import likely_splits
from gmm_engine.team import ALONE
from gmm_engine.types import FloatArray


def warm_up() -> None:
    """Load every kernel that `fit` and the queries of its result need."""
    X = np.random.default_rng(0).standard_normal((40, 2))
    for covariance_type in COVARIANCE_TYPES:
        mixture = fit(
            X, 2, covariance_type=covariance_type, max_iter=2, n_threads=1
        ).mixture
        mixture.predict(X)
        mixture.predict_proba(X)
        mixture.score_samples(X)
        mixture.sample(2, 0)
        _load_splits(mixture, X)


def _load_splits(mixture: GaussianMixture, X: FloatArray) -> None:
    """Load what only a search among three components or more needs."""
    frame = Frame.identity(mixture.n_features)
    floor, weights = np.full(mixture.n_features, 1e-9), np.ones(len(X))
    parameters, rng = enter_frame(mixture, frame), np.random.default_rng(0)
    likely_splits(Posterior.of(parameters, floor, X, weights, rng), ALONE)


if __name__ == "__main__":
    warm_up()
