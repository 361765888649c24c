from __future__ import annotations

from dataclasses import replace

import pytest

from service.domain.fits import FitRequest
from service.domain.pages import PageRequest
from service.errors import (
    DatasetInUseError,
    DatasetNotFoundError,
    QueueFullError,
    StorageFullError,
    TooManyQueuedFitsError,
)
from service.use_cases.queueing import QueueLimits
from tests.unit.service.use_cases.conftest import heaps


def limited(town, **limits):
    """The services with a bound on the queue."""
    fits = replace(town.fit_service, limits=QueueLimits(**limits))
    return replace(town.services, fits=fits)


def test_a_waiting_fit_knows_its_place_and_others_have_none(town, dataset):
    ids = [town.fit_service.submit(FitRequest(dataset.id, 2)).id for _ in range(3)]
    places = [town.fit_service.get(fit_id).queue_position for fit_id in ids]
    assert places == [1, 2, 3]
    listed = town.fit_service.list(PageRequest(10)).items
    assert [fit.queue_position for fit in listed] == [3, 2, 1]
    town.queue.waiting.remove(ids[0])
    town.runner.run(ids[0])
    places = [town.fit_service.get(fit_id).queue_position for fit_id in ids]
    assert places == [None, 1, 2]


def test_a_submitted_fit_is_told_its_place(town, dataset):
    places = [
        town.fit_service.submit(FitRequest(dataset.id, 2)).queue_position
        for _ in range(2)
    ]
    assert places == [1, 2]


def test_a_tenant_may_have_so_many_fits_waiting(town, dataset):
    services = limited(town, of_tenant=2)
    request = FitRequest(dataset.id, 2)
    first = services.fits.submit(request)
    services.fits.submit(request)
    with pytest.raises(TooManyQueuedFitsError) as caught:
        services.fits.submit(request)
    assert caught.value.retry_after_seconds == 10
    town.runner.run(first.id)
    assert services.fits.submit(request)


def test_a_full_queue_refuses_whoever_asks(town, dataset):
    town.queue.waiting += ["of", "others"]
    with pytest.raises(QueueFullError, match="2 fits wait"):
        limited(town, of_all=2).fits.submit(FitRequest(dataset.id, 2))
    assert limited(town, of_all=3).fits.submit(FitRequest(dataset.id, 2))


def test_when_to_try_again_follows_from_recent_fits_and_workers(town, dataset):
    # The clock steps by a second: a fit takes two, from its start to its end.
    for _ in range(3):
        town.runner.run(town.fit_service.submit(FitRequest(dataset.id, 2)).id)
    took = town.fits.recent_seconds()
    town.queue.waiting = ["other"]
    with pytest.raises(QueueFullError) as caught:
        limited(town, of_all=1).fits.submit(FitRequest(dataset.id, 2))
    assert caught.value.retry_after_seconds == max(1.0, sorted(took)[1] / 2)


def test_a_table_is_not_stored_for_a_fit_that_finds_no_place(town):
    town.queue.waiting = ["other"]
    with pytest.raises(QueueFullError):
        limited(town, of_all=1).submit_fit(heaps(), {"n_components": 2})
    assert town.dataset_service.list(PageRequest(10)).items == ()


def test_a_table_is_removed_when_there_is_no_room_for_its_fit(town, monkeypatch):
    def refuse(_):
        raise StorageFullError("The store is full.")

    monkeypatch.setattr(town.fits, "add", refuse)
    with pytest.raises(StorageFullError):
        town.services.submit_fit(heaps(), {"n_components": 2})
    assert town.dataset_service.list(PageRequest(10)).items == ()


def test_a_dataset_is_deleted_only_when_no_fit_waits_for_it(town, fit, dataset):
    other = town.dataset_service.create(heaps())
    with pytest.raises(DatasetInUseError, match="queued"):
        town.services.delete_dataset(dataset.id)
    started = town.fits.start(fit.id, town.clock())
    with pytest.raises(DatasetInUseError, match="running"):
        town.services.delete_dataset(dataset.id)
    town.services.delete_dataset(other.id)
    town.fit_service.cancel(started.id)
    town.services.delete_dataset(dataset.id)
    with pytest.raises(DatasetNotFoundError):
        town.services.delete_dataset(dataset.id)
