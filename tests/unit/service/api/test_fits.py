from __future__ import annotations

import threading

import pytest

from service.api.app import create_app
from service.errors import StorageFullError, StorageUnavailableError
from tests.unit.service.api.conftest import OPTIONS, POINTS, problem


@pytest.fixture
def fit_id(client, dataset_id):
    request = {"dataset_id": dataset_id, "n_components": 2}
    return client.post("/v1/fits", json=request).json["id"]


def test_a_fit_is_accepted_queued_and_found_at_its_location(client, world, dataset_id):
    request = {"dataset_id": dataset_id, "n_components": 2, "model_name": "heaps"}
    answer = client.post("/v1/fits", json=request)
    assert answer.status_code == 202
    assert answer.json["status"] == "queued"
    assert answer.json["attempt"] == 0
    assert world.queue.waiting == [answer.json["id"]]
    assert client.get(answer.headers["Location"]).json == answer.json


def test_what_was_not_asked_for_is_filled_in_and_shown(client, dataset_id):
    request = {"dataset_id": dataset_id, "n_components": 2}
    assert client.post("/v1/fits", json=request).json["request"] == request | {
        "covariance_type": "full",
        "init": "k-means++",
        "n_init": 1,
        "tol": 1e-4,
        "max_iter": 500,
        "reg_covar": 1e-6,
        "random_state": 42,
        "model_name": None,
    }


def test_inline_data_become_a_dataset(client):
    answer = client.post("/v1/fits", json={"data": POINTS, "n_components": 2})
    dataset_id = answer.json["request"]["dataset_id"]
    assert client.get(f"/v1/datasets/{dataset_id}").json["n_samples"] == 6


def test_inline_data_take_names_of_their_columns(client):
    request = {"data": POINTS, "columns": ["width", "height"], "n_components": 2}
    answer = client.post("/v1/fits", json=request)
    dataset = client.get(f"/v1/datasets/{answer.json['request']['dataset_id']}").json
    assert dataset["columns"] == ["width", "height"]


def test_a_stored_dataset_has_its_names_already(client, dataset_id):
    request = {"dataset_id": dataset_id, "columns": ["a", "b"], "n_components": 2}
    document = problem(client.post("/v1/fits", json=request), 422, "invalid-request")
    assert [error["pointer"] for error in document["errors"]] == ["/columns"]


def test_a_table_as_body_takes_its_parameters_from_the_query(client):
    answer = client.post(
        "/v1/fits?n_components=2&tol=1e-3&covariance_type=VVI&random_state=7",
        data="1,2\n3,4\n5,6\n",
        content_type="text/csv",
    )
    assert answer.status_code == 202
    request = answer.json["request"]
    assert (request["tol"], request["covariance_type"]) == (0.001, "VVI")
    assert request["random_state"] == 7


def test_whole_numbers_may_be_written_as_decimals(client, dataset_id):
    request = {"dataset_id": dataset_id, "n_components": 2.0, "tol": 0}
    assert client.post("/v1/fits", json=request).json["request"]["n_components"] == 2


def test_a_worked_fit_has_succeeded_with_a_model(client, world, fit_id):
    world.work()
    fit = client.get(f"/v1/fits/{fit_id}").json
    assert fit["status"] == "succeeded"
    assert fit["fit_status"] == "converged"
    assert fit["error"] is None
    assert fit["progress"]["n_starts"] == 1
    assert fit["finished_at"].endswith("Z")
    assert client.get(f"/v1/models/{fit['model_id']}").json["fit_id"] == fit_id


def test_a_fit_says_that_its_mixture_is_degenerate(client, world):
    request = {"data": POINTS, "n_components": len(POINTS), "random_state": 0}
    fit_id = client.post("/v1/fits", json=request).json["id"]
    assert client.get(f"/v1/fits/{fit_id}").json["fit_status"] is None
    world.work()
    fit = client.get(f"/v1/fits/{fit_id}").json
    assert (fit["status"], fit["fit_status"]) == ("succeeded", "degenerate")
    model = client.get(f"/v1/models/{fit['model_id']}").json
    assert model["fit_status"] == "degenerate"
    assert model["diagnostics"]


