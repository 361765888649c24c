"""Requests sent twice create once."""

from __future__ import annotations

import gzip
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest

from service.errors import StorageUnavailableError
from tests.unit.service.api.conftest import POINTS, problem

DATASET = ("/v1/datasets", {"data": POINTS, "name": "heaps"})
MODEL = (
    "/v1/models",
    {"weights": [1.0], "means": [[0.0]], "covariances": [[[1.0]]], "name": "one"},
)
FIT = ("/v1/fits", {"data": POINTS, "n_components": 2})
KEY = {"Idempotency-Key": "b6a1-4f"}


def listed(client, path):
    return client.get(path).json["items"]


@pytest.mark.parametrize(("path", "body"), [DATASET, MODEL, FIT])
def test_the_same_request_gets_the_same_answer_and_creates_once(client, path, body):
    first = client.post(path, json=body, headers=KEY)
    again = client.post(path, json=body, headers=KEY)
    assert first.status_code in (201, 202)
    assert (again.status_code, again.data) == (first.status_code, first.data)
    for name in ("Location", "Content-Type"):
        assert again.headers[name] == first.headers[name]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["X-Request-Id"] != first.headers["X-Request-Id"]
    assert len(listed(client, path)) == 1
    assert client.get(again.headers["Location"]).status_code == 200


def test_a_fit_sent_twice_stores_its_table_once_and_is_queued_once(client, world):
    path, body = FIT
    for _ in range(2):
        client.post(path, json=body, headers=KEY)
    assert len(listed(client, "/v1/datasets")) == 1
    assert len(world.queue.waiting) == 1


def test_an_answer_is_replayed_as_it_was_though_the_fit_went_on(client, world):
    path, body = FIT
    first = client.post(path, json=body, headers=KEY)
    world.work()
    assert client.post(path, json=body, headers=KEY).data == first.data


def test_a_table_of_any_format_may_be_sent_again(client):
    query = "/v1/fits?n_components=1"
    ids = {
        client.post(
            query, data="1,2\n3,4\n", content_type="text/csv", headers=KEY
        ).json["id"]
        for _ in range(2)
    }
    assert len(ids) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"json": {"data": [*POINTS, [1, 1]], "name": "heaps"}},
        {"query_string": {"name": "heaps"}},
        {"path": "/v1/models", "json": MODEL[1]},
        {"data": "1,2\n3,4\n", "json": None, "content_type": "text/csv"},
    ],
)
def test_another_request_with_the_same_key_is_refused(client, change):
    client.post(DATASET[0], json=DATASET[1], headers=KEY)
    request = {"path": DATASET[0], "json": DATASET[1], "headers": KEY} | change
    problem(client.post(**request), 422, "idempotency-key-reused")
    assert len(listed(client, "/v1/datasets")) == 1
    assert listed(client, "/v1/models") == []


def test_the_same_body_compressed_is_another_request(client):
    text = {"Content-Type": "text/csv"}
    client.post("/v1/datasets", data=b"1,2\n", headers=KEY | text)
    answer = client.post(
        "/v1/datasets",
        data=gzip.compress(b"1,2\n"),
        headers=KEY | text | {"Content-Encoding": "gzip"},
    )
    problem(answer, 422, "idempotency-key-reused")


def test_different_keys_create_different_things(client):
    ids = {
        client.post(DATASET[0], json=DATASET[1], headers={"Idempotency-Key": key}).json[
            "id"
        ]
        for key in ("a", "b")
    }
    assert len(ids) == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "é", "two,headers"])
def test_a_key_that_is_none_is_refused(client, key):
    answer = client.post(DATASET[0], json=DATASET[1], headers={"Idempotency-Key": key})
    problem(answer, 400, "invalid-idempotency-key")
    assert listed(client, "/v1/datasets") == []


def test_a_refused_request_is_tried_again(client, dataset_id):
    request = {"dataset_id": "none", "n_components": 1}
    for _ in range(2):
        answer = client.post("/v1/fits", json=request, headers=KEY)
        problem(answer, 404, "dataset-not-found")


def test_a_malformed_request_takes_no_key(client):
    problem(
        client.post("/v1/datasets", json={"data": [[1], [1, 2]]}, headers=KEY),
        422,
        "invalid-data",
    )
    assert client.post(*DATASET[:1], json=DATASET[1], headers=KEY).status_code == 201


