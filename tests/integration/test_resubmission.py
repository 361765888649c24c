"""Requests sent twice, and more of them than there is room for, over a real service."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
import requests
from redis import Redis

from tests.integration.processes import eventually, is_alive, kill
from tests.integration.running import ENDLESS, cloud, running_service


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """A service with a short queue, whose processes may be killed."""
    folder = tmp_path_factory.mktemp("n")
    limits = {"GMM_MAX_QUEUED_FITS": "3", "GMM_MAX_QUEUED_FITS_PER_TENANT": "2"}
    with running_service(folder, **limits) as service:
        yield service


def test_many_equal_requests_at_once_create_one_fit(service):
    request = {"data": cloud().tolist(), "n_components": 2}
    headers = {"Idempotency-Key": "many-at-once"}

    def send(_):
        for _ in range(50):
            answer = service.post("/v1/fits", json=request, headers=headers)
            if answer.status_code != 409:
                return answer
            assert answer.headers["Retry-After"] == "1"
            time.sleep(0.05)
        raise AssertionError(answer.text)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    fit = service.wait_until_succeeded(answers[0].json()["id"])
    assert fit["request"]["dataset_id"] == f"d{fit['id']}"


def test_of_many_equal_requests_with_reuse_at_once_one_is_fitted(service):
    rows = np.random.default_rng(5).normal(size=(2000, 3)).tolist()
    request = {"data": rows, "n_components": 2, "reuse": True}

    def listed(path):
        return {item["id"] for item in service.get(f"{path}?limit=200").json()["items"]}

    before = listed("/v1/datasets")
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: service.post("/v1/fits", json=request), range(8))
        )
    assert sorted(a.status_code for a in answers) == [*[200] * 7, 202]
    (fit_id,) = {answer.json()["id"] for answer in answers}
    fit = service.wait_until_succeeded(fit_id)
    assert listed("/v1/datasets") - before == {fit["request"]["dataset_id"]}


def test_an_upload_sent_again_is_stored_once(service):
    body = BytesIO()
    np.save(body, np.random.default_rng(0).normal(size=(100_000, 8)))
    answers = [
        service.post(
            "/v1/datasets",
            data=body.getvalue(),
            headers={"Content-Type": "application/x-npy", "Idempotency-Key": "up"},
        )
        for _ in range(2)
    ]
    assert answers[0].content == answers[1].content
    assert answers[1].headers["Idempotency-Replayed"] == "true"


def test_a_full_queue_says_so_and_when_to_come_back(narrow):
    rows = cloud().tolist()
    running = narrow.submit(data=rows, **ENDLESS)
    narrow.wait_until_running(running)
    waiting = [narrow.submit(data=rows, n_components=2) for _ in range(2)]
    places = [narrow.fit(fit_id)["queue_position"] for fit_id in waiting]
    assert places == [1, 2]
    refused = narrow.post("/v1/fits", json={"data": rows, "n_components": 2})
    assert refused.status_code == 429
    assert refused.json()["code"] == "too-many-queued-fits"
    assert int(refused.headers["Retry-After"]) >= 1
    for fit_id in (*waiting, running):
        assert narrow.post(f"/v1/fits/{fit_id}/cancel").status_code == 202
    again = narrow.post("/v1/fits", json={"data": rows, "n_components": 2})
    assert again.status_code == 202
    narrow.wait_until_succeeded(again.json()["id"])


def test_a_request_whose_api_was_killed_creates_once(narrow):
    """The API dies in the middle of a request; the client sends it again."""
    rows = np.random.default_rng(0).normal(size=(50_000, 10)).tolist()
    store = Redis(unix_socket_path=str(narrow.state_dir / "store.sock"))

    def send(key, timeout):
        return requests.post(
            narrow.url + "/v1/datasets",
            json={"data": rows, "name": key},
            headers={"Idempotency-Key": key},
            timeout=timeout,
        )

    key = "killed"
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(send, key, 30)
        time.sleep(0.3)
        api = [
            pid
            for pid in narrow.everything
            if pid not in (narrow.pid, narrow.store, *narrow.workers)
            and pid not in narrow.work_horses
        ]
        kill(*api)
        lost = first.exception()
    eventually(lambda: not any(map(is_alive, api)), what="the API's end")
    # What a client would do for half a minute, were it as patient.
    for hold in store.scan_iter("gmm:*:idempotency-hold:*"):
        store.delete(hold)

    def sent():
        try:
            return send(key, 30)
        except requests.ConnectionError:
            return None

    answer = eventually(sent, 20, what="an answer")
    assert answer.status_code == 201, (answer.text, lost)
    page = narrow.get("/v1/datasets?limit=200").json()["items"]
    assert [item["id"] for item in page if item["name"] == key] == [answer.json()["id"]]
    store.close()
