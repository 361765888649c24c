from __future__ import annotations

import pytest

from service.worker.notes import StopNotes
from service.worker.queue import RqFitQueue, rq_queue
from service.worker.recovery import Records, Recovery
from tests.fakes import InMemoryFitRepository
from tests.records import NOW


@pytest.fixture
def connection(store_clients):
    return store_clients.ordinary


@pytest.fixture
def jobs(connection):
    """RQ's queue, to see what is in it."""
    return rq_queue(connection)


@pytest.fixture
def queue(connection):
    return RqFitQueue(connection, "acme")


@pytest.fixture
def fits():
    return InMemoryFitRepository()


@pytest.fixture
def notes(tmp_path):
    return StopNotes(tmp_path / "notes")


@pytest.fixture
def recovery(jobs, fits, notes):
    records = Records(lambda: ["acme"], lambda _: fits, lambda: NOW)
    return Recovery(jobs, records, notes)
