"""What breaks heals by itself, and fits go on from where they stood."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
from redis import Redis

from gmm_engine.checkpoint import Phase
from service.storage.connection import StoreClients
from service.storage.fits import RedisFitRepository
from tests.chaos.leftovers import left_behind
from tests.integration.processes import eventually, kill
from tests.integration.running import SHORT, Service, cloud, running_service

# Of `many_rows`: seconds of search, then iterations until it is cancelled.
LONG = {"n_components": 16, "tol": 0, "max_iter": 100_000, "random_state": 1}


@pytest.fixture(scope="module")
def patient(tmp_path_factory) -> Iterator[Service]:
    """A service whose parts may break, as long as it heals by itself."""
    with running_service(tmp_path_factory.mktemp("p", numbered=True)) as service:
        yield service


@pytest.fixture
def store(patient) -> Iterator[Redis]:
    """A client of the service's store."""
    client = Redis.from_url(url_of(patient), socket_timeout=5)
    yield client
    client.close()


@pytest.fixture
def dataset_id(patient) -> str:
    return patient.many_rows()


def url_of(service: Service) -> str:
    return f"unix://{service.state_dir}/store.sock"


def iterations(service: Service, fit_id: str) -> list[list[int]]:
    """The numbers of the iterations that each attempt told."""
    clients = StoreClients(url_of(service))
    told: list[list[int]] = []
    for event in RedisFitRepository(clients).events(fit_id, "0", 0):
        if event.kind == "status":
            told.append([])
        else:
            told[-1].append(int(str(event.payload["iteration"])))
    clients.close()
    return told[1:]


@pytest.fixture
def long_fit(patient, dataset_id) -> Iterator[str]:
    """The id of a fit in EM on all rows, with a checkpoint."""
    fit_id = patient.submit(dataset_id=dataset_id, **LONG)
    wait_for_checkpoint(patient, fit_id)
    yield fit_id
    # Unless the test did; one that has come to its end was not long enough for it.
    if patient.fit(fit_id)["status"] != "cancelled":
        cancel(patient, fit_id)


def wait_for_checkpoint(service: Service, fit_id: str) -> None:
    """Wait until the store has one of EM on all rows, not of its very beginning."""
    clients = StoreClients(url_of(service))
    fits = RedisFitRepository(clients)

    def is_there() -> bool:
        checkpoint = fits.checkpoint(fit_id)
        return (
            checkpoint is not None
            and checkpoint.phase is Phase.FULL
            and checkpoint.iteration > 1
        )

    eventually(is_there, 60, "a checkpoint")
    clients.close()


def wait_for_second_attempt(service: Service, fit_id: str) -> list[int]:
    """Return the first iterations that a second attempt told."""

    def told() -> list[int]:
        attempts = iterations(service, fit_id)
        return attempts[1] if len(attempts) > 1 else []

    return eventually(told, 30, "a second attempt")


def cancel(service: Service, fit_id: str) -> None:
    answer = service.post(f"/v1/fits/{fit_id}/cancel")
    assert answer.status_code == 202, answer.text


def test_a_fit_goes_on_from_its_checkpoint_after_a_death(patient, store, long_fit):
    kill(*patient.work_horses)
    assert wait_for_second_attempt(patient, long_fit)[0] > 1
    assert store.hget(f"rq:job:{long_fit}", "retries_left") == b"1"
    cancel(patient, long_fit)
    eventually(lambda: not store.exists(f"rq:job:{long_fit}"), what="the job's end")
    assert not store.exists(f"gmm:default:fit-checkpoint:{long_fit}")


