"""Searching starts on growing samples: what it promises of the full data."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from gmm_engine import (
    COVARIANCE_TYPES,
    FitStatus,
    IterationState,
    TooFewRowsError,
    fit,
)
from gmm_engine.frame import Frame
from gmm_engine.kernels.dispatch import compiled_runs
from gmm_engine.mixture import enter_frame
from gmm_engine.search import reporting
from gmm_engine.search.samples import draw_samples, sample_sizes
from gmm_engine.sources import ArraySource
from tests.strategies import random_mixture

STRUCTURES = pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)


@STRUCTURES
@pytest.mark.parametrize("n_samples", [2_500, 30_000])
def test_log_likelihoods_speak_of_the_full_data(covariance_type, n_samples):
    truth = random_mixture(np.random.default_rng(1), 3, 3, covariance_type)
    X, _ = truth.sample(n_samples, 0)
    result = fit(X, 3, covariance_type=covariance_type)
    assert result.status is FitStatus.CONVERGED
    for index in (0, -1):
        assert_allclose(
            result.log_likelihoods[index],
            result.trajectory[index].score_samples(X).sum(),
            rtol=1e-11,
        )
    assert result.n_iter == len(result.log_likelihoods) - 1
    assert result.log_likelihood >= truth.score_samples(X).sum() - 1e-3 * n_samples


@STRUCTURES
@pytest.mark.parametrize("reg_covar", [0.0, 1e-6])
@pytest.mark.parametrize(("shift", "scale"), [(1e8, 1.0), (0.0, 1e100), (0.0, 1e-100)])
def test_shift_and_scale_change_nothing_else(covariance_type, reg_covar, shift, scale):
    rng = np.random.default_rng(2)
    # So far apart that there is one optimum to find, not two of the same height.
    truth = random_mixture(rng, 3, 2, covariance_type, separation=5.0)
    X = np.round(truth.sample(6_000, 0)[0] * 2**20) / 2**20
    options = {"covariance_type": covariance_type, "reg_covar": reg_covar, "tol": 1e-9}
    plain, moved = (fit(data, 3, **options) for data in (X, X * scale + shift))
    for name, expected in (
        ("weights", plain.mixture.weights),
        ("means", plain.mixture.means),
    ):
        got = getattr(moved.mixture, name)
        got = (got - shift) / scale if name == "means" else got
        assert_allclose(got, expected, rtol=1e-6, atol=1e-7)
    covariances = moved.mixture.covariances / scale / scale
    assert_allclose(covariances, plain.mixture.covariances, rtol=1e-6, atol=1e-7)


@STRUCTURES
@pytest.mark.parametrize("n_features", [1, 2, 5])
@pytest.mark.parametrize("weighted", [False, True])
def test_short_runs_are_plain_em(covariance_type, n_features, weighted):
    rng = np.random.default_rng(3)
    truth = random_mixture(rng, 3, n_features, covariance_type)
    X, _ = truth.sample(500, rng)
    weights = rng.random(500) if weighted else None
    careful = fit(
        X,
        initial=truth,
        covariance_type=covariance_type,
        sample_weight=weights,
        max_iter=7,
        tol=0,
        reg_covar=0,
        accelerate=False,
    )
    frame = truth._own_frame()
    run = compiled_runs().short_run(
        enter_frame(truth, frame),
        frame,
        np.full(n_features, 1e-12),
        X,
        weights,
        7,
        0.0,
    )
    total = 500 if weights is None else weights.sum()
    log_likelihoods = run.log_likelihoods - total * frame.log_volume
    # Careful EM stops where only rounding is left to gain.
    n = min(len(log_likelihoods), len(careful.log_likelihoods))
    assert n > 3
    assert_allclose(log_likelihoods[:n], careful.log_likelihoods[:n], rtol=1e-11)


def test_a_short_run_gives_up_on_a_collapse():
    truth = random_mixture(np.random.default_rng(3), 2, 2, "full")
    frame = truth._own_frame()
    X = np.repeat([[0.0, 0.0], [1.0, 1.0]], 10, axis=0)
    floor = np.full(2, 1e-6)
    run = compiled_runs().short_run(
        enter_frame(truth, frame), frame, floor, X, None, 50, 0.0
    )
    assert run.parameters is None


def test_k_means_seeds_are_distinct_and_labels_nearest():
    rng = np.random.default_rng(0)
    centers = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    truth = rng.integers(3, size=300)
    points = centers[truth] + rng.standard_normal((300, 2))
    k_means = compiled_runs().k_means
    labels, n_distinct = k_means(points, np.ones(300), rng.random((3, 3)), 3)
    assert n_distinct == 3
    assert len(set(zip(truth.tolist(), labels.tolist(), strict=True))) == 3
    duplicates = np.repeat([[0.0], [1.0]], 5, axis=0)
    assert k_means(duplicates, np.ones(10), rng.random((3, 3)), 3)[1] == 2


def test_sample_sizes_grow_and_leave_most_of_the_rows():
    for n_samples in (10, 1_999, 2_001, 50_000, 10_000_000):
        sizes = sample_sizes(n_samples, 40, 1e-4)
        assert sizes == sorted(sizes)
        assert sizes == [n_samples] or sizes[0] <= n_samples / 2
        assert sizes[-1] <= n_samples


def test_a_fit_can_be_stopped_while_it_searches(monkeypatch):
    monkeypatch.setattr(reporting, "_OPERATIONS_BETWEEN_REPORTS", 0)
    X, _ = random_mixture(np.random.default_rng(1), 4, 3, "full").sample(60_000, 0)
    states: list[IterationState] = []

    def stop(state: IterationState) -> bool:
        states.append(state)
        return False

    result = fit(X, 4, on_iteration=stop)
    assert result.status is FitStatus.CANCELLED
    assert [state.phase for state in states] == ["search"]
    assert_allclose(result.log_likelihood, result.mixture.score_samples(X).sum())


def test_a_fit_stopped_between_searches_returns_the_best_of_them():
    X, _ = random_mixture(np.random.default_rng(1), 6, 2, "full").sample(600, 0)
    stopped = []

    def stop(state: IterationState) -> bool:
        stopped.append(state.log_likelihood)
        return len(stopped) < 3

    for seed in range(4):
        stopped.clear()
        result = fit(X, 6, n_init=4, random_state=seed, on_iteration=stop)
        assert result.status is FitStatus.CANCELLED
        assert result.log_likelihood >= max(stopped) - 1e-6


def test_all_starts_of_an_easy_problem_reach_its_optimum():
    centers = np.array([[0.0, 0.0], [30.0, 0.0], [0.0, 30.0]])
    rng = np.random.default_rng(0)
    X = centers[rng.integers(3, size=60_000)] + rng.standard_normal((60_000, 2))
    result = fit(X, 3, n_init=4)
    assert len(result.start_log_likelihoods) == 8
    assert result.n_starts_at_best == 8


@STRUCTURES
def test_a_search_tells_where_it_stands_a_few_times_a_second(
    covariance_type, monkeypatch
):
    """Iterations on samples are counted by what they cost in each structure."""
    X = np.random.default_rng(0).standard_normal((150_000, 10))
    states: list[IterationState] = []
    monkeypatch.setattr(reporting, "_OPERATIONS_BETWEEN_REPORTS", 1e8)
    fit(X, 5, covariance_type=covariance_type, tol=1e-9, on_iteration=states.append)
    assert sum(state.phase == "search" for state in states) >= 2


def test_data_larger_than_the_sample_with_few_distinct_rows():
    X = np.repeat(np.arange(5.0), 2_000)[:, None]
    result = fit(X, 5, covariance_type="diag")
    assert result.status is FitStatus.DEGENERATE
    assert np.isfinite(result.log_likelihoods).all()


@pytest.mark.parametrize("init", ["k-means++", "random_points"])
def test_rows_that_hardly_any_sample_has_count_as_well(init):
    """Most rows are equal, and the others are too few for a sample to meet them."""
    rows = np.zeros((50_008, 2))
    rows[100:50_000:6_250] = np.arange(1.0, 9.0)[:, None]
    result = fit(rows, 3, covariance_type="diag", init=init)
    assert np.isfinite(result.log_likelihood)
    with pytest.raises(TooFewRowsError, match="only 9 distinct"):
        fit(rows, 10, init=init)


def test_few_rows_of_weight_among_many_without():
    rng = np.random.default_rng(4)
    X = rng.standard_normal((100_000, 2))
    weights = np.zeros(len(X))
    counted = rng.choice(len(X), 20, replace=False)
    weights[counted] = 1.0
    result = fit(X, 5, sample_weight=weights)
    alone = fit(X[np.sort(counted)], 5)
    assert_allclose(result.log_likelihoods, alone.log_likelihoods)


def test_samples_end_where_more_rows_would_add_less_than_tol():
    assert sample_sizes(10_000_000, 40, 1e-4)[-1] == 800_000
    assert sample_sizes(10_000_000, 40, 0.0)[-1] == 4_096_000


def test_each_sample_is_part_of_the_next_and_reaches_all_parts_of_the_data():
    X = np.arange(10_000.0)[:, None]
    source, rng = ArraySource(X), np.random.default_rng(0)
    samples = draw_samples(source, Frame(np.zeros(1), np.ones(1)), [50, 1_000], rng)
    small, large = (sample.rows[:, 0] for sample in samples)
    assert len(set(small)) == 50
    assert len(set(large)) == 1_000
    assert set(small) <= set(large)
    # One row out of each stretch of ten.
    assert (large // 10 == np.arange(1_000)).all()