def test_of_two_requests_at_once_one_waits_its_turn(client, app, world, monkeypatch):
    add, begun, go_on = world.datasets.add, Event(), Event()

    def add_slowly(*arguments):
        begun.set()
        assert go_on.wait(5)
        add(*arguments)

    monkeypatch.setattr(world.datasets, "add", add_slowly)

    def send():
        return app.test_client().post(DATASET[0], json=DATASET[1], headers=KEY)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(send)
        assert begun.wait(5)
        refused = send()
        go_on.set()
        problem(refused, 409, "request-in-progress")
        assert refused.headers["Retry-After"] == "1"
        answered = first.result()
        assert send().data == answered.data
    assert len(listed(client, "/v1/datasets")) == 1


@pytest.mark.parametrize(("path", "body"), [DATASET, MODEL, FIT])
def test_many_at_once_create_one(app, client, path, body):
    barrier = Barrier(8)

    def send(_):
        barrier.wait()
        return app.test_client().post(path, json=body, headers=KEY)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))
    assert {answer.status_code for answer in answers} <= {201, 202, 409}
    assert len(listed(client, path)) == 1
    made = {a.json["id"] for a in answers if a.status_code != 409}
    assert made == {listed(client, path)[0]["id"]}


@pytest.mark.parametrize(("path", "body"), [DATASET, MODEL, FIT])
def test_after_a_crash_before_the_answer_was_remembered_it_is_made_again(
    client, world, monkeypatch, path, body
):
    def crash(*_):
        raise StorageUnavailableError("away")

    with monkeypatch.context() as patched:
        patched.setattr(world.reservations, "remember", crash)
        problem(client.post(path, json=body, headers=KEY), 503, "store-unavailable")
    (made,) = listed(client, path)
    again = client.post(path, json=body, headers=KEY)
    assert again.json["id"] == made["id"]
    assert len(listed(client, path)) == 1


@pytest.mark.parametrize(
    ("path", "body", "add"),
    [(*DATASET, "datasets"), (*MODEL, "models"), (*FIT, "fits")],
)
def test_after_a_write_whose_answer_was_lost_nothing_is_made_twice(
    client, world, monkeypatch, path, body, add
):
    repository = getattr(world, add)
    store = repository.add

    def store_and_lose(*arguments):
        store(*arguments)
        raise StorageUnavailableError("away")

    with monkeypatch.context() as patched:
        patched.setattr(repository, "add", store_and_lose)
        problem(client.post(path, json=body, headers=KEY), 503, "store-unavailable")
    assert client.post(path, json=body, headers=KEY).status_code in (201, 202)
    assert len(listed(client, path)) == 1
    assert len(listed(client, "/v1/datasets")) <= 1


def large_model():
    """One whose answer is too long to be kept."""
    n_features = 60
    return {
        "weights": [1 / 8] * 8,
        "means": [[k + i / 7 for i in range(n_features)] for k in range(8)],
        "covariances": [[1 / (3 + i) for i in range(n_features)] for _ in range(8)],
        "covariance_type": "diag",
        "name": "x" * 200,
    }


def test_an_answer_too_long_to_be_kept_is_made_again(client):
    first = client.post("/v1/models", json=large_model(), headers=KEY)
    assert len(first.data) > 8192
    again = client.post("/v1/models", json=large_model(), headers=KEY)
    assert again.data == first.data
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(listed(client, "/v1/models")) == 1


@pytest.mark.parametrize(("path", "body"), [DATASET, MODEL])
def test_what_was_deleted_since_is_neither_announced_nor_made_again(client, path, body):
    first = client.post(path, json=body, headers=KEY)
    assert client.delete(first.headers["Location"]).status_code == 204
    for _ in range(2):
        problem(client.post(path, json=body, headers=KEY), 410, "result-gone")
    assert listed(client, path) == []
    anew = client.post(path, json=body, headers={"Idempotency-Key": "another"})
    assert anew.status_code == 201


def test_what_was_deleted_is_not_made_again_where_the_answer_was_too_long_to_keep(
    client,
):
    first = client.post("/v1/models", json=large_model(), headers=KEY)
    assert client.delete(first.headers["Location"]).status_code == 204
    answer = client.post("/v1/models", json=large_model(), headers=KEY)
    problem(answer, 410, "result-gone")
    assert listed(client, "/v1/models") == []


def test_a_fit_that_expired_since_is_not_announced_again(client, world):
    path, body = FIT
    first = client.post(path, json=body, headers=KEY)
    world.fits.forget(first.json["id"])
    problem(client.post(path, json=body, headers=KEY), 410, "result-gone")


def test_an_answer_that_named_an_older_fit_is_given_again_while_that_exists(
    client, world
):
    path, body = FIT
    older = client.post(path, json=body).json["id"]
    again = body | {"reuse": True}
    for _ in range(2):
        answer = client.post(path, json=again, headers=KEY)
        assert (answer.status_code, answer.json["id"]) == (200, older)
    world.fits.forget(older)
    problem(client.post(path, json=again, headers=KEY), 410, "result-gone")
