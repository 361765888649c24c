"""A fit goes on from a checkpoint as if it had never stopped."""

from __future__ import annotations

from dataclasses import replace

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
from gmm_engine.checkpoint import Phase
from gmm_engine.search import reporting
from gmm_engine.search.searching import Search
from tests.oracles import reference_data, start_labels
from tests.strategies import random_mixture

X = reference_data("iris")


def stopped_at(iteration: int, **options) -> Checkpoint:
    """Return the checkpoint of a fit that was stopped, by way of plain values."""
    taken = []

    def on_iteration(state):
        if state.iteration == iteration and state.phase == "full":
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


def every_checkpoint(data, **options) -> tuple[list[dict[str, object]], FitResult]:
    """Return the plain values of all checkpoints of a fit, and its result."""
    taken = []
    result = fit(
        data,
        on_iteration=lambda state: taken.append(state.checkpoint.to_dict()),
        **options,
    )
    return taken, result


@pytest.mark.parametrize("random_state", [4, 2**100, None])
def test_searches_that_were_made_are_not_made_again(random_state, monkeypatch):
    options = {"n_components": 3, "n_init": 4}
    taken, undisturbed = every_checkpoint(X, random_state=random_state, **options)
    taken = [values for values in taken if values["phase"] == Phase.SEARCH]
    assert [values["n_done"] for values in taken] == [1, 2, 3]
    searched = []
    best_start = Search._best_start
    monkeypatch.setattr(
        Search,
        "_best_start",
        lambda self, seed: searched.append(seed) or best_start(self, seed),
    )
    for values in taken:
        searched.clear()
        resumed = fit(X, resume=Checkpoint.from_dict(values), **options)
        assert len(searched) == 4 - values["n_done"]
        assert_results_agree(resumed, undisturbed)


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_a_fit_goes_on_in_the_middle_of_a_search(covariance_type, monkeypatch):
    monkeypatch.setattr(reporting, "_OPERATIONS_BETWEEN_REPORTS", 0)
    truth = random_mixture(np.random.default_rng(1), 4, 3, covariance_type, 3.0)
    data, _ = truth.sample(60_000, 0)
    options = {"n_components": 4, "covariance_type": covariance_type, "n_init": 2}
    taken, undisturbed = every_checkpoint(data, **options)
    climbing = [values for values in taken if values["phase"] == Phase.CLIMB]
    assert {values["n_done"] for values in climbing} == {0, 1}
    for values in climbing[:: len(climbing) // 4 + 1]:
        resumed = fit(data, resume=Checkpoint.from_dict(values), **options)
        assert_results_agree(resumed, undisturbed)


def test_a_search_can_only_go_on_with_its_options():
    options = {"n_components": 3, "n_init": 2}
    checkpoint = Checkpoint.from_dict(every_checkpoint(X, **options)[0][0])
    for changes in (
        {"n_init": 3},
        {"initial": start_labels("iris", 3)},
        {"n_components": 4},
    ):
        with pytest.raises(InvalidArgumentError, match="expected resume"):
            fit(X, resume=checkpoint, **(options | changes))
    with pytest.raises(InvalidArgumentError, match="expected resume"):
        fit(X[:, :2], resume=checkpoint, **options)
    with pytest.raises(InvalidArgumentError, match="of this X"):
        fit(X + 1, resume=checkpoint, **options)


def test_sums_of_the_same_data_may_differ_in_their_last_digits():
    far = X + 1e10
    options = {"n_components": 3, "n_init": 2}
    checkpoint = Checkpoint.from_dict(every_checkpoint(far, **options)[0][0])
    fingerprint = checkpoint.arrays["fingerprint"]
    arrays = checkpoint.arrays | {"fingerprint": np.nextafter(fingerprint, np.inf)}
    resumed = fit(far, resume=replace(checkpoint, arrays=arrays), **options)
    assert_allclose(
        resumed.mixture.means, fit(far, resume=checkpoint, **options).mixture.means
    )


def test_a_resumed_fit_of_few_rows_still_knows_where_the_search_had_been(monkeypatch):
    """Where extrapolation ends below the search, EM goes on from the search's end."""
    options = {"n_components": 3, "random_state": 4}
    taken, undisturbed = every_checkpoint(X, **options)
    # As if the search had ended higher than EM does.
    values = taken[1] | {"best_log_likelihood": np.array([100.0])}
    resumed = fit(X, resume=Checkpoint.from_dict(values), **options)
    # It goes on from the end of the search, where next to nothing is left to gain.
    assert resumed.n_iter > undisturbed.n_iter
    assert_allclose(
        resumed.log_likelihoods[undisturbed.n_iter :],
        undisturbed.log_likelihood,
        atol=0.1,
    )
    assert_allclose(resumed.log_likelihood, undisturbed.log_likelihood, rtol=1e-4)


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
        lambda: Checkpoint.from_dict(values | {"phase": 99}),
        lambda: Checkpoint.from_dict(values | {"phase": int(Phase.SEARCH)}),
        lambda: Checkpoint.from_dict(values | {"covariance_type": "oval"}),
    ):
        with pytest.raises(InvalidArgumentError, match="expected") as caught:
            call()
        assert caught.value.argument in ("resume", "covariance_type")
