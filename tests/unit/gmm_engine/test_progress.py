"""What a fit shows along the way: the trajectory and on_iteration."""

from __future__ import annotations

import numpy as np
import pytest

from gmm_engine import FitStatus, fit
from gmm_engine import trajectory as trajectory_module
from tests.oracles import reference_data, start_labels

FAITHFUL = reference_data("faithful")


def test_the_trajectory_has_each_iteration_while_there_is_room():
    result = fit(FAITHFUL, 3, initial=start_labels("faithful", 3), max_iter=20, tol=0)
    assert result.trajectory.iterations == tuple(range(21))
    assert result.trajectory.log_likelihoods == tuple(result.log_likelihoods)
    assert len(list(result.trajectory)) == len(result.trajectory) == 21
    assert result.trajectory[1:3][0] is result.trajectory[1]


@pytest.mark.parametrize("max_iter", [239, 240, 241, 700, 1001])
def test_a_long_trajectory_is_thinned_evenly(max_iter):
    result = fit(
        FAITHFUL,
        4,
        initial=start_labels("faithful", 4),
        max_iter=max_iter,
        tol=0,
        reg_covar=0,
        accelerate=False,
    )
    iterations = result.trajectory.iterations
    assert len(iterations) <= trajectory_module.MAX_FRAMES
    assert iterations[0] == 0
    assert iterations[-1] == result.n_iter <= max_iter
    assert result.n_iter > 200
    strides = np.diff(iterations)[:-1]
    assert len(set(strides.tolist())) == 1
    for frame in result.frames:
        assert frame.log_likelihood == result.log_likelihoods[frame.iteration]


def test_large_mixtures_leave_fewer_frames(monkeypatch):
    monkeypatch.setattr(trajectory_module, "MAX_NUMBERS", 100)
    start = start_labels("faithful", 3)
    result = fit(FAITHFUL, 3, initial=start, max_iter=100, tol=0, accelerate=False)
    assert 2 <= len(result.trajectory) <= 100 // (3 + 6 + 12)
    assert result.trajectory.iterations[-1] == 100


def test_each_iteration_is_reported_in_order():
    states = []
    result = fit(FAITHFUL, 3, on_iteration=states.append)
    assert [state.iteration for state in states] == list(range(result.n_iter + 1))
    assert [state.log_likelihood for state in states] == list(result.log_likelihoods)
    assert {(s.start, s.n_starts, s.phase) for s in states} == {(0, 1, "full")}
    np.testing.assert_array_equal(states[-1].mixture.means, result.mixture.means)
    assert states[0].mixture is states[0].mixture


@pytest.mark.parametrize("stop_at", [0, 3, 30])
def test_a_fit_stops_when_the_callback_says_so(stop_at):
    result = fit(
        FAITHFUL,
        4,
        initial=start_labels("faithful", 4),
        tol=0,
        on_iteration=lambda state: state.iteration < stop_at,
    )
    assert result.status is FitStatus.CANCELLED
    assert result.n_iter == stop_at
    log_likelihood = result.mixture.score_samples(FAITHFUL).sum()
    np.testing.assert_allclose(result.log_likelihoods[-1], log_likelihood)


def test_several_searches_say_which_one_won():
    states = []
    result = fit(FAITHFUL, 5, n_init=4, on_iteration=states.append)
    assert {state.n_starts for state in states} == {4}
    full = {state.start for state in states if state.phase == "full"}
    assert len(full) == 1
    assert [s.start for s in states if s.phase == "search"] == [0, 1, 2]
    # Plain numbers, which any encoder takes.
    assert {type(state.log_likelihood) for state in states} == {float}
    reached = result.start_log_likelihoods
    at_best = (reached >= reached.max() - 1e-4).sum()
    assert result.n_starts_at_best == at_best < len(reached)
    assert result.log_likelihood >= fit(FAITHFUL, 5, n_init=1).log_likelihood - 1e-9


@pytest.mark.parametrize("max_iter", [1, 2, 500])
def test_iterations_are_told_in_order_whatever_a_search_had_found(max_iter):
    rng = np.random.default_rng(0)
    for seed in range(10):
        X = rng.standard_normal((600, 2)) * [1.0, 3.0]
        told: list[int] = []

        def note(state, told=told):
            if state.phase == "full":
                told.append(state.iteration)

        result = fit(X, 6, max_iter=max_iter, random_state=seed, on_iteration=note)
        assert told == list(range(result.n_iter + 1))
        assert result.n_iter <= max_iter
        assert result.trajectory.iterations[0] == 0
        assert (np.diff(result.log_likelihoods) >= -1e-6).all()
