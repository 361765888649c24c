from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import gmm_engine
from service.domain.fits import FitEventKind, FitRequest, FitState
from service.domain.tables import Table
from service.errors import (
    CorruptValueError,
    ModelNotFoundError,
    StorageFullError,
    StorageUnavailableError,
)
from service.use_cases.patience import Patience
from tests.unit.service.use_cases.conftest import heaps


def test_a_run_fit_succeeds_with_the_model_that_the_engine_finds(town, fit):
    finished = town.runner.run(fit.id)
    assert finished.status is FitState.SUCCEEDED
    assert finished.attempt == 1
    found = town.model_service.get(finished.model_id)
    expected = gmm_engine.fit(heaps().rows, n_components=2, random_state=42)
    np.testing.assert_allclose(found.mixture.means, expected.mixture.means)
    model = found.model
    assert model.log_likelihood == pytest.approx(expected.log_likelihoods[-1])
    assert model.bic == pytest.approx(expected.mixture.bic(heaps().rows))
    assert model.aic == pytest.approx(expected.mixture.aic(heaps().rows))
    assert model.columns == ("width", "height")
    assert model.fit_id == fit.id
    assert model.provenance.seed == 42
    assert model.provenance.engine_version == gmm_engine.__version__


def test_the_trajectory_begins_with_the_start_and_ends_with_the_model(town, fit):
    model_id = town.runner.run(fit.id).model_id
    trajectory = town.models.trajectory(model_id)
    assert trajectory[0].iteration == 0
    last = trajectory[-1].mixture
    np.testing.assert_allclose(last.means, town.models.mixture(model_id).means)


def test_iterations_are_told_in_order_with_their_parameters(town, fit):
    town.runner.run(fit.id)
    events = town.fits.events(fit.id, "0", 0)
    iterations = [e.payload for e in events if e.kind is FitEventKind.ITERATION]
    numbers = [payload["iteration"] for payload in iterations]
    assert numbers == sorted(numbers)
    assert {payload["start"] for payload in iterations} == {1}
    assert np.shape(iterations[-1]["covariances"]) == (2, 2, 2)
    assert events[-1].kind is FitEventKind.STATUS


def test_a_cancelled_fit_is_not_run(town, fit):
    town.fit_service.cancel(fit.id)
    assert town.runner.run(fit.id) is None


def test_a_fit_cancelled_while_it_runs_stores_nothing(town, fit, monkeypatch):
    report = town.fits.report

    def cancel_then_report(*arguments):
        town.fit_service.cancel(fit.id)
        report(*arguments)

    monkeypatch.setattr(town.fits, "report", cancel_then_report)
    assert town.runner.run(fit.id) is None
    assert town.fit_service.get(fit.id).status is FitState.CANCELLED
    with pytest.raises(ModelNotFoundError):
        town.model_service.get(f"m{fit.id}")


def test_a_fit_taken_over_by_a_newer_attempt_stores_nothing(town, fit, monkeypatch):
    rows = town.datasets.rows

    def start_again_then_read(dataset_id):
        monkeypatch.undo()
        town.fits.start(fit.id, town.clock())
        return rows(dataset_id)

    monkeypatch.setattr(town.datasets, "rows", start_again_then_read)
    assert town.runner.run(fit.id) is None
    assert town.fit_service.get(fit.id).attempt == 2
    assert town.fit_service.get(fit.id).status is FitState.RUNNING


def test_a_fit_whose_dataset_is_gone_fails_with_that_code(town, fit, dataset):
    town.dataset_service.delete(dataset.id)
    failed = town.runner.run(fit.id)
    assert failed.status is FitState.FAILED
    assert failed.error.code == "dataset-not-found"
    assert failed.model_id is None


def test_a_fit_that_the_engine_refuses_fails_with_its_reason(town):
    rows = np.array([[1.0], [1.0], [2.0], [2.0]])
    dataset = town.dataset_service.create(Table(rows))
    fit = town.fit_service.submit(FitRequest(dataset.id, 3))
    failed = town.runner.run(fit.id)
    assert failed.status is FitState.FAILED
    assert failed.error.code == "fit-failed"
    assert failed.error.detail == (
        "Each of 3 components needs a row of its own, but the dataset has 2 different "
        "rows; ask for fewer components, or send rows that differ."
    )


@pytest.mark.parametrize(
    ("columns", "named"), [(None, "Column 2"), (("a", "b"), "Column 2 ('b')")]
)
def test_a_column_beyond_the_engine_is_named_as_a_client_counts(town, columns, named):
    rows = np.array([[1.0, -1e300], [2.0, 1e300], [3.0, 0.0]])
    dataset = town.dataset_service.create(Table(rows, columns))
    failed = town.runner.run(town.fit_service.submit(FitRequest(dataset.id, 1)).id)
    assert failed.error.detail.startswith(f"{named} of the dataset varies")
    assert failed.error.detail.endswith("Rescale it.")


def test_a_corrupt_dataset_fails_the_fit(town, fit, monkeypatch):
    def fail(_):
        raise CorruptValueError("The dataset is damaged.")

    monkeypatch.setattr(town.datasets, "rows", fail)
    assert town.runner.run(fit.id).error.code == "corrupt-value"


