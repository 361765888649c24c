"""A fit goes on from a checkpoint as if it had never stopped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from gmm_engine import (
    COVARIANCE_TYPES,
    Checkpoint,
    EngineError,
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


def stopped_at(iteration: int, data=X, **options) -> Checkpoint:
    """Return the checkpoint of a fit that was stopped, by way of plain values."""
    taken = []

    def on_iteration(state):
        if state.iteration == iteration and state.phase == "full":
            taken.append(state.checkpoint.to_dict())
            return False
        return None

    result = fit(data, on_iteration=on_iteration, **options)
    assert result.status is FitStatus.CANCELLED
    values = taken[0]
    for value in values.values():
        assert isinstance(value, str | int) or value.dtype == np.float64
    return Checkpoint.from_dict(values)


def assert_results_agree(a: FitResult, b: FitResult) -> None:
    assert a.status is b.status
    assert a.converged == b.converged
    assert a.diagnostics == b.diagnostics
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


def with_equal_rows() -> tuple[np.ndarray, np.ndarray]:
    """Return rows of which some are equal, and labels that part those from others."""
    rows = np.random.default_rng(0).normal(size=(230, 2))
    rows[200:] = 1.5
    return rows, np.repeat([0, 1], [200, 30])


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("back", [0, 1])
def test_a_resumed_fit_still_knows_which_component_collapsed(covariance_type, back):
    data, labels = with_equal_rows()
    options = {"covariance_type": covariance_type, "initial": labels, "tol": 1e-9}
    undisturbed = fit(data, **options)
    # Tied, the other component keeps it wide.
    if covariance_type != "tied":
        assert undisturbed.status is FitStatus.DEGENERATE
        assert undisturbed.converged
    checkpoint = stopped_at(undisturbed.n_iter - back, data, **options)
    assert_results_agree(fit(data, resume=checkpoint, **options), undisturbed)


@pytest.mark.parametrize("iteration", [0, 1, 5])
def test_a_resumed_fit_still_knows_which_component_was_dropped(iteration):
    options = {
        "n_components": 4,
        "initial": start_labels("iris", 3),
        "tol": 1e-10,
    }
    undisturbed = fit(X, **options)
    assert undisturbed.status is FitStatus.DEGENERATE
    checkpoint = stopped_at(iteration, **options)
    assert_results_agree(fit(X, resume=checkpoint, **options), undisturbed)
    # It is a fit of four components that has three by now.
    with pytest.raises(InvalidArgumentError, match="n_components"):
        fit(X, 3, resume=checkpoint, tol=1e-10)


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


CHANGES = {
    "n_components": 4,
    "tol": 1e-3,
    "reg_covar": 1e-3,
    "accelerate": False,
    "sample_weight": np.full(len(X), 7.0),
    "covariance_type": "tied",
}
# What these make is made, once EM is on all rows.
SEARCH_CHANGES = {"n_init": 3, "init": "random_points"}
WORDS = {"sample_weight": "the sum of sample_weight"}


@pytest.mark.parametrize("phase", [Phase.SEARCH, Phase.FULL])
@pytest.mark.parametrize("name", [*CHANGES, *SEARCH_CHANGES])
def test_a_fit_can_only_go_on_with_its_options(phase, name):
    options = {"n_components": 3, "n_init": 2}
    taken, undisturbed = every_checkpoint(X, **options)
    values = next(each for each in taken if each["phase"] == phase)
    checkpoint = Checkpoint.from_dict(values)
    changed = options | {name: (CHANGES | SEARCH_CHANGES)[name]}
    if phase is Phase.FULL and name in SEARCH_CHANGES:
        assert_results_agree(fit(X, resume=checkpoint, **changed), undisturbed)
        return
    expected = f"different are {WORDS.get(name, name)} "
    with pytest.raises(InvalidArgumentError, match=expected) as caught:
        fit(X, resume=checkpoint, **changed)
    assert caught.value.argument == "resume"


def test_a_fit_in_the_middle_of_a_search_can_only_go_on_with_its_options():
    data, options, values = climbing()
    checkpoint = Checkpoint.from_dict(values)
    for name, value in (CHANGES | SEARCH_CHANGES).items():
        if name == "sample_weight":
            value = np.full(len(data), 7.0)
        expected = f"different are {WORDS.get(name, name)} "
        with pytest.raises(InvalidArgumentError, match=expected):
            fit(data, resume=checkpoint, **(options | {name: value}))


def test_all_that_differs_is_named():
    checkpoint = stopped_at(3, initial=start_labels("iris", 3), tol=0)
    with pytest.raises(InvalidArgumentError) as caught:
        fit(X, 5, resume=checkpoint, tol=1e-3)
    assert "tol (0.001 here, 0.0 there), n_components (5 here, 3 there)" in str(
        caught.value
    )
    # In phase "full" the checkpoint says how many there are.
    assert fit(X, resume=checkpoint, tol=0, max_iter=4).mixture.n_components == 3


def test_a_fit_can_be_resumed_with_more_iterations():
    options = {"initial": start_labels("iris", 3), "tol": 1e-10}
    checkpoint = stopped_at(5, max_iter=5, **options)
    assert fit(X, resume=checkpoint, max_iter=5, **options).n_iter == 5
    assert_results_agree(fit(X, resume=checkpoint, **options), fit(X, **options))


def test_a_search_goes_on_with_its_data_only():
    options = {"n_components": 3, "n_init": 2}
    checkpoint = Checkpoint.from_dict(every_checkpoint(X, **options)[0][0])
    for call in (
        lambda: fit(X[:, :2], resume=checkpoint, **options),
        lambda: fit(X[1:], resume=checkpoint, **options),
        lambda: fit(X, resume=checkpoint, initial=start_labels("iris", 3), **options),
        lambda: fit(X, resume=checkpoint),
    ):
        with pytest.raises(InvalidArgumentError, match="expected resume"):
            call()
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


@pytest.mark.parametrize("phase", [Phase.SEARCH, Phase.FULL])
def test_the_same_spread_in_another_scale_is_refused(phase):
    """Parameters are in the frame, and would mean something else in another."""
    options = {"n_components": 3, "n_init": 2}
    taken, _ = every_checkpoint(X, **options)
    values = next(each for each in taken if each["phase"] == phase)
    center, scale, variances = values["fingerprint"].reshape(3, -1)
    fingerprint = np.concatenate([center, 2 * scale, variances / 4])
    checkpoint = Checkpoint.from_dict(values | {"fingerprint": fingerprint})
    with pytest.raises(InvalidArgumentError, match="of this X") as caught:
        fit(X, resume=checkpoint, **options)
    assert caught.value.argument == "resume"


def test_a_resumed_fit_of_few_rows_still_knows_where_the_search_had_been():
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


def test_a_fit_of_the_same_numbers_in_another_order_of_memory_goes_on():
    """Sums differ in their last digits there, and a center far out with them."""
    far = X + 1e10
    options = {"n_components": 3, "n_init": 2, "tol": 1e-6}
    taken, undisturbed = every_checkpoint(far, **options)
    for values in (taken[0], taken[-3]):
        checkpoint = Checkpoint.from_dict(values)
        resumed = fit(np.asfortranarray(far), resume=checkpoint, **options)
        assert_allclose(resumed.mixture.means, undisturbed.mixture.means)


def test_a_checkpoint_is_of_the_state_that_is_asked_for_it():
    states = []
    result = fit(X, initial=start_labels("iris", 3), on_iteration=states.append)
    with pytest.raises(
        EngineError, match=rf"iteration 0, .* iteration {result.n_iter}"
    ):
        _ = states[0].checkpoint
    assert states[-1].checkpoint.iteration == result.n_iter


def test_checkpoints_between_searches_do_not_change():
    states = []
    fit(X, 3, n_init=4, on_iteration=states.append)
    done = [s.checkpoint.numbers["n_done"] for s in states if s.phase == "search"]
    assert done == [1, 2, 3]


def test_a_checkpoint_has_to_fit_the_call():
    options = {"initial": start_labels("iris", 3), "tol": 0}
    checkpoint = stopped_at(3, **options)
    values = checkpoint.to_dict()
    without = {name: value for name, value in values.items() if name != "means"}
    arrays = {name: a for name, a in checkpoint.arrays.items() if name != "means"}
    for call in (
        lambda: fit(X[:100], resume=checkpoint, tol=0),
        lambda: fit(X[:, :2], resume=checkpoint, tol=0),
        lambda: fit(X + 1, resume=checkpoint, tol=0),
        lambda: fit(X[::-1] * [1, 1, 1, -1], resume=checkpoint, tol=0),
        lambda: fit(X, resume=values),
        lambda: fit(X, resume=replace(checkpoint, arrays=arrays), tol=0),
        lambda: Checkpoint.from_dict(without),
        lambda: Checkpoint.from_dict(values | {"phase": 99}),
        lambda: Checkpoint.from_dict(values | {"phase": int(Phase.SEARCH)}),
        lambda: Checkpoint.from_dict(values | {"covariance_type": "oval"}),
    ):
        with pytest.raises(InvalidArgumentError, match="expected") as caught:
            call()
        assert caught.value.argument == "resume"


@pytest.mark.parametrize("version", [1, 99, None, "2", 2.5, [2, 2]])
def test_a_checkpoint_of_another_version_is_refused(version):
    values = stopped_at(3, initial=start_labels("iris", 3)).to_dict()
    with pytest.raises(InvalidArgumentError, match="start the fit anew") as caught:
        Checkpoint.from_dict(values | {"version": version})
    assert caught.value.argument == "resume"


def test_a_fit_whose_start_had_collapsed_in_the_search_goes_on():
    """Such a candidate has no end, and a log-likelihood of minus infinity."""
    data, _ = with_equal_rows()
    options = {"n_components": 3, "tol": 1e-9}
    taken, undisturbed = every_checkpoint(data, **options)
    assert undisturbed.status is FitStatus.DEGENERATE
    assert len(taken[1]["best_end_means"]) == 0
    assert taken[1]["best_log_likelihood"] == -np.inf
    for values in (taken[1], taken[-1]):
        checkpoint = Checkpoint.from_dict(values)
        assert_results_agree(fit(data, resume=checkpoint, **options), undisturbed)


ENDS = [f"best_end_{name}" for name in ("weights", "means", "covariances")]
STARTS = [f"best_start_{name}" for name in ("weights", "means", "covariances")]


@pytest.mark.parametrize(
    "change",
    [
        {"best_log_likelihood": [-np.inf]},
        {"best_log_likelihood": [np.nan]},
        {"best_end_weights": []},
        {name: [] for name in STARTS},
        {name: [] for name in STARTS + ENDS},
    ],
)
def test_a_candidate_is_whole_or_not_there(change):
    data, options, values = on_all_rows()
    with pytest.raises(InvalidArgumentError, match="expected resume to hold"):
        fit(data, resume=Checkpoint.from_dict(values | change), **options)


SHAPES = {
    "empty": lambda array: np.empty(0),
    "one number": lambda array: np.float64(1.0),
    "200": lambda array: np.ones(200),
    "200 x 2": lambda array: np.ones((200, 2)),
    "3 x 2": lambda array: np.ones((3, 2)),
    "2 x 2": lambda array: np.ones((2, 2)),
    "one row more": lambda array: np.concatenate([array, array[:1]]),
    "one row fewer": lambda array: array[:-1],
    "turned": lambda array: array.T,
    "an axis before": lambda array: array[None],
    "an axis behind": lambda array: array[..., None],
    "flat": lambda array: array.ravel(),
}
KINDS = {
    "text": lambda array: "text",
    "none": lambda array: None,
    "complex": lambda array: array + 1j,
    "truth": lambda array: array.astype(bool),
    "ragged": lambda array: [[1.0], [1.0, 2.0]],
    "float32": lambda array: array.astype(np.float32),
    "objects": lambda array: array.astype(object),
    "list": lambda array: array.tolist(),
}
VALUES = (np.nan, np.inf, -np.inf, -1.0, 0.0, 0.5, 3.0, 1e-300, 1e300, -1e99, 1e18)
NUMBERS = (-(10**30), -1, 0, 1, 2, 3, 7, 2**40, 10**30, 1.5, np.nan, "x", None, [1, 2])


def altered(value):
    """Yield what a damaged checkpoint might hold in the place of a value."""
    if isinstance(value, str):
        yield from ("oval", "tied", "spherical", None, 3)
    elif isinstance(value, int):
        yield from NUMBERS
    else:
        for change in (SHAPES | KINDS).values():
            yield change(value)
        for number in VALUES:
            yield np.full_like(value, number)
            if value.size:
                other = value.copy()
                other.flat[-1] = number
                yield other


def climbing(covariance_type="full"):
    """Return data, options and the values of a checkpoint in the middle of a search."""
    data, _ = random_mixture(np.random.default_rng(1), 2, 2, "diag").sample(30_000, 0)
    options = {"n_components": 2, "n_init": 2, "tol": 2.5e-3}
    options["covariance_type"] = covariance_type
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reporting, "_OPERATIONS_BETWEEN_REPORTS", 0)
        taken, _ = every_checkpoint(data, **options)
    return data, options, [v for v in taken if v["phase"] == Phase.CLIMB][-1]


def searching(covariance_type="full"):
    data = X[::2, :2]
    options = {"n_components": 2, "n_init": 3, "covariance_type": covariance_type}
    taken, _ = every_checkpoint(data, **options)
    return data, options, [v for v in taken if v["phase"] == Phase.SEARCH][-1]


def on_all_rows(covariance_type="full"):
    data = X[::2, :2]
    options = {"n_components": 2, "tol": 1e-7, "covariance_type": covariance_type}
    taken, _ = every_checkpoint(data, **options)
    return data, options, taken[5]


@pytest.mark.parametrize(
    ("standing", "covariance_type"),
    [
        *((on_all_rows, name) for name in COVARIANCE_TYPES),
        (searching, "full"),
        (climbing, "full"),
    ],
)
def test_a_damaged_checkpoint_is_refused_or_does_no_harm(standing, covariance_type):
    """What is wrong in one must not reach the compiled kernels, which trust arrays."""
    data, options, values = standing(covariance_type)
    arguments = []
    for name, value in values.items():
        for other in altered(value):
            try:
                checkpoint = Checkpoint.from_dict(values | {name: other})
                result = fit(data, resume=checkpoint, **options)
            except InvalidArgumentError as error:
                arguments.append(error.argument)
            else:
                assert np.isfinite(result.log_likelihood), name
                assert np.isfinite(result.mixture.means).all(), name
    assert set(arguments) == {"resume"}
    assert len(arguments) > 400


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("means", np.ones((200, 2))),
        ("means", np.ones((3, 2))),
        ("weights", np.ones(200)),
        ("covariances", np.ones(200)),
        ("tol", []),
        ("log_likelihoods", []),
        ("fingerprint", []),
        ("options", []),
        ("floor", [1.0]),
        ("points", np.ones((4, 2))),
        ("residuals", []),
        ("collapsed", [0.5, 0.5]),
        ("weights", [np.nan, np.nan]),
    ],
)
def test_entries_of_another_shape_or_kind_are_refused(name, value):
    data, options, values = on_all_rows()
    checkpoint = Checkpoint.from_dict(values | {name: value})
    with pytest.raises(InvalidArgumentError, match="expected resume") as caught:
        fit(data, resume=checkpoint, **options)
    assert caught.value.argument == "resume"