@pytest.mark.parametrize("reason", [signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_worker_hands_its_fit_back_with_all_its_work(
    patient, store, long_fit, reason
):
    (worker,) = patient.workers
    began = time.monotonic()
    # The end of a terminal is told to all; what it means to a work-horse, not by it.
    signalled = (worker, *patient.work_horses) if reason is signal.SIGHUP else (worker,)
    for pid in signalled:
        os.kill(pid, reason)
    eventually(lambda: worker not in patient.workers, 10, "the worker's end")
    assert time.monotonic() - began < 10
    first = wait_for_second_attempt(patient, long_fit)[0]
    # Not one iteration was done twice: the last thing it did was a checkpoint. Where
    # they are quick, many are told at once.
    told = iterations(patient, long_fit)[0]
    step = max(later - earlier for earlier, later in pairwise(told))
    assert 0 < first - told[-1] <= step
    # Nobody died of it.
    assert store.hget(f"rq:job:{long_fit}", "retries_left") == b"2"


def test_a_damaged_checkpoint_is_not_used(patient, store, dataset_id):
    fit_id = patient.submit(dataset_id=dataset_id, **SHORT | {"max_iter": 600})
    key = f"gmm:default:fit-checkpoint:{fit_id}"
    patient.wait_until_running(fit_id)
    (horse,) = eventually(lambda: patient.work_horses, what="a work-horse")
    os.kill(horse, signal.SIGSTOP)
    store.set(key, b"no checkpoint")
    kill(horse)
    assert patient.wait_until_succeeded(fit_id)["attempt"] == 2


def test_a_killed_store_is_back_soon_and_a_running_fit_does_not_mind(
    patient, dataset_id
):
    fit_id = patient.submit(dataset_id=dataset_id, **SHORT)
    patient.wait_until_running(fit_id)
    began = time.monotonic()
    kill(patient.store)
    eventually(lambda: patient.get("/readyz").status_code == 200, 20, "a ready service")
    assert time.monotonic() - began < 15
    assert patient.wait_until_succeeded(fit_id, 60)["attempt"] == 1
    assert patient.get(f"/v1/datasets/{dataset_id}").status_code == 200


def test_a_store_that_stands_still_is_told_and_a_running_fit_does_not_mind(
    patient, dataset_id
):
    fit_id = patient.submit(dataset_id=dataset_id, **SHORT)
    patient.wait_until_running(fit_id)
    store, workers, before = patient.store, patient.workers, len(patient.log)
    os.kill(store, signal.SIGSTOP)
    try:
        answer = patient.get(f"/v1/fits/{fit_id}")
        assert answer.status_code == 503
        assert answer.json()["code"] == "store-unavailable"
        assert int(answer.headers["Retry-After"]) >= 1
        assert patient.get("/healthz").status_code == 200
    finally:
        os.kill(store, signal.SIGCONT)
    assert patient.wait_until_succeeded(fit_id, 60)["attempt"] == 1
    assert patient.workers == workers
    assert patient.log[before:].count("store is away") <= 1
    assert "Traceback" not in patient.log[before:]


def test_a_fit_waits_for_room_in_a_full_store(patient, store, dataset_id):
    fit_id = patient.submit(dataset_id=dataset_id, **SHORT)
    patient.wait_until_running(fit_id)
    store.config_set("maxmemory", 1)
    try:
        answer = patient.post("/v1/datasets", json={"data": cloud().tolist()})
        assert answer.status_code == 507
        assert answer.json()["code"] == "store-full"
        assert int(answer.headers["Retry-After"]) >= 1
        # What was stored can be read.
        assert patient.get(f"/v1/fits/{fit_id}").status_code == 200
        time.sleep(1)
    finally:
        store.config_set("maxmemory", 0)
    assert patient.wait_until_succeeded(fit_id, 60)["attempt"] == 1


def test_the_queue_is_made_again_from_the_fits(patient, store, dataset_id):
    running = patient.submit(dataset_id=dataset_id, **SHORT)
    waiting = [patient.submit(data=cloud().tolist(), n_components=2) for _ in range(3)]
    patient.wait_until_running(running)
    store.delete(*store.keys("rq:*"))
    for fit_id in (running, *waiting):
        patient.wait_until_succeeded(fit_id, 60)

    def workers() -> int:
        return int(store.scard("rq:workers:fits"))

    assert eventually(workers, 20, "the worker") == 1


def test_a_fit_cancelled_at_any_moment_leaves_no_trace(patient, store):
    rows = cloud(2000).tolist()
    before = len(patient.log)
    for number in range(12):
        fit_id = patient.submit(data=rows, n_components=4, random_state=number)
        time.sleep(0.01 * number)
        assert patient.post(f"/v1/fits/{fit_id}/cancel").status_code in (202, 409)
    patient.wait_until_succeeded(patient.submit(data=rows, n_components=2), 30)
    eventually(lambda: not store.keys("rq:job:*"), 20, "the end of all jobs")
    assert "Traceback" not in patient.log[before:]
    assert left_behind(store) == []
