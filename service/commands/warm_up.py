"""`gmm warm-up`: pays once, at installation, what the first use would pay."""

from __future__ import annotations

import numpy as np

import gmm_engine
from service.rendering import TrainingAnimation


def run() -> None:
    """Compile what is compiled on first use, and make the fonts known."""
    rows = np.random.default_rng(0).normal(size=(64, 2))
    for covariance_type in ("full", "tied", "diag", "spherical"):
        result = gmm_engine.fit(
            rows, 2, covariance_type=covariance_type, max_iter=3, random_state=0
        )
        result.mixture.predict_proba(rows)
    TrainingAnimation()
