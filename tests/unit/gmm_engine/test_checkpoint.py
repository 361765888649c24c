"""A fit goes on from a checkpoint as if it had never stopped."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from gmm_engine import (
    COVARIANCE_TYPES,
    Checkpoint,
    FitResult,
    FitStatus,
    InvalidArgumentError,
    fit,
)
from tests.oracles import reference_data, start_labels

X = reference_data("iris")


def stopped_at(iteration: int, **options) -> Checkpoint:
    """Return the checkpoint of a fit that was stopped, by way of plain values."""
    taken = []

    def on_iteration(state):
        if state.iteration == iteration:
            taken.append(state.checkpoint.to_dict())
            return False
        return None

    result = fit(X, on_iteration=on_iteration, **options)
    assert result.status is FitStatus.CANCELLED
    values = taken[0]
    for value in values.values():
        assert isinstance(value, str | int) or value.dtype == np.float64
    return Checkpoint.from_dict(values)


def assert_results_agree(a: FitResult, b: FitResult) -> None:
    assert a.status is b.status
    assert a.n_iter == b.n_iter
    for name in ("weights", "means", "covariances"):
        assert_allclose(
            getattr(a.mixture, name), getattr(b.mixture, name), rtol=1e-9, atol=1e-12
        )
    assert_allclose(a.log_likelihoods, b.log_likelihoods, rtol=1e-12)
    assert a.trajectory.iterations == b.trajectory.iterations
    assert_allclose(a.start_log_likelihoods, b.start_log_likelihoods)
    assert a.n_starts_at_best == b.n_starts_at_best


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("accelerate", [False, True])
@pytest.mark.parametrize("iteration", [1, 7, 20])
def test_a_resumed_fit_ends_as_the_undisturbed_one(
    covariance_type, accelerate, iteration
):
    options = {
        "covariance_type": covariance_type,
        "initial": start_labels("iris", 4),
        "tol": 1e-10,
        "accelerate": accelerate,
    }
    undisturbed = fit(X, **options)
    # Some of them end sooner: then just before their end.
    iteration = min(iteration, undisturbed.n_iter - 1)
    checkpoint = stopped_at(iteration, **options)
    assert checkpoint.iteration == iteration
    assert_results_agree(fit(X, resume=checkpoint, **options), undisturbed)


@pytest.mark.parametrize("tol", [1e-12, 1e-4])
@pytest.mark.parametrize("back", [1, 5])
def test_a_searched_fit_can_be_resumed(tol, back):
    options = {"n_components": 3, "n_init": 2, "tol": tol, "random_state": 4}
    undisturbed = fit(X, **options)
    checkpoint = stopped_at(undisturbed.n_iter - back, **options)
    assert_results_agree(fit(X, resume=checkpoint, **options), undisturbed)


def test_a_checkpoint_has_to_fit_the_call():
    options = {"initial": start_labels("iris", 3), "tol": 0}
    checkpoint = stopped_at(3, **options)
    values = checkpoint.to_dict()
    without = {name: value for name, value in values.items() if name != "means"}
    for call in (
        lambda: fit(X[:100], resume=checkpoint),
        lambda: fit(X[:, :2], resume=checkpoint),
        lambda: fit(X + 1, resume=checkpoint),
        lambda: fit(X, resume=checkpoint, covariance_type="diag"),
        lambda: fit(X, resume=values),
        lambda: Checkpoint.from_dict(without),
        lambda: Checkpoint.from_dict(values | {"version": 99}),
        lambda: Checkpoint.from_dict(values | {"covariance_type": "oval"}),
    ):
        with pytest.raises(InvalidArgumentError, match="expected") as caught:
            call()
        assert caught.value.argument in ("resume", "covariance_type")
