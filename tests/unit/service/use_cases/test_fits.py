from __future__ import annotations

import threading

import pytest

from service.domain.fits import Fit, FitEvent, FitRequest, FitState
from service.domain.pages import PageRequest
from service.errors import (
    DatasetNotFoundError,
    FitAlreadyFinishedError,
    FitNotFoundError,
    InvalidRequestError,
    StorageUnavailableError,
)
from tests.unit.service.use_cases.conftest import heaps


def test_a_submitted_fit_is_stored_queued_and_seeded(town, fit):
    assert fit.status is FitState.QUEUED
    assert fit.request.random_state == 42
    assert town.fit_service.get(fit.id) == fit
    assert town.queue.waiting == [fit.id]


def test_a_given_seed_is_kept(town, dataset):
    fit = town.fit_service.submit(FitRequest(dataset.id, 2, random_state=0))
    assert fit.request.random_state == 0


def test_a_fit_of_an_unknown_dataset_is_refused(town):
    with pytest.raises(DatasetNotFoundError):
        town.fit_service.submit(FitRequest("none", 2))
    assert town.queue.waiting == []


def test_a_fit_needs_a_row_for_each_component(town, dataset):
    with pytest.raises(InvalidRequestError) as caught:
        town.fit_service.submit(FitRequest(dataset.id, 41))
    assert caught.value.places[0].pointer == "/n_components"
    assert town.fit_service.submit(FitRequest(dataset.id, 40))


def test_a_fit_that_could_not_be_queued_is_on_record(town, dataset):
    town.queue.error = StorageUnavailableError("away")
    with pytest.raises(StorageUnavailableError):
        town.fit_service.submit(FitRequest(dataset.id, 2))
    # Its record is what the workers' recovery goes by.
    (fit,) = town.fit_service.list(PageRequest(10)).items
    assert fit.status is FitState.QUEUED


def test_a_table_is_stored_with_its_fit_but_not_without(town):
    with pytest.raises(InvalidRequestError):
        town.services.submit_fit(heaps(4), {"n_components": 5})
    assert town.dataset_service.list(PageRequest(10)).items == ()
    fit = town.services.submit_fit(heaps(4), {"n_components": 4})
    assert town.dataset_service.get(fit.request.dataset_id).n_samples == 4


def test_a_cancelled_fit_is_withdrawn_and_stays_cancelled(town, fit):
    assert town.fit_service.cancel(fit.id).status is FitState.CANCELLED
    assert town.queue.withdrawn == [fit.id]
    with pytest.raises(FitAlreadyFinishedError):
        town.fit_service.cancel(fit.id)
    assert town.queue.withdrawn == [fit.id]


def test_waiting_for_an_unknown_fit_is_refused_at_once(town):
    with pytest.raises(FitNotFoundError):
        town.fit_service.wait("none", 60)


def test_waiting_ends_with_the_fit(town, fit):
    worker = threading.Timer(0.02, town.runner.run, [fit.id])
    worker.start()
    assert town.fit_service.wait(fit.id, 60).status is FitState.SUCCEEDED
    worker.join()


def test_waiting_ends_when_the_time_is_up(town, fit):
    assert town.fit_service.wait(fit.id, 0.02).status is FitState.QUEUED
    assert town.fit_service.wait(fit.id, 0).status is FitState.QUEUED


def test_a_finished_fit_is_watched_from_its_first_event_to_its_end(town, fit):
    town.runner.run(fit.id)
    *events, last = town.fit_service.watch(fit.id)
    assert isinstance(last, Fit)
    assert last.status is FitState.SUCCEEDED
    assert all(isinstance(event, FitEvent) for event in events)
    assert len({event.id for event in events}) == len(events)


def test_a_watch_resumes_after_an_event(town, fit):
    town.runner.run(fit.id)
    items = list(town.fit_service.watch(fit.id))
    assert list(town.fit_service.watch(fit.id, items[1].id)) == items[2:]
    assert list(town.fit_service.watch(fit.id, items[-2].id)) == items[-1:]


def test_a_watched_fit_is_told_first_then_its_events_then_silence(town, fit):
    watched = town.fit_service.watch(fit.id, beat_seconds=0.0)
    assert next(watched) == fit
    assert isinstance(next(watched), FitEvent)
    assert next(watched) is None
    town.runner.run(fit.id)
    *_, last = watched
    assert last.status is FitState.SUCCEEDED


def test_watching_an_unknown_fit_is_refused(town):
    with pytest.raises(FitNotFoundError):
        next(town.fit_service.watch("none"))
