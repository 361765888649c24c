"""`reuse=true`: the same question is answered from the store."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest

import gmm_engine
from service.use_cases.queueing import QueueLimits
from tests.unit.service.api.conftest import POINTS, problem

REQUEST = {"data": POINTS, "n_components": 2, "random_state": 1}
REUSE = REQUEST | {"reuse": True}


def submit(client, **request):
    return client.post("/v1/fits", json=request)


def test_an_equal_fit_is_answered_instead_of_a_new_one(client, world):
    first = submit(client, **REUSE)
    assert first.status_code == 202
    world.work()
    again = submit(client, **REUSE)
    assert again.status_code == 200
    assert again.json["id"] == first.json["id"]
    assert again.json["status"] == "succeeded"
    assert again.headers["Location"] == first.headers["Location"]
    assert len(client.get("/v1/datasets").json["items"]) == 1
    assert world.queue.waiting == []


def test_of_many_at_once_one_is_fitted_and_no_table_is_left_over(app, client, world):
    barrier = Barrier(8)

    def send(_):
        barrier.wait()
        return submit(app.test_client(), **REUSE)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))
    assert sorted(answer.status_code for answer in answers) == [*[200] * 7, 202]
    (fit_id,) = {answer.json["id"] for answer in answers}
    assert world.queue.waiting == [fit_id]
    (dataset,) = client.get("/v1/datasets").json["items"]
    assert dataset["id"] == world.fits.get(fit_id).request.dataset_id


def test_an_equal_fit_that_comes_between_look_and_submission_is_found(
    client, world, monkeypatch
):
    """As `find_equal` finds none, and before the fit is stored, another is."""
    first = submit(client, **REQUEST).json["id"]
    looks = iter([None])
    equal = world.fits.equal
    monkeypatch.setattr(world.fits, "equal", lambda h: next(looks, equal(h)))
    answer = submit(client, **REUSE)
    assert (answer.status_code, answer.json["id"]) == (200, first)
    assert len(client.get("/v1/datasets").json["items"]) == 1


def test_a_fit_that_waits_is_reused_with_its_place(client):
    first = submit(client, **REQUEST).json
    again = submit(client, **REUSE)
    assert again.status_code == 200
    assert again.json == first
    assert again.json["queue_position"] == 1


def test_without_reuse_an_equal_fit_is_fitted_again(client):
    first, second = submit(client, **REQUEST), submit(client, **REQUEST)
    assert second.status_code == 202
    assert first.json["id"] != second.json["id"]
    assert first.json["content_hash"] == second.json["content_hash"]


def test_equal_rows_in_another_format_and_equal_names_count_as_equal(client):
    first = submit(client, **REQUEST | {"covariance_type": "VVV"})
    rows = "\n".join(",".join(map(str, row)) for row in POINTS)
    again = client.post(
        "/v1/fits?n_components=2&random_state=1&covariance_type=full&reuse=true"
        "&model_name=another",
        data=rows,
        content_type="text/csv",
    )
    assert (again.status_code, again.json["id"]) == (200, first.json["id"])


def test_a_stored_dataset_with_equal_rows_counts_as_equal(client, dataset_id):
    first = submit(client, **REQUEST).json
    request = {k: v for k, v in REUSE.items() if k != "data"}
    again = submit(client, dataset_id=dataset_id, **request)
    assert again.json["id"] == first["id"]


@pytest.mark.parametrize(
    "change",
    [
        {"n_components": 1},
        {"random_state": 2},
        {"tol": 1e-3},
        {"init": "random_points"},
        {"n_init": 2},
        {"max_iter": 7},
        {"reg_covar": 1e-5},
        {"covariance_type": "diag"},
        {"data": [*POINTS[:-1], [5.3, 5.2]]},
    ],
)
def test_another_question_is_fitted(client, change):
    submit(client, **REQUEST)
    assert submit(client, **REUSE | change).status_code == 202


def test_other_column_names_are_another_question(client):
    def send(header):
        rows = "\n".join(",".join(map(str, row)) for row in POINTS)
        return client.post(
            "/v1/fits?n_components=2&random_state=1&reuse=true",
            data=f"{header}\n{rows}",
            content_type="text/csv",
        )

    assert [send(h).status_code for h in ("a,b", "a,b", "a,c")] == [202, 200, 202]


def test_another_engine_may_find_something_else(client, monkeypatch):
    submit(client, **REQUEST)
    monkeypatch.setattr(gmm_engine, "__version__", "99")
    assert submit(client, **REUSE).status_code == 202


def test_without_a_seed_any_seed_will_do(client):
    first = submit(client, **REQUEST).json
    request = {k: v for k, v in REUSE.items() if k != "random_state"}
    assert submit(client, **request).json["id"] == first["id"]


def test_a_seed_chosen_here_is_found_by_its_number(client):
    request = {k: v for k, v in REQUEST.items() if k != "random_state"}
    first = submit(client, **request).json
    seed = first["request"]["random_state"]
    assert submit(client, **REUSE | {"random_state": seed}).json["id"] == first["id"]


def test_a_fit_without_its_model_is_fitted_again(client, world):
    submit(client, **REQUEST)
    (fit,) = world.work()
    assert client.delete(f"/v1/models/{fit.model_id}").status_code == 204
    assert submit(client, **REUSE).status_code == 202


def test_a_cancelled_fit_is_fitted_again(client):
    fit_id = submit(client, **REQUEST).json["id"]
    client.post(f"/v1/fits/{fit_id}/cancel")
    assert submit(client, **REUSE).status_code == 202


def test_reuse_with_an_idempotency_key_is_answered_the_same_again(client):
    headers = {"Idempotency-Key": "k"}
    first = client.post("/v1/fits", json=REUSE, headers=headers)
    again = client.post("/v1/fits", json=REUSE, headers=headers)
    assert first.status_code == again.status_code == 202
    assert first.data == again.data


@pytest.mark.parametrize("reuse", [1, "true", None])
def test_reuse_is_true_or_false(client, reuse):
    document = problem(
        submit(client, **REQUEST | {"reuse": reuse}), 422, "invalid-request"
    )
    assert document["errors"][0]["pointer"] == "/reuse"


def test_an_equal_fit_is_answered_though_the_queue_is_full(client, world):
    first = submit(client, **REQUEST).json
    fits = replace(world.services.fits, limits=QueueLimits(of_tenant=1))
    world.services = replace(world.services, fits=fits)
    assert submit(client, **REUSE).json["id"] == first["id"]
    answer = submit(client, **REQUEST)
    problem(answer, 429, "too-many-queued-fits")
    assert answer.headers["Retry-After"] == "10"


def test_a_full_queue_is_unavailable_and_says_when_to_come_back(client, world):
    fits = replace(world.services.fits, limits=QueueLimits(of_all=1))
    world.services = replace(world.services, fits=fits)
    submit(client, **REQUEST)
    answer = submit(client, **REQUEST)
    problem(answer, 503, "queue-full")
    assert answer.headers["Retry-After"] == "10"


def test_a_dataset_in_use_is_not_deleted(client, dataset_id):
    submit(client, dataset_id=dataset_id, n_components=1)
    answer = client.delete(f"/v1/datasets/{dataset_id}")
    problem(answer, 409, "dataset-in-use")
