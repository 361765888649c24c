"""What a caller does wrong is answered by name, place and advice."""

from __future__ import annotations

import numpy as np
import pytest

from gmm_engine import (
    EngineError,
    FeatureMismatchError,
    GaussianMixture,
    InvalidArgumentError,
    InvalidDataError,
    InvalidParametersError,
    TooFewRowsError,
    fit,
    select,
)

X = np.random.default_rng(0).standard_normal((20, 2))
MIXTURE = GaussianMixture([0.5, 0.5], [[0.0, 0.0], [1.0, 1.0]], [1.0, 1.0], "spherical")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "1 dimension"),
        (np.empty((0, 3)), "at least one row"),
        (np.empty((3, 0)), "at least one row"),
        ([1.0, 2.0], r"X\.reshape\(-1, 1\)"),
        (np.zeros((2, 2, 2)), "3 dimension"),
        (3.0, "0 dimension"),
        ([[1.0, 2.0], [3.0]], "rows of equal length"),
        ([["a", "b"]], "real numbers"),
        ([[True, False]], "real numbers"),
        ([[1.0, None]], "finite numbers"),
        (np.array([[1.0, "a"]], dtype=object), "strings and booleans"),
        ([[1j, 2.0]], "real numbers"),
        (np.array([["2020-01-01"]], dtype="M8[D]"), "real numbers"),
        ([[1e200, 0.0], [-1e200, 0.0]], "rescale"),
        ([[1e-200, 0.0], [-1e-200, 0.0]], "rescale"),
        ([[1.7e308, 0.0], [-1.7e308, 0.0]], "rescale"),
    ],
)
def test_data_that_are_not_rows_of_numbers(data, message):
    with pytest.raises(InvalidDataError, match=message) as caught:
        fit(data, 1)
    assert caught.value.argument == "X"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_found(bad):
    data = np.zeros((70_000, 3))
    data[66_000, 2] = bad
    for call in (lambda: fit(data, 1), lambda: _three_features().predict(data)):
        with pytest.raises(InvalidDataError, match="row 66000, column 2") as caught:
            call()
        assert (caught.value.row, caught.value.column) == (66_000, 2)


def _three_features() -> GaussianMixture:
    return GaussianMixture([1.0], [[0.0, 0.0, 0.0]], [1.0], "spherical")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("n_components", 0),
        ("n_components", -1),
        ("n_components", 2.5),
        ("n_components", 2.0),
        ("n_components", True),
        ("n_components", "3"),
        ("n_components", 10**30),
        ("n_components", None),
        ("covariance_type", "round"),
        ("covariance_type", None),
        ("covariance_type", ["full"]),
        ("init", "kmeans"),
        ("init", 3),
        ("n_init", 0),
        ("n_init", True),
        ("tol", -1.0),
        ("tol", np.nan),
        ("tol", "small"),
        ("tol", True),
        ("max_iter", -1),
        ("max_iter", 1.5),
        ("reg_covar", -1e-6),
        ("reg_covar", np.inf),
        ("random_state", -1),
        ("random_state", 1.5),
        ("random_state", "seed"),
        ("sample_weight", [1.0]),
        ("sample_weight", np.zeros(20)),
        ("sample_weight", -np.ones(20)),
        ("sample_weight", np.full(20, np.nan)),
        ("sample_weight", ["a"] * 20),
        ("initial", [0, 1]),
        ("initial", np.full(20, 5)),
        ("initial", np.full(20, -1)),
        ("initial", np.full(20, 0.5)),
        ("initial", np.ones((20, 2))),
        ("initial", np.ones((20, 3)) / 3),
        ("initial", "labels"),
        ("initial", MIXTURE),
    ],
)
def test_an_option_that_cannot_be(option, value):
    with pytest.raises(InvalidArgumentError, match="expected") as caught:
        fit(X, **({"n_components": 2} | {option: value}))
    assert caught.value.argument == option
    assert isinstance(caught.value, ValueError)