def test_a_failed_fit_shows_the_problem_it_failed_with(client, world, fit_id):
    dataset_id = client.get(f"/v1/fits/{fit_id}").json["request"]["dataset_id"]
    world.datasets.delete(dataset_id)
    world.work()
    fit = client.get(f"/v1/fits/{fit_id}").json
    assert fit["status"] == "failed"
    assert (fit["model_id"], fit["fit_status"]) == (None, None)
    assert fit["error"]["code"] == "dataset-not-found"
    assert fit["error"]["type"] == "/problems/dataset-not-found"
    assert fit["error"]["status"] == 404


def test_waiting_for_a_finished_fit_does_not_wait(client, world, fit_id):
    world.work()
    assert client.get(f"/v1/fits/{fit_id}?wait=2").json["status"] == "succeeded"


def test_waiting_ends_as_soon_as_the_fit_does(client, world, fit_id):
    worker = threading.Timer(0.05, world.work)
    worker.start()
    assert client.get(f"/v1/fits/{fit_id}?wait=2").json["status"] == "succeeded"
    worker.join()


def test_waiting_in_vain_returns_the_fit_as_it_is(client, fit_id):
    answer = client.get(f"/v1/fits/{fit_id}?wait=0.01")
    assert (answer.status_code, answer.json["status"]) == (200, "queued")


@pytest.mark.parametrize("wait", ["-1", "3", "1e9", "nan", "soon", ""])
def test_a_wait_has_bounds(client, fit_id, wait):
    answer = client.get(f"/v1/fits/{fit_id}?wait={wait}")
    document = problem(answer, 422, "invalid-request")
    assert document["errors"][0]["pointer"] == "?wait"


def test_when_too_many_wait_one_more_is_answered_at_once(world, dataset_id, fit_id):
    from dataclasses import replace

    app = create_app(
        lambda: world.services, world.readiness, replace(OPTIONS, max_waiting=0)
    )
    answer = app.test_client().get(f"/v1/fits/{fit_id}?wait=2")
    assert answer.json["status"] == "queued"


def test_cancelling_ends_the_fit_and_tells_the_queue(client, world, fit_id):
    answer = client.post(f"/v1/fits/{fit_id}/cancel")
    assert answer.status_code == 202
    assert answer.json["status"] == "cancelled"
    assert world.queue.withdrawn == [fit_id]
    assert world.work() == [None]
    assert client.get(f"/v1/fits/{fit_id}").json["status"] == "cancelled"
    problem(client.post(f"/v1/fits/{fit_id}/cancel"), 409, "fit-already-finished")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("GET", "/events"), ("POST", "/cancel"), ("GET", "?wait=1")],
)
def test_an_unknown_fit_is_not_found(client, method, path):
    answer = client.open(f"/v1/fits/none{path}", method=method)
    problem(answer, 404, "fit-not-found")


def test_fits_are_listed_newest_first(client, dataset_id):
    request = {"dataset_id": dataset_id, "n_components": 1}
    ids = [client.post("/v1/fits", json=request).json["id"] for _ in range(3)]
    page = client.get("/v1/fits?limit=2")
    assert [fit["id"] for fit in page.json["items"]] == [ids[2], ids[1]]
    assert page.json["next"] is not None


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (StorageUnavailableError("The store is away."), 503, "store-unavailable"),
        (StorageFullError("The store is full."), 507, "store-full"),
    ],
)
def test_a_failing_store_asks_to_try_again(
    client, world, monkeypatch, error, status, code
):
    def fail(*_):
        raise error

    monkeypatch.setattr(world.datasets, "add", fail)
    answer = client.post("/v1/datasets", json={"data": POINTS})
    problem(answer, status, code)
    assert int(answer.headers["Retry-After"]) > 0
