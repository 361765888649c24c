"""The engine against numbers from other programs; see tests/data/reference."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from gmm_engine import FitStatus, fit
from tests.oracles import (
    COVARIANCE_TYPE_OF,
    MclustRow,
    iris_covariances,
    mclust_rows,
    reference_data,
    start_labels,
)

MCLUST_ROWS = list(mclust_rows())
TOLERANCE = 1e-6


@pytest.mark.parametrize("row", MCLUST_ROWS, ids=str)
@pytest.mark.parametrize("accelerate", [False, True])
def test_log_likelihoods_are_those_of_mclust(row: MclustRow, accelerate):
    result = fit(
        reference_data(row.dataset),
        row.n_components,
        covariance_type=COVARIANCE_TYPE_OF[row.model],
        initial=start_labels(row.dataset, row.n_components),
        reg_covar=0,
        tol=1e-13,
        max_iter=20_000,
        accelerate=accelerate,
    )
    assert result.mixture.n_parameters == row.n_parameters
    if row.converged is None:
        assert result.status is FitStatus.DEGENERATE
        assert result.diagnostics
        assert np.isfinite(result.log_likelihoods).all()
    else:
        assert result.status is FitStatus.CONVERGED
        assert_allclose(
            result.log_likelihoods[0], row.after_one_m_step, rtol=0, atol=TOLERANCE
        )
        assert_allclose(result.log_likelihood, row.converged, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("code", ["VVV", "EEE", "VVI", "VII"])
def test_covariances_after_one_m_step_are_those_of_mclust(code):
    result = fit(
        reference_data("iris"),
        covariance_type=code,
        initial=start_labels("iris", 3),
        reg_covar=0,
        max_iter=0,
    )
    assert_allclose(
        result.mixture.full_covariances(),
        iris_covariances(code),
        rtol=1e-12,
        atol=1e-15,
    )


def test_weighted_fit_is_that_of_mclust():
    """me.weighted on faithful, VVV with two components, weights 1..n."""
    X = reference_data("faithful")
    result = fit(
        X,
        initial=start_labels("faithful", 2),
        sample_weight=np.arange(1, len(X) + 1),
        reg_covar=0,
        tol=1e-13,
        max_iter=5_000,
    )
    assert_allclose(result.mixture.weights, [0.648585768736, 0.351414231264], rtol=1e-7)
    assert_allclose(
        result.mixture.means,
        [[4.29732841805, 80.02704856097], [2.06821460812, 54.22239446281]],
        rtol=1e-7,
    )


@pytest.mark.parametrize(
    ("covariance_type", "expected"),
    [
        ("full", 2607.6225),
        ("tied", 2607.6225),
        ("diag", 3055.8349),
        ("spherical", 4024.7215),
    ],
)
def test_one_component_has_the_closed_form(covariance_type, expected):
    """mclust's BIC of faithful with G = 1, with our sign."""
    X = reference_data("faithful")
    result = fit(X, 1, covariance_type=covariance_type, reg_covar=0)
    assert_allclose(result.mixture.bic(X), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("seed", range(51))
def test_the_default_start_finds_the_best_known_optimum_of_iris(seed):
    """mclust's VVV with G = 3 ends at -180.185477."""
    result = fit(reference_data("iris"), n_components=3, random_state=seed)
    assert result.status is FitStatus.CONVERGED
    assert -180.19 <= result.log_likelihood <= -180.185477