def test_an_initial_mixture_has_to_fit_the_call():
    options = {"covariance_type": "spherical", "initial": MIXTURE}
    with pytest.raises(InvalidArgumentError, match="n_components=3"):
        fit(X, 3, **options)
    with pytest.raises(InvalidArgumentError, match="3 features"):
        fit(np.zeros((20, 3)), **options)
    assert fit(X, **options).mixture.n_components == 2


def test_more_components_than_rows():
    with pytest.raises(TooFewRowsError, match="at most 20") as caught:
        fit(X, 21)
    assert caught.value.argument == "n_components"


@pytest.mark.parametrize(
    ("argument", "parameters"),
    [
        ("weights", ([0.5, 0.6], [[0.0], [1.0]], [1.0, 1.0], "spherical")),
        ("weights", ([1.0, 0.0], [[0.0], [1.0]], [1.0, 1.0], "spherical")),
        ("weights", ([1.0], [[0.0], [1.0]], [1.0, 1.0], "spherical")),
        ("weights", (["a"], [[0.0]], [1.0], "spherical")),
        ("weights", ([[1.0]], [[0.0]], [1.0], "spherical")),
        ("means", ([1.0], [0.0], [1.0], "spherical")),
        ("means", ([1.0], [[np.nan]], [1.0], "spherical")),
        ("means", ([1.0], [[0.0], [0.0, 1.0]], [1.0], "spherical")),
        ("covariances", ([1.0], [[0.0]], [[1.0]], "spherical")),
        ("covariances", ([1.0], [[0.0]], [-1.0], "spherical")),
        ("covariances", ([1.0], [[0.0]], [[0.0]], "diag")),
        ("covariances", ([1.0], [[0.0, 0.0]], [[[1.0, 2.0], [2.0, 1.0]]], "full")),
        ("covariances", ([1.0], [[0.0, 0.0]], [[[1.0, 0.5], [0.0, 1.0]]], "full")),
        ("covariances", ([1.0], [[0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]], "tied")),
        ("covariances", ([1.0], [[0.0]], [[np.inf]], "tied")),
        ("covariance_type", ([1.0], [[0.0]], [1.0], "oval")),
    ],
)
def test_parameters_that_are_not_those_of_a_mixture(argument, parameters):
    with pytest.raises(EngineError) as caught:
        GaussianMixture(*parameters)
    assert caught.value.argument == argument
    assert isinstance(caught.value, InvalidParametersError | InvalidArgumentError)


def test_queries_want_the_features_of_the_mixture():
    for query in (MIXTURE.predict, MIXTURE.score_samples, MIXTURE.predict_proba):
        with pytest.raises(FeatureMismatchError, match="2 features; got 3"):
            query([[1.0, 2.0, 3.0]])


@pytest.mark.parametrize("n_samples", [-1, 1.5, True, "1"])
def test_a_number_of_samples_that_cannot_be(n_samples):
    with pytest.raises(InvalidArgumentError) as caught:
        MIXTURE.sample(n_samples)
    assert caught.value.argument == "n_samples"


@pytest.mark.parametrize(
    ("argument", "options"),
    [
        ("criterion", {"criterion": "icl2"}),
        ("n_components", {"n_components": []}),
        ("n_components", {"n_components": [0]}),
        ("covariance_types", {"covariance_types": []}),
    ],
)
def test_a_search_over_nothing(argument, options):
    with pytest.raises(InvalidArgumentError) as caught:
        select(X, **options)
    assert caught.value.argument == argument


@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.uint64, np.float16])
def test_other_number_types_and_orders_are_accepted(dtype):
    whole = np.round(X * 5).astype(dtype) if dtype != np.uint64 else None
    whole = np.abs(np.round(X * 5)).astype(dtype) if whole is None else whole
    result = fit(np.asfortranarray(whole), 2)
    expected = fit(whole.astype(np.float64), 2)
    np.testing.assert_allclose(result.mixture.means, expected.mixture.means)
