"""Data that break a careless EM: the fit must end with a value, never with NaN."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gmm_engine import (
    COVARIANCE_TYPES,
    DiagnosticKind,
    FitResult,
    FitStatus,
    InvalidDataError,
    TooFewRowsError,
    fit,
)

STRUCTURES = pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
REGULARIZATIONS = pytest.mark.parametrize("reg_covar", [0.0, 1e-6])


def assert_is_a_mixture(result: FitResult) -> None:
    mixture = result.mixture
    assert np.isfinite(result.log_likelihoods).all()
    for array in (mixture.weights, mixture.means, mixture.covariances):
        assert np.isfinite(array).all()
    np.linalg.cholesky(mixture.full_covariances())
    assert mixture.weights.min() > 0


@STRUCTURES
@REGULARIZATIONS
def test_as_many_components_as_rows(covariance_type, reg_covar):
    X = np.random.default_rng(0).standard_normal((6, 2))
    result = fit(X, 6, covariance_type=covariance_type, reg_covar=reg_covar)
    assert_is_a_mixture(result)
    assert result.status is FitStatus.DEGENERATE


@STRUCTURES
def test_a_row_of_weight_zero_is_as_if_absent(covariance_type):
    X = np.random.default_rng(0).standard_normal((500, 2))
    far = np.concatenate([X[:100], [[1e15, -1e15]], X[100:]])
    labels = (far[:, 0] > 0).astype(int)
    weights = np.ones(len(far))
    weights[100] = 0.0
    options = {"covariance_type": covariance_type, "n_components": 2}
    alone, among = fit(X, **options), fit(far, sample_weight=weights, **options)
    np.testing.assert_allclose(among.log_likelihoods, alone.log_likelihoods)
    started = fit(far, sample_weight=weights, initial=labels, **options)
    expected = fit(X, initial=np.delete(labels, 100), **options)
    np.testing.assert_allclose(started.log_likelihoods, expected.log_likelihoods)
    far[100] = np.nan
    with pytest.raises(InvalidDataError, match="row 100, column 0"):
        fit(far, sample_weight=weights, **options)


@STRUCTURES
@REGULARIZATIONS
def test_duplicates(covariance_type, reg_covar):
    X = np.repeat([[0.0, 1.0], [2.0, 3.0], [5.0, 9.0]], 20, axis=0)
    result = fit(X, 3, covariance_type=covariance_type, reg_covar=reg_covar)
    assert_is_a_mixture(result)
    assert result.status is FitStatus.DEGENERATE


@STRUCTURES
@REGULARIZATIONS
def test_all_rows_equal(covariance_type, reg_covar):
    X = np.full((10, 3), 4.0)
    result = fit(X, 1, covariance_type=covariance_type, reg_covar=reg_covar)
    assert_is_a_mixture(result)
    assert result.status is FitStatus.DEGENERATE
    np.testing.assert_allclose(result.mixture.means, 4.0)


@STRUCTURES
@REGULARIZATIONS
@pytest.mark.parametrize("constant", [0.0, 7.0, 1e9])
def test_a_constant_column(covariance_type, reg_covar, constant):
    X = np.random.default_rng(1).standard_normal((100, 3))
    X[:, 1] = constant
    result = fit(X, 2, covariance_type=covariance_type, reg_covar=reg_covar)
    assert_is_a_mixture(result)
    kinds = {(d.kind, d.feature) for d in result.diagnostics}
    assert (DiagnosticKind.CONSTANT_FEATURE, 1) in kinds
    assert "feature 1" in next(d.detail for d in result.diagnostics)


@STRUCTURES
@REGULARIZATIONS
def test_collinear_columns(covariance_type, reg_covar):
    X = np.random.default_rng(2).standard_normal((200, 3))
    X[:, 2] = X[:, 0] - 2 * X[:, 1]
    assert_is_a_mixture(fit(X, 2, covariance_type=covariance_type, reg_covar=reg_covar))


@STRUCTURES
def test_an_outlier_at_infinity_but_one(covariance_type):
    X = np.random.default_rng(3).standard_normal((200, 2))
    X[0] = 1e120
    assert_is_a_mixture(fit(X, 2, covariance_type=covariance_type))


@pytest.mark.parametrize("init", ["k-means++", "random_points"])
def test_more_components_than_distinct_rows_is_the_callers_mistake(init):
    X = np.repeat([[0.0], [1.0]], 10, axis=0)
    with pytest.raises(TooFewRowsError, match=r"only 2 distinct row") as caught:
        fit(X, 3, init=init)
    assert caught.value.argument == "n_components"


@settings(max_examples=60)
@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(1, 12), st.integers(1, 3)),
        elements=st.integers(-3, 3).map(float)
        | st.floats(-1e100, 1e100, allow_subnormal=False).map(
            lambda x: 0.0 if abs(x) < 1e-100 else x
        ),
    ),
    st.integers(1, 4),
    st.sampled_from(COVARIANCE_TYPES),
    st.sampled_from([0.0, 1e-6]),
)
def test_any_small_array_gives_a_mixture_or_a_named_mistake(
    X, n_components, covariance_type, reg_covar
):
    try:
        result = fit(
            X,
            n_components,
            covariance_type=covariance_type,
            reg_covar=reg_covar,
            max_iter=30,
        )
    except TooFewRowsError:
        # Rows count as equal where they differ by rounding against the others.
        spread = np.where(np.ptp(X, axis=0) > 0, np.ptp(X, axis=0), 1)
        distinct = np.unique(np.round((X - X[0]) / spread, 12), axis=0)
        assert len(distinct) < n_components
    else:
        assert_is_a_mixture(result)
