"""Split and merge: what a move promises, and where it leads."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

from gmm_engine import COVARIANCE_TYPES, GaussianMixture, fit
from gmm_engine.mixture import enter_frame, leave_frame
from gmm_engine.search.merges import likely_merges
from gmm_engine.search.moves import changed, split_and_merge
from gmm_engine.search.posterior import Posterior
from gmm_engine.search.splits import likely_splits
from gmm_engine.team import ALONE
from tests.strategies import random_mixture

STRUCTURES = pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)


def posterior_of(mixture: GaussianMixture, X, weights=None) -> Posterior:
    frame = mixture._own_frame()
    return Posterior.of(
        enter_frame(mixture, frame),
        np.full(X.shape[1], 1e-9),
        frame.enter(X),
        np.ones(len(X)) if weights is None else weights,
        np.random.default_rng(0),
    )


def stuck_fit(covariance_type: str):
    """Return three clusters, and EM's end with two components on one of them."""
    rng = np.random.default_rng(0)
    centers = np.array([[0.0, 0.0], [30.0, 0.0], [36.0, 0.0]])
    X = centers[rng.integers(3, size=900)] + rng.standard_normal((900, 2))
    labels = np.where(X[:, 0] > 15, 2, (X[:, 1] > 0).astype(int))
    options = {"covariance_type": covariance_type, "tol": 1e-6, "accelerate": False}
    return X, fit(X, initial=labels, **options)


@STRUCTURES
def test_a_move_merges_one_pair_and_splits_another_component(covariance_type):
    """Two components on one cluster and one on two: one move mends that."""
    X, stuck = stuck_fit(covariance_type)
    moved = split_and_merge(posterior_of(stuck.mixture, X), ALONE, 0.1)
    assert moved is not None
    assert moved.n_components == 3
    start = leave_frame(moved, stuck.mixture._own_frame())
    reached = fit(X, initial=start, covariance_type=covariance_type, tol=1e-6)
    best = fit(X, 3, covariance_type=covariance_type, tol=1e-6, n_init=10)
    assert reached.log_likelihood >= best.log_likelihood - 1e-3 * len(X)
    assert reached.log_likelihood > stuck.log_likelihood + len(X) / 10


@pytest.mark.parametrize("covariance_type", ["full", "diag", "spherical"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_mixture_gains_at_least_what_its_changes_gain(covariance_type, weighted):
    rng = np.random.default_rng(5)
    truth = random_mixture(rng, 8, 2, covariance_type, separation=3.0)
    X, _ = truth.sample(2_000, 0)
    weights = rng.integers(1, 4, len(X)).astype(float) if weighted else np.ones(len(X))
    # An optimum of EM, so that components have the moments of their rows.
    mixture = fit(
        X,
        initial=rng.integers(0, 8, len(X)),
        covariance_type=covariance_type,
        sample_weight=weights,
        tol=1e-9,
        max_iter=3_000,
    ).mixture
    posterior = posterior_of(mixture, X, weights)
    before = float(weights @ posterior.log_densities)
    splits = likely_splits(posterior, ALONE)
    assert [split.replaced for split in splits] == [(k,) for k in range(8)]
    pairs = [
        (split, merge)
        for split in splits
        for merge in likely_merges(posterior)
        if not {*split.replaced} & {*merge.replaced}
    ]
    assert pairs
    for split, merge in pairs[:: len(pairs) // 10 + 1]:
        moved = changed(posterior.parameters, [split, merge])
        after = Posterior.of(moved, posterior.floor, posterior.points, weights, rng)
        gain = float(weights @ after.log_densities) - before
        # Rows that concern a component by less than a thousandth were left out.
        assert gain >= split.gain + merge.gain - 1e-3 * weights.sum()


def test_where_nothing_is_to_be_gained_nothing_is_moved():
    X, _ = stuck_fit("full")
    best = fit(X, 3, tol=1e-6, n_init=5).mixture
    assert split_and_merge(posterior_of(best, X), ALONE, 0.1) is None
    two = fit(X, 2, tol=1e-6).mixture
    assert split_and_merge(posterior_of(two, X), ALONE, 0.1) is None


def test_only_so_many_rows_are_looked_at():
    X, stuck = stuck_fit("full")
    many = np.repeat(X, 100, axis=0)
    posterior = posterior_of(stuck.mixture, many)
    assert 1_000 <= len(posterior.points) <= 2_000


def test_of_clusters_that_come_in_turns_none_is_missed():
    X, stuck = stuck_fit("full")
    order = np.argsort(X[:, 0] > 15, kind="stable")
    turns = np.stack([X[order[:200]], X[order[-200:]], X[order[-400:-200]]], axis=1)
    many = np.tile(turns.reshape(-1, 2), (10, 1))
    parts = posterior_of(stuck.mixture, many).responsibilities.mean(axis=0)
    expected = stuck.mixture.predict_proba(many).mean(axis=0)
    assert_allclose(parts, expected, atol=0.03)


def test_halves_of_a_component_without_spread_are_found_without_a_warning():
    X = np.random.default_rng(2).standard_normal((3_000, 3))
    X[:, 1] = 4.0
    with warnings.catch_warnings(action="error"):
        result = fit(X, 5, covariance_type="spherical", random_state=2)
    assert np.isfinite(result.log_likelihood)
