"""A fit that is interrupted, or whose store is away, loses nothing."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from service.domain.fits import FitEventKind, FitRequest, FitState
from service.domain.tables import Table
from service.errors import (
    CorruptValueError,
    StorageFullError,
    StorageUnavailableError,
)
from service.use_cases.patience import Patience
from service.use_cases.reporting import FitInterruptedError


@pytest.fixture
def dataset(town):
    """Two clusters that overlap, so that EM takes its time."""
    rows = np.random.default_rng(1).normal(size=(300, 2))
    rows[:150] += 2
    return town.dataset_service.create(Table(rows))


@pytest.fixture
def long_fit(town, dataset):
    return town.fit_service.submit(FitRequest(dataset.id, 2, tol=0, max_iter=30))


def interrupted(town, fit_id, after=3):
    """Run a fit until it is asked to stop after some iterations."""
    asked = count()
    runner = replace(town.runner, is_stopping=lambda: next(asked) >= after)
    with pytest.raises(FitInterruptedError):
        runner.run(fit_id)


def iterations(town, fit_id):
    events = town.fits.events(fit_id, "0", 0)
    told = [e.payload for e in events if e.kind is FitEventKind.ITERATION]
    return [each["iteration"] for each in told if each["phase"] == "full"]


def patient(seconds=60.0, waited=None):
    """Patience whose time passes only while it waits."""
    slept = [] if waited is None else waited
    return Patience(seconds, monotonic=lambda: sum(slept), pause=slept.append)


def failing(method, n_times, error, does_it_first=False):
    left = iter([error] * n_times)

    def call(*arguments):
        raised = next(left, None)
        if raised is None:
            return method(*arguments)
        if does_it_first:
            method(*arguments)
        raise raised

    return call


def test_an_interrupted_fit_goes_on_where_it_stood_and_ends_the_same(
    town, dataset, long_fit
):
    undisturbed = town.fit_service.submit(long_fit.request)
    expected = town.models.mixture(town.runner.run(undisturbed.id).model_id)
    interrupted(town, long_fit.id)
    told = iterations(town, long_fit.id)
    finished = town.runner.run(long_fit.id)
    assert finished.attempt == 2
    assert iterations(town, long_fit.id)[len(told)] == told[-1] + 1
    assert iterations(town, long_fit.id) == iterations(town, undisturbed.id)
    found = town.models.mixture(finished.model_id)
    np.testing.assert_allclose(found.means, expected.means, rtol=1e-9)
    np.testing.assert_allclose(found.covariances, expected.covariances, rtol=1e-9)
    assert town.fits.checkpoint(long_fit.id) is None


def test_a_fit_interrupted_between_its_searches_does_not_begin_anew(town, dataset):
    request = FitRequest(dataset.id, 3, n_init=6, tol=0, max_iter=30)
    undisturbed = town.fit_service.submit(request)
    expected = town.models.mixture(town.runner.run(undisturbed.id).model_id)
    fit = town.fit_service.submit(request)
    interrupted(town, fit.id, after=2)
    assert town.fits.checkpoint(fit.id).numbers["n_done"] == 3
    finished = town.runner.run(fit.id)
    starts = [
        event.payload["start"]
        for event in town.fits.events(fit.id, "0", 0)
        if event.kind is FitEventKind.ITERATION and event.payload["phase"] == "search"
    ]
    assert starts == [1, 2, 3, 4, 5]
    found = town.models.mixture(finished.model_id)
    np.testing.assert_allclose(found.means, expected.means, rtol=1e-9)


def test_a_damaged_checkpoint_means_a_new_beginning(town, long_fit, monkeypatch):
    interrupted(town, long_fit.id)

    def fail(_):
        raise CorruptValueError("damaged")

    monkeypatch.setattr(town.fits, "checkpoint", fail)
    assert town.runner.run(long_fit.id).status is FitState.SUCCEEDED
    assert iterations(town, long_fit.id).count(0) == 2


def test_a_checkpoint_of_other_data_means_a_new_beginning(town, long_fit, monkeypatch):
    interrupted(town, long_fit.id)
    rows = town.datasets.rows(long_fit.request.dataset_id)
    monkeypatch.setattr(town.datasets, "rows", lambda _: rows + 1)
    assert town.runner.run(long_fit.id).status is FitState.SUCCEEDED
    assert iterations(town, long_fit.id).count(0) == 2


@pytest.mark.parametrize("name", ["means", "options", "log_likelihoods"])
def test_a_checkpoint_that_the_engine_refuses_means_a_new_beginning(
    town, long_fit, monkeypatch, name
):
    interrupted(town, long_fit.id)
    checkpoint = town.fits.checkpoint(long_fit.id)
    refused = replace(checkpoint, arrays=checkpoint.arrays | {name: np.ones((200, 2))})
    monkeypatch.setattr(town.fits, "checkpoint", lambda _: refused)
    assert town.runner.run(long_fit.id).status is FitState.SUCCEEDED
    assert iterations(town, long_fit.id).count(0) == 2


@pytest.mark.parametrize(
    "error", [StorageUnavailableError("away"), StorageFullError("full")]
)
def test_a_store_that_is_away_for_a_while_costs_no_attempt(
    town, long_fit, monkeypatch, error
):
    for name in ("start", "report", "succeed"):
        method = getattr(town.fits, name)
        monkeypatch.setattr(town.fits, name, failing(method, 3, error))
    rows = failing(town.datasets.rows, 3, error)
    monkeypatch.setattr(town.datasets, "rows", rows)
    finished = replace(town.runner, patience=patient()).run(long_fit.id)
    assert finished.status is FitState.SUCCEEDED
    assert finished.attempt == 1
    # Nothing of what happened meanwhile is missing.
    told = iterations(town, long_fit.id)
    assert told == sorted(told)
    assert len(told) == town.models.get(finished.model_id).n_iter + 1


def test_a_success_whose_answer_was_lost_is_a_success(town, fit, monkeypatch):
    error = StorageUnavailableError("the answer was lost")
    succeed = failing(town.fits.succeed, 1, error, does_it_first=True)
    monkeypatch.setattr(town.fits, "succeed", succeed)
    finished = replace(town.runner, patience=patient()).run(fit.id)
    assert finished.status is FitState.SUCCEEDED
    assert finished.attempt == 1


def test_patience_asks_less_and_less_often_and_ends():
    waited: list[float] = []
    error = StorageUnavailableError("away")
    with pytest.raises(StorageUnavailableError):
        patient(60.0, waited).insist(failing(lambda: None, 1000, error))
    assert 50 < sum(waited) <= 60
    assert len(waited) < 20
    assert waited == sorted(waited)


def test_other_errors_are_not_waited_for():
    waited: list[float] = []
    with pytest.raises(CorruptValueError):
        patient(60.0, waited).insist(failing(None, 1, CorruptValueError("damaged")))
    assert waited == []


def test_all_time_that_the_store_takes_is_waiting():
    """The first try too: a store that stands still takes seconds to fail it."""
    seen: list[str] = []

    @contextmanager
    def waiting():
        seen.append("waits")
        yield
        seen.append("goes on")

    patience = replace(patient(), waiting=waiting)
    ask = failing(lambda: seen.append("asked"), 3, StorageUnavailableError("away"))
    patience.insist(ask)
    assert seen == ["waits", "asked", "goes on"]


def test_the_store_is_told_of_iterations_while_the_clock_stands(
    town, long_fit, monkeypatch
):
    stopped: list[bool] = [False]
    reports: list[bool] = []

    @contextmanager
    def waiting():
        stopped[0] = True
        yield
        stopped[0] = False

    report = town.fits.report

    def noted(*arguments):
        reports.append(stopped[0])
        return report(*arguments)

    monkeypatch.setattr(town.fits, "report", noted)
    patience = replace(patient(), waiting=waiting)
    replace(town.runner, patience=patience).run(long_fit.id)
    assert reports
    assert all(reports)
    assert not stopped[0]


def test_without_patience_nobody_waits():
    waited: list[float] = []
    with pytest.raises(StorageUnavailableError):
        patient(0.0, waited).insist(failing(None, 1, StorageUnavailableError("away")))
    assert waited == []
