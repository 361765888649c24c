"""`select`: sizes and structures compared by an information criterion."""

from __future__ import annotations

import numpy as np
import pytest

from gmm_engine import GaussianMixture, select
from tests.oracles import reference_data


def test_the_best_of_faithful_is_that_of_mclust():
    """mclust chooses EEE with three components: BIC 2314.316 with our sign."""
    selection = select(reference_data("faithful"), n_components=range(1, 5))
    assert selection.best.mixture.covariance_type == "tied"
    assert selection.best.mixture.n_components == 3
    assert selection.best_candidate.bic == pytest.approx(2314.316, abs=0.05)
    assert len(selection.table) == 16


@pytest.mark.parametrize("criterion", ["bic", "aic"])
def test_the_table_agrees_with_the_mixtures(criterion):
    truth = GaussianMixture([0.5, 0.5], [[-4.0], [4.0]], [1.0, 1.0], "spherical")
    X, _ = truth.sample(300, 1)
    selection = select(
        X, n_components=[1, 2], covariance_types=["VII", "full"], criterion=criterion
    )
    assert [c.covariance_type for c in selection.table] == (
        ["spherical"] * 2 + ["full"] * 2
    )
    for candidate in selection.table:
        mixture = candidate.result.mixture
        np.testing.assert_allclose(candidate.bic, mixture.bic(X))
        np.testing.assert_allclose(candidate.aic, mixture.aic(X))
    smallest = min(getattr(c, criterion) for c in selection.table)
    assert getattr(selection.best_candidate, criterion) == smallest
