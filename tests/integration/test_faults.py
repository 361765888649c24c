"""Processes are killed, and no fit is lost."""

from __future__ import annotations

import time
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from tests.integration.processes import eventually, is_alive, kill
from tests.integration.running import ENDLESS, SHORT, Service, cloud, running_service


@pytest.fixture(scope="module")
def victim(tmp_path_factory):
    """A service whose processes may be killed, as long as it heals by itself."""
    with running_service(tmp_path_factory.mktemp("v", numbered=True)) as service:
        yield service


def kill_work_horse(service: Service, fit_id: str, attempt: int) -> None:
    service.wait_until_running(fit_id, attempt)
    kill(*eventually(lambda: service.work_horses, what="a work-horse"))


def test_a_fit_survives_the_death_of_its_work_horse(victim):
    fit_id = victim.submit(dataset_id=victim.many_rows(), **SHORT)
    kill_work_horse(victim, fit_id, attempt=1)
    began = time.monotonic()
    victim.wait_until_running(fit_id, attempt=2)
    assert time.monotonic() - began < 2
    assert victim.wait_until_succeeded(fit_id)["attempt"] == 2


def test_a_fit_gives_the_same_model_after_a_death(victim):
    dataset_id = victim.many_rows()
    undisturbed = victim.submit(dataset_id=dataset_id, **SHORT)
    expected = victim.wait_until_succeeded(undisturbed)["model_id"]
    fit_id = victim.submit(dataset_id=dataset_id, **SHORT)
    kill_work_horse(victim, fit_id, attempt=1)
    model_id = victim.wait_until_succeeded(fit_id)["model_id"]
    means = [
        victim.get(f"/v1/models/{model}").json()["means"]
        for model in (expected, model_id)
    ]
    assert means[0] == means[1]


def test_a_fit_that_kills_three_work_horses_fails_and_the_worker_lives(victim):
    (worker,) = victim.workers
    fit_id = victim.submit(dataset_id=victim.many_rows(), **ENDLESS)
    for attempt in (1, 2, 3):
        kill_work_horse(victim, fit_id, attempt)
    fit = victim.fit(fit_id, wait=10)
    assert fit["status"] == "failed"
    assert fit["error"]["code"] == "worker-died"
    assert "signal 9 (SIGKILL)" in fit["error"]["detail"]
    victim.wait_until_succeeded(
        victim.submit(data=cloud().tolist(), n_components=2), seconds=10
    )
    assert victim.workers == [worker]


def test_a_fit_survives_the_death_of_its_worker(victim):
    fit_id = victim.submit(dataset_id=victim.many_rows(), **SHORT)
    victim.wait_until_running(fit_id)
    (worker,), horses = victim.workers, victim.work_horses
    kill(worker)
    eventually(lambda: not any(map(is_alive, horses)), what="the end of the work-horse")
    began = time.monotonic()
    fit = victim.wait_until_succeeded(fit_id)
    assert fit["attempt"] == 2
    assert time.monotonic() - began < 15


def test_cancel_stops_the_work_horse_within_a_second(victim):
    fit_id = victim.submit(dataset_id=victim.many_rows(), **ENDLESS)
    victim.wait_until_running(fit_id)
    horses = eventually(lambda: victim.work_horses)
    began = time.monotonic()
    answer = victim.post(f"/v1/fits/{fit_id}/cancel")
    assert answer.status_code == 202
    assert victim.fit(fit_id)["status"] == "cancelled"
    eventually(
        lambda: not any(map(is_alive, horses)), 1, what="the end of the work-horse"
    )
    assert time.monotonic() - began < 1
    # The worker is free again.
    victim.wait_until_succeeded(
        victim.submit(data=cloud().tolist(), n_components=2), seconds=10
    )


def test_a_cancelled_fit_that_waits_is_never_started(victim):
    first = victim.submit(dataset_id=victim.many_rows(), **ENDLESS)
    second = victim.submit(data=cloud().tolist(), n_components=2)
    victim.wait_until_running(first)
    assert victim.post(f"/v1/fits/{second}/cancel").status_code == 202
    assert victim.post(f"/v1/fits/{first}/cancel").status_code == 202
    victim.wait_until_succeeded(
        victim.submit(data=cloud().tolist(), n_components=2), seconds=10
    )
    assert victim.fit(second)["attempt"] == 0