def test_a_store_that_is_away_is_not_blamed_on_the_fit(town, fit, monkeypatch):
    def fail(_):
        raise StorageUnavailableError("away")

    monkeypatch.setattr(town.datasets, "rows", fail)
    impatient = replace(town.runner, patience=Patience(0))
    with pytest.raises(StorageUnavailableError):
        impatient.run(fit.id)
    assert town.fit_service.get(fit.id).status is FitState.RUNNING


def full_for(town, monkeypatch, n_times, patience_seconds=60):
    """Let the store be full for the next models; return who waits, and the waits."""
    succeed, left, waits = town.fits.succeed, [None] * n_times, []

    def refuse(*arguments):
        if left:
            left.pop()
            raise StorageFullError("The store is full.")
        return succeed(*arguments)

    monkeypatch.setattr(town.fits, "succeed", refuse)
    patience = Patience(patience_seconds, pause=waits.append)
    return replace(town.runner, patience=patience), waits


def test_a_model_waits_for_room_in_a_full_store(town, fit, monkeypatch):
    runner, waits = full_for(town, monkeypatch, 3)
    assert runner.run(fit.id).status is FitState.SUCCEEDED
    assert len(waits) == 3


def test_a_fit_whose_model_finds_no_room_fails_and_says_so(town, fit, monkeypatch):
    runner, _ = full_for(town, monkeypatch, 4, patience_seconds=0)
    failed = runner.run(fit.id)
    assert failed.status is FitState.FAILED
    assert failed.error.code == "store-full"
    assert failed.model_id is None


def test_a_full_store_loses_iterations_but_not_the_fit(town, fit, monkeypatch):
    def refuse(*_):
        raise StorageFullError("The store is full.")

    monkeypatch.setattr(town.fits, "report", refuse)
    assert town.runner.run(fit.id).status is FitState.SUCCEEDED


def test_an_unexpected_error_fails_the_fit_and_is_raised(town, fit, monkeypatch):
    def fail(_):
        raise RuntimeError("a secret")

    monkeypatch.setattr(town.datasets, "rows", fail)
    with pytest.raises(RuntimeError):
        town.runner.run(fit.id)
    error = town.fit_service.get(fit.id).error
    assert error.code == "internal-error"
    assert "secret" not in error.detail


def test_the_same_request_gives_the_same_model(town, dataset):
    requests = [FitRequest(dataset.id, 3, n_init=2, random_state=1) for _ in range(2)]
    means = []
    for request in requests:
        model_id = town.runner.run(town.fit_service.submit(request).id).model_id
        means.append(town.models.mixture(model_id).means)
    np.testing.assert_array_equal(*means)


@pytest.mark.parametrize(
    ("columns", "named"), [(None, "feature 1"), (("width", "height"), "'height'")]
)
def test_the_model_says_what_was_noticed_about_the_data(town, columns, named):
    rows = np.column_stack([np.arange(40.0), np.full(40, 5.0)])
    dataset = town.dataset_service.create(Table(rows, columns))
    fit = town.fit_service.submit(FitRequest(dataset.id, 1))
    model = town.models.get(town.runner.run(fit.id).model_id)
    (found,) = [d for d in model.diagnostics if d.kind == "constant_feature"]
    assert found.feature == 1
    assert named in found.detail
    assert "same value" in found.detail


def test_progress_tells_the_comparison_of_starts_from_em_on_all_rows(town):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(30_000, 2)) + rng.integers(4, size=(30_000, 1)) * 3
    fit = town.fit_service.submit(
        FitRequest(town.dataset_service.create(Table(rows)).id, 4)
    )
    town.runner.run(fit.id)
    told = [event.payload for event in town.fits.events(fit.id, "0", 0)]
    phases = [payload["phase"] for payload in told if "phase" in payload]
    full = [p["log_likelihood"] for p in told if p.get("phase") == "full"]
    assert phases[-1] == "full"
    assert full == sorted(full)
    assert len(full) >= 2
    assert town.fits.get(fit.id).progress.phase == "full"


def test_numbers_of_numpy_are_told_as_plain_ones(town, fit, monkeypatch):
    """The store takes JSON, and knows no others."""
    told = []
    report = town.fits.report

    def note(fit, progress, *rest):
        told.append(progress)
        report(fit, progress, *rest)

    def numpy_fit(rows, on_iteration, **options):
        def on_numpy(state):
            return on_iteration(
                replace(
                    state,
                    iteration=np.int64(state.iteration),
                    log_likelihood=np.float64(state.log_likelihood),
                )
            )

        return engine_fit(rows, on_iteration=on_numpy, **options)

    engine_fit = gmm_engine.fit
    monkeypatch.setattr(gmm_engine, "fit", numpy_fit)
    monkeypatch.setattr(town.fits, "report", note)
    town.runner.run(fit.id)
    assert {type(progress.log_likelihood) for progress in told} == {float}
    assert {type(progress.iteration) for progress in told} == {int}
