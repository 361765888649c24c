"""What must hold for EM on any sound data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from gmm_engine import COVARIANCE_TYPES, FitStatus, GaussianMixture, fit
from gmm_engine.em import DROPPED_SHARE
from tests import oracles
from tests.oracles import reference_data
from tests.strategies import em_problems, random_mixture


@settings(max_examples=60)
@given(em_problems(), st.booleans())
def test_em_never_decreases_the_log_likelihood(problem, accelerate):
    """Dempster, Laird & Rubin (1977), theorem 1: exact only while reg_covar is 0."""
    X, start = problem
    result = fit(
        X,
        initial=start,
        covariance_type=start.covariance_type,
        reg_covar=0,
        tol=0,
        max_iter=30,
        accelerate=accelerate,
    )
    log_likelihoods = result.log_likelihoods
    slack = 1e-10 * np.abs(log_likelihoods[:-1])
    assert np.all(np.diff(log_likelihoods) >= -slack)


@given(em_problems())
def test_one_iteration_is_the_textbook_one(problem):
    X, start = problem
    result = fit(
        X,
        initial=start,
        covariance_type=start.covariance_type,
        reg_covar=0,
        max_iter=1,
    )
    expected = oracles.em_iteration(start, X)
    assert_mixtures_agree(result.mixture, expected, rtol=1e-8)


@given(em_problems())
def test_log_likelihoods_belong_to_the_start_and_to_the_result(problem):
    X, start = problem
    result = fit(
        X, initial=start, covariance_type=start.covariance_type, max_iter=7, tol=0
    )
    assert_allclose(result.log_likelihoods[0], start.score_samples(X).sum())
    assert_allclose(
        result.log_likelihoods[-1], result.mixture.score_samples(X).sum(), rtol=1e-12
    )
    assert result.n_iter == len(result.log_likelihoods) - 1
    assert_mixtures_agree(result.trajectory[0], start, rtol=1e-10)
    assert_mixtures_agree(result.trajectory[-1], result.mixture, rtol=0)


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_integer_weights_equal_repeated_rows(covariance_type):
    rng = np.random.default_rng(5)
    truth = random_mixture(rng, 3, 3, covariance_type)
    X, _ = truth.sample(200, rng)
    repeats = rng.integers(0, 4, len(X))
    options = {
        "covariance_type": covariance_type,
        "initial": truth,
        "max_iter": 20,
        "tol": 0,
        "accelerate": False,
    }
    weighted = fit(X, sample_weight=repeats, **options)
    repeated = fit(np.repeat(X, repeats, axis=0), **options)
    assert_allclose(weighted.log_likelihoods, repeated.log_likelihoods, rtol=1e-11)
    assert_mixtures_agree(weighted.mixture, repeated.mixture, rtol=1e-8)


SHIFTS = [-1e8, 12345.0, 1e4, 1e8]
SCALES = [1e-100, 3.7e-50, 1e-8, 7.0, 1e20, 1e100]


def gridded(rng: np.random.Generator, truth: GaussianMixture) -> np.ndarray:
    """Data on a grid coarse enough to be exact after a shift of 1e8."""
    X, _ = truth.sample(400, rng)
    return np.round(X * 2**20) / 2**20


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("reg_covar", [0.0, 1e-6])
@pytest.mark.parametrize("shift", SHIFTS)
def test_shifting_the_data_shifts_the_means(covariance_type, reg_covar, shift):
    rng = np.random.default_rng(11)
    X = gridded(rng, random_mixture(rng, 3, 3, covariance_type))
    options = {"covariance_type": covariance_type, "reg_covar": reg_covar}
    plain = fit(X, 3, **options)
    shifted = fit(X + shift, 3, **options)
    assert shifted.n_iter == plain.n_iter
    assert_allclose(shifted.mixture.means - shift, plain.mixture.means, rtol=1e-6)
    assert_allclose(shifted.mixture.covariances, plain.mixture.covariances, rtol=1e-6)
    assert_allclose(shifted.mixture.weights, plain.mixture.weights, rtol=1e-6)
    assert_allclose(shifted.log_likelihoods, plain.log_likelihoods, rtol=1e-6)


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("reg_covar", [0.0, 1e-6])
@pytest.mark.parametrize("scale", SCALES)
def test_scaling_the_data_scales_the_result(covariance_type, reg_covar, scale):
    rng = np.random.default_rng(12)
    X = gridded(rng, random_mixture(rng, 3, 3, covariance_type))
    options = {"covariance_type": covariance_type, "reg_covar": reg_covar}
    plain = fit(X, 3, **options)
    scaled = fit(X * scale, 3, **options)
    assert_allclose(scaled.mixture.means / scale, plain.mixture.means, rtol=1e-6)
    assert_allclose(
        scaled.mixture.covariances / scale / scale,
        plain.mixture.covariances,
        rtol=1e-6,
    )
    volume = X.size * np.log(scale)
    assert_allclose(scaled.log_likelihoods + volume, plain.log_likelihoods, rtol=1e-6)


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("reg_covar", [0.0, 1e-6])
def test_clusters_far_apart_against_their_spread_keep_their_covariances(
    covariance_type, reg_covar
):
    rng = np.random.default_rng(13)
    clusters = [rng.standard_normal((300, 2)) + center for center in (0.0, 1e6)]
    result = fit(
        np.concatenate(clusters),
        2,
        covariance_type=covariance_type,
        reg_covar=reg_covar,
    )
    order = np.argsort(result.mixture.means[:, 0])
    covariances = result.mixture.full_covariances()[order]
    expected = np.stack([np.cov(cluster.T, bias=True) for cluster in clusters])
    if covariance_type == "tied":
        expected[:] = expected.mean(axis=0)
    elif covariance_type in ("diag", "spherical"):
        expected *= np.eye(2)
    if covariance_type == "spherical":
        traces = np.trace(expected, axis1=1, axis2=2) / 2
        expected = traces[:, None, None] * np.eye(2)
    assert_allclose(covariances, expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(
    ("special", "general"),
    [("diag", "full"), ("spherical", "diag"), ("tied", "full")],
)
def test_one_component_of_a_special_structure_is_the_general_one(special, general):
    """On data whitened so that the special structure is the right one."""
    rng = np.random.default_rng(14)
    X = rng.standard_normal((300, 3))
    X = (X - X.mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(X.T))).T
    results = [fit(X, 1, covariance_type=name) for name in (special, general)]
    a, b = (result.mixture.full_covariances() for result in results)
    assert_allclose(a, b, atol=1e-12)
    assert_allclose(results[0].log_likelihood, results[1].log_likelihood)


def test_one_component_has_the_sample_moments():
    X = reference_data("iris")
    mixture = fit(X, 1).mixture
    assert_allclose(mixture.means[0], X.mean(axis=0))
    assert_allclose(mixture.covariances[0], np.cov(X.T, bias=True))


def test_the_same_seed_gives_the_same_result():
    X = reference_data("faithful")
    a, b = (fit(X, 3, random_state=5) for _ in range(2))
    assert_mixtures_agree(a.mixture, b.mixture, rtol=0)
    generators = [fit(X, 3, random_state=np.random.default_rng(5)) for _ in range(2)]
    assert_mixtures_agree(generators[0].mixture, generators[1].mixture, rtol=0)


def test_tol_zero_runs_on_until_rounding_stops_the_gain():
    result = fit(reference_data("faithful"), 2, tol=0, max_iter=5_000)
    assert result.status is FitStatus.CONVERGED


def test_max_iter_is_reported():
    result = fit(reference_data("faithful"), 3, max_iter=3, tol=0)
    assert result.status is FitStatus.MAX_ITER_REACHED
    assert not result.converged
    assert result.n_iter == 3


def test_a_component_far_from_all_rows_is_dropped():
    X = reference_data("faithful")
    start = GaussianMixture(
        [0.4, 0.3, 0.3], [[2.0, 54.0], [4.3, 80.0], [1e6, 1e6]], [1.0] * 3, "spherical"
    )
    result = fit(X, initial=start, covariance_type="spherical")
    assert result.status is FitStatus.DEGENERATE
    assert result.mixture.n_components == 2
    assert [d.component for d in result.diagnostics] == [2]
    assert 1 / len(X) > DROPPED_SHARE


def assert_mixtures_agree(a: GaussianMixture, b: GaussianMixture, rtol: float):
    assert a.covariance_type == b.covariance_type
    for name in ("weights", "means", "covariances"):
        one, other = getattr(a, name), getattr(b, name)
        atol = rtol * np.abs(other).max()
        assert_allclose(one, other, rtol=rtol, atol=atol, err_msg=name)
