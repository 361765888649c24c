"""Queries of a given mixture against scipy, and what must hold for any mixture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_allclose
from scipy.special import logsumexp

from gmm_engine import GaussianMixture
from tests import oracles
from tests.strategies import mixtures, random_mixture, seeds


@given(mixtures(), seeds)
def test_log_densities_agree_with_scipy(mixture: GaussianMixture, seed):
    X, _ = mixture.sample(50, seed)
    expected = logsumexp(oracles.log_joint(mixture, X), axis=1)
    assert_allclose(mixture.score_samples(X), expected, rtol=1e-10, atol=1e-10)
    assert_allclose(mixture.score(X), expected.mean(), rtol=1e-10, atol=1e-10)


@given(mixtures(), seeds)
def test_probabilities_are_those_of_bayes(mixture: GaussianMixture, seed):
    X, _ = mixture.sample(50, seed)
    joint = oracles.log_joint(mixture, X)
    expected = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
    probabilities = mixture.predict_proba(X)
    assert_allclose(probabilities, expected, rtol=1e-8, atol=1e-12)
    assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-13)
    assert (mixture.predict(X) == probabilities.argmax(axis=1)).all()


@given(mixtures(), seeds)
def test_permuting_components_permutes_the_answers(mixture: GaussianMixture, seed):
    X, _ = mixture.sample(20, seed)
    order = np.random.default_rng(seed).permutation(mixture.n_components)
    covariances = mixture.covariances
    if mixture.covariance_type != "tied":
        covariances = covariances[order]
    other = GaussianMixture(
        mixture.weights[order],
        mixture.means[order],
        covariances,
        mixture.covariance_type,
    )
    assert_allclose(other.score_samples(X), mixture.score_samples(X), rtol=1e-12)
    assert_allclose(
        other.predict_proba(X), mixture.predict_proba(X)[:, order], atol=1e-12
    )


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_rows_infinitely_far_away_get_a_number(covariance_type):
    mixture = random_mixture(np.random.default_rng(1), 3, 2, covariance_type)
    X = np.array([[1e300, 0.0], [-1e308, 1e308], [1e20, -1e20]])
    assert not np.isnan(mixture.score_samples(X)).any()
    assert (mixture.score_samples(X) < -1e30).all()
    assert_allclose(mixture.predict_proba(X).sum(axis=1), 1)


def test_samples_have_the_moments_of_the_mixture():
    mixture = random_mixture(np.random.default_rng(3), 3, 3, "full", scale=5.0)
    samples, labels = mixture.sample(200_000, 0)
    for k in range(3):
        members = samples[labels == k]
        assert_allclose(len(members) / len(samples), mixture.weights[k], atol=0.01)
        assert_allclose(members.mean(axis=0), mixture.means[k], atol=0.3)
        assert_allclose(np.cov(members.T), mixture.covariances[k], atol=0.03 * 25 * 10)


def test_the_same_seed_draws_the_same_samples():
    mixture = random_mixture(np.random.default_rng(3), 3, 3, "diag")
    assert_allclose(mixture.sample(10, 7)[0], mixture.sample(10, 7)[0], rtol=0)


def test_information_criteria_follow_their_definitions():
    mixture = random_mixture(np.random.default_rng(3), 3, 4, "full")
    X, _ = mixture.sample(100, 0)
    log_likelihood = mixture.score_samples(X).sum()
    assert mixture.n_parameters == 2 + 3 * 4 + 3 * 10
    assert_allclose(
        mixture.bic(X), -2 * log_likelihood + mixture.n_parameters * np.log(100)
    )
    assert_allclose(mixture.aic(X), -2 * log_likelihood + 2 * mixture.n_parameters)


def test_a_mixture_is_a_value():
    weights = np.array([0.5, 0.5])
    mixture = GaussianMixture(weights, [[0.0], [1.0]], [1.0, 2.0], "VII")
    weights[0] = 0.9
    assert mixture.weights[0] == 0.5
    assert mixture.covariance_type == "spherical"
    with pytest.raises(ValueError, match="read-only"):
        mixture.means[0] = 3.0
    with pytest.raises(AttributeError):
        mixture.means = np.zeros((2, 1))


@given(mixtures())
def test_a_mixture_made_from_the_numbers_of_another_is_equal(mixture):
    other = GaussianMixture(
        mixture.weights.tolist(),
        mixture.means.tolist(),
        mixture.covariances.tolist(),
        mixture.covariance_type,
    )
    for name in ("weights", "means", "covariances"):
        assert (getattr(other, name) == getattr(mixture, name)).all()