def test_the_api_and_the_store_are_started_again(victim):
    dataset_id = victim.upload(cloud())
    api = [pid for pid in victim.everything if pid not in (victim.pid, *victim.workers)]
    kill(*api)

    def answers() -> bool:
        try:
            answer = victim.get(f"/v1/datasets/{dataset_id}")
        except OSError:
            return False
        return bool(answer.status_code == 200)

    eventually(answers, 15, what="an answer")
    eventually(lambda: victim.workers, what="a worker")
    victim.wait_until_succeeded(
        victim.submit(dataset_id=dataset_id, n_components=2), seconds=30
    )


def test_everything_survives_the_death_of_every_process(own_folder: Path):
    with running_service(own_folder) as service:
        rows = cloud()
        model_id = service.wait_until_succeeded(
            service.submit(data=rows.tolist(), n_components=3)
        )["model_id"]
        path = f"/v1/models/{model_id}"
        before = service.get(path).json()
        running = service.submit(dataset_id=service.many_rows(), **SHORT)
        waiting = service.submit(data=rows.tolist(), n_components=2)
        service.wait_until_running(running)
        killed = service.everything
        service.kill_everything()
        eventually(lambda: not any(map(is_alive, killed)), what="the end of all")

        service.start()
        assert service.get(path).json() == before
        assert service.wait_until_succeeded(running)["attempt"] == 2
        assert service.wait_until_succeeded(waiting)["attempt"] == 1


def test_no_process_outlives_a_killed_supervisor_but_the_store(own_folder: Path):
    with running_service(own_folder) as service:
        fit_id = service.submit(dataset_id=service.many_rows(), **SHORT)
        service.wait_until_running(fit_id)
        store = service.store
        others = [pid for pid in service.everything if pid != store]
        kill(service.pid)
        service.process.wait()
        eventually(lambda: not any(map(is_alive, others)), what="the end of all")
        assert is_alive(store)

        service.start()
        assert service.wait_until_succeeded(fit_id)["attempt"] == 2
        assert service.stop() == 0
        eventually(lambda: not is_alive(store), what="the end of the store")


def test_a_stopped_service_leaves_no_process_and_hands_its_fit_back(own_folder: Path):
    with running_service(own_folder) as service:
        fit_id = service.submit(dataset_id=service.many_rows(), **SHORT)
        service.wait_until_running(fit_id)
        everything = service.everything
        stream = service.get(f"/v1/fits/{fit_id}/events", stream=True).iter_lines()
        while next(stream) != b"event: status":
            pass
        began = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - began < 10
        assert not any(map(is_alive, everything))
        # Ended properly: a stream cut off would raise here.
        assert all(line != b"event: end" for line in stream)

        service.start()
        assert service.wait_until_succeeded(fit_id)["attempt"] == 2


def test_a_fit_over_its_time_limit_fails(own_folder: Path):
    with running_service(own_folder, GMM_FIT_TIME_LIMIT_SECONDS="0.5") as service:
        fit_id = service.submit(dataset_id=service.many_rows(), **ENDLESS)
        fit = service.fit(fit_id, wait=20)
        assert fit["status"] == "failed"
        assert fit["error"]["code"] == "time-limit-exceeded"


def test_a_fit_over_its_memory_limit_fails_and_says_so(own_folder: Path):
    limit = str(64 << 20)
    with running_service(own_folder, GMM_FIT_MEMORY_LIMIT_BYTES=limit) as service:
        body = BytesIO()
        np.save(body, np.random.default_rng(0).normal(size=(1_000_000, 10)))
        answer = service.post(
            "/v1/fits",
            params={"n_components": 2},
            data=body.getvalue(),
            headers={"Content-Type": "application/x-npy"},
        )
        fit = service.fit(answer.json()["id"], wait=30)
        assert fit["status"] == "failed"
        assert fit["error"]["code"] == "not-enough-memory"
        service.wait_until_succeeded(
            service.submit(data=cloud().tolist(), n_components=2)
        )
