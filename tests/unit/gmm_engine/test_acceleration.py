"""Extrapolation: fewer iterations, never a lower likelihood."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_allclose

from gmm_engine import COVARIANCE_TYPES, GaussianMixture, fit
from gmm_engine.acceleration import (
    SMALLEST_RADIUS,
    Accelerator,
    from_vector,
    stretched,
    to_vector,
)
from gmm_engine.mixture import enter_frame, leave_frame
from tests.oracles import reference_data, start_labels
from tests.strategies import mixtures


@given(mixtures())
def test_coordinates_lead_back_to_the_mixture(mixture: GaussianMixture):
    frame = mixture._own_frame()
    parameters = enter_frame(mixture, frame)
    back = leave_frame(from_vector(to_vector(parameters), parameters), frame)
    for name in ("weights", "means", "covariances"):
        expected = getattr(mixture, name)
        scale = np.abs(expected).max()
        assert_allclose(getattr(back, name), expected, rtol=1e-9, atol=1e-12 * scale)


@given(mixtures())
def test_any_coordinates_are_a_mixture(mixture: GaussianMixture):
    parameters = enter_frame(mixture, mixture._own_frame())
    vector = to_vector(parameters)
    moved = vector + np.random.default_rng(0).standard_normal(len(vector))
    other = from_vector(moved, parameters)
    GaussianMixture(
        other.weights, other.means, other.covariances, mixture.covariance_type
    )


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize(("dataset", "n_components"), [("faithful", 3), ("iris", 3)])
def test_fewer_iterations_and_the_same_likelihood(
    dataset, n_components, covariance_type
):
    X = reference_data(dataset)
    options = {
        "initial": start_labels(dataset, n_components),
        "covariance_type": covariance_type,
        "tol": 1e-9,
        "reg_covar": 0,
    }
    plain = fit(X, accelerate=False, **options)
    fast = fit(X, **options)
    assert fast.n_iter <= plain.n_iter
    assert fast.log_likelihood >= plain.log_likelihood - 1e-9 * len(X)


def proposing() -> tuple[Accelerator, list]:
    """Return an accelerator that has seen EM creep along a line, and its points."""
    mixture = GaussianMixture([0.5, 0.5], [[-1.0], [1.0]], [1.0, 1.0], "spherical")
    start = enter_frame(mixture, mixture._own_frame())
    ways = [0.0]
    for i in range(4):
        ways.append(ways[-1] + 0.1 * 0.99**i)
    points = [replace(start, means=start.means + way) for way in ways]
    accelerator = Accelerator()
    for here, there in pairwise(points):
        accelerator.observe(here, there)
    return accelerator, points


def test_a_proposal_that_does_not_help_makes_the_next_ones_shorter():
    accelerator, (*_, before, last) = proposing()
    longest = accelerator.radius
    lengths = []
    for _ in range(3):
        proposed = accelerator.propose(before, last)
        assert proposed is not None
        deviation = np.sqrt(last.covariances[0])
        lengths.append(np.abs(proposed.means - last.means).max() / deviation)
        history = accelerator.history()
        accelerator.judge(is_better=False)
        assert accelerator.propose(before, last) is None
        accelerator.restore(*history, accelerator.radius)
    assert_allclose(lengths, [longest, longest / 4, longest / 16])
    for _ in range(20):
        accelerator.restore(*history, accelerator.radius)
        accelerator.propose(before, last)
        accelerator.judge(is_better=False)
    assert accelerator.radius == SMALLEST_RADIUS


def test_a_proposal_that_helps_makes_the_next_ones_longer_up_to_a_bound():
    accelerator, (*_, before, last) = proposing()
    longest = accelerator.radius
    accelerator.restore(*accelerator.history(), longest / 8)
    for expected in (longest / 2, longest, longest):
        assert accelerator.propose(before, last) is not None
        accelerator.judge(is_better=True)
        assert accelerator.radius == expected
    # One that was short of its own accord says nothing of longer ones.
    short = GaussianMixture([1.0], [[0.0]], [1.0], "spherical")
    start = enter_frame(short, short._own_frame())
    accelerator = Accelerator()
    ways = [0.0, 0.1, 0.11, 0.111, 0.1111]
    for here, there in pairwise([replace(start, means=start.means + w) for w in ways]):
        accelerator.observe(here, there)
    accelerator.restore(*accelerator.history(), longest / 8)
    assert accelerator.propose(start, start) is not None
    accelerator.judge(is_better=True)
    assert accelerator.radius == longest / 8


def test_slow_convergence_takes_at_most_a_third_of_the_iterations():
    """Two Gaussians so close that EM crawls."""
    truth = GaussianMixture([0.5, 0.5], [[-1.0], [1.0]], [1.0, 1.0], "spherical")
    X, _ = truth.sample(5_000, 0)
    options = {
        "initial": truth,
        "covariance_type": "spherical",
        "tol": 1e-9,
        "max_iter": 20_000,
    }
    plain = fit(X, accelerate=False, **options)
    fast = fit(X, **options)
    assert 3 * fast.n_iter <= plain.n_iter
    assert fast.log_likelihood >= plain.log_likelihood


def test_a_saddle_is_left_in_a_third_of_the_iterations():
    X = reference_data("faithful")
    options = {
        "initial": start_labels("faithful", 4),
        "covariance_type": "tied",
        "tol": 1e-9,
        "max_iter": 5_000,
    }
    plain = fit(X, accelerate=False, **options)
    fast = fit(X, **options)
    assert 3 * fast.n_iter <= plain.n_iter
    assert fast.log_likelihood >= plain.log_likelihood - 1e-9 * len(X)
    assert (np.diff(fast.log_likelihoods) >= -1e-9).all()


def test_a_stretched_step_keeps_its_direction_and_its_measure():
    truth = GaussianMixture([0.5, 0.5], [[-1.0], [1.0]], [1.0, 1.0], "spherical")
    near = GaussianMixture([0.5, 0.5], [[-1.0], [1.01]], [1.0, 1.0], "spherical")
    frame = truth._own_frame()
    start, end = enter_frame(truth, frame), enter_frame(near, frame)
    step = to_vector(end) - to_vector(start)
    far = to_vector(stretched(start, end, 4.0)) - to_vector(start)
    assert_allclose(far, 4 * step, atol=1e-12)
    farthest = stretched(start, end, 1e6)
    farther = to_vector(farthest) - to_vector(start)
    assert_allclose(farther / np.linalg.norm(farther), step / np.linalg.norm(step))
    # A quarter of a deviation, which is one in each cluster.
    moved = leave_frame(farthest, frame).means - truth.means
    assert_allclose(np.abs(moved).max(), 0.25)


def test_clusters_that_lie_across_each_other_are_not_taken_for_equal():
    rng = np.random.default_rng(3)
    crossed = np.array([[[1.0, 0.5], [0.5, 1.0]], [[1.0, -0.5], [-0.5, 1.0]]])
    truth = GaussianMixture([0.5, 0.5], np.zeros((2, 2)), crossed)
    X, labels = truth.sample(5_000, rng)
    options = {"initial": labels, "tol": 1e-9, "max_iter": 2_000}
    fast, plain = fit(X, **options), fit(X, accelerate=False, **options)
    assert fast.n_iter <= plain.n_iter / 3
    assert fast.log_likelihood >= plain.log_likelihood - 1e-6 * len(X)
