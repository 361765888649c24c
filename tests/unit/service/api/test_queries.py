from __future__ import annotations

import io

import numpy as np
import pytest

from tests.unit.service.api.conftest import POINTS, problem

QUERIES = ["predict", "predict_proba", "score", "score_samples"]


def ask(client, model_id, question, **kwargs):
    kwargs = kwargs or {"json": {"data": POINTS}}
    return client.post(f"/v1/models/{model_id}/{question}", **kwargs)


def npy(array):
    body = io.BytesIO()
    np.save(body, np.asarray(array))
    return body.getvalue()


def test_each_row_gets_a_label(client, model_id):
    labels = ask(client, model_id, "predict").json["labels"]
    assert labels[:3] == [labels[0]] * 3
    assert labels[3:] == [1 - labels[0]] * 3


def test_probabilities_sum_to_one(client, model_id):
    probabilities = ask(client, model_id, "predict_proba").json["probabilities"]
    np.testing.assert_allclose(np.sum(probabilities, axis=1), 1)


@pytest.mark.parametrize("question", QUERIES)
@pytest.mark.parametrize("data", [None, "text", 1, {}, [], [[]], [[1, None]], [[1], 2]])
def test_what_is_no_table_is_refused_with_its_place(client, model_id, question, data):
    answer = ask(client, model_id, question, json={"data": data})
    assert answer.status_code == 422
    pointers = [error["pointer"] for error in answer.json["errors"]]
    assert pointers
    assert all(pointer.startswith("/data") for pointer in pointers)


def test_the_score_is_the_mean_and_the_sum_of_the_log_densities(client, model_id):
    densities = ask(client, model_id, "score_samples").json["log_densities"]
    score = ask(client, model_id, "score").json
    assert score["log_likelihood"] == pytest.approx(sum(densities))
    assert score["score"] == pytest.approx(np.mean(densities))
    assert score["n_samples"] == 6


def test_the_same_seed_draws_the_same_rows(client, model_id):
    body = {"n_samples": 4, "random_state": 3}
    first = ask(client, model_id, "sample", json=body).json
    assert np.shape(first["samples"]) == (4, 2)
    assert len(first["labels"]) == 4
    assert ask(client, model_id, "sample", json=body).json == first


@pytest.mark.parametrize(
    "body",
    [
        {"n_samples": 0},
        {"n_samples": -1},
        {"n_samples": 501},
        {"n_samples": 1.5},
        {"n_samples": "5"},
        {"n_samples": True},
        {"n_samples": None},
        {"random_state": 2**32},
        {"seed": 1},
    ],
)
def test_a_sample_has_bounds(client, model_id, body):
    document = problem(
        ask(client, model_id, "sample", json=body), 422, "invalid-request"
    )
    (name,) = body
    assert document["errors"][0]["pointer"] == f"/{name}"


def test_an_answer_comes_as_npy_when_asked_for(client, model_id):
    answer = ask(
        client,
        model_id,
        "predict_proba",
        data=npy(POINTS),
        content_type="application/x-npy",
        headers={"Accept": "application/x-npy"},
    )
    assert answer.mimetype == "application/x-npy"
    assert np.load(io.BytesIO(answer.data)).shape == (6, 2)


@pytest.mark.parametrize(
    ("accept", "mimetype"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("text/csv", "text/csv"),
        ("text/*", "text/csv"),
        ("TEXT/CSV", "text/csv"),
        ("text/csv, application/json;q=0.5", "text/csv"),
        ("text/csv;q=0.5, application/json", "application/json"),
        ("application/json;q=0, */*", "text/csv"),
        ("application/*;q=0, */*;q=0.1", "text/csv"),
        ("text/html, application/xhtml+xml, */*;q=0.8", "application/json"),
        ("image/png, text/csv;q=0.1", "text/csv"),
        ("application/x-npy", "application/x-npy"),
        ("application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.stream"),
    ],
)
def test_the_format_is_the_one_that_the_client_likes_best(
    client, model_id, accept, mimetype
):
    headers = {} if accept is None else {"Accept": accept}
    answer = ask(client, model_id, "predict", json={"data": POINTS}, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.mimetype == mimetype
    assert answer.headers["Vary"] == "Accept"


@pytest.mark.parametrize(
    "accept", ["image/png", "text/html", "*/*;q=0", "application/json;q=0"]
)
@pytest.mark.parametrize("question", [*QUERIES, "sample"])
def test_a_format_that_is_not_written_is_refused(client, model_id, question, accept):
    body = {"n_samples": 1} if question == "sample" else {"data": POINTS}
    if accept == "application/json;q=0" and question != "score":
        accept = "application/json;q=0, image/png"
    answer = ask(client, model_id, question, json=body, headers={"Accept": accept})
    document = problem(answer, 406, "not-acceptable")
    assert "application/json" in document["detail"]


@pytest.mark.parametrize("question", QUERIES)
@pytest.mark.parametrize("rows", [[[1]], [[1, 2, 3]]])
def test_rows_must_have_the_features_of_the_model(client, model_id, question, rows):
    document = problem(
        ask(client, model_id, question, json={"data": rows}),
        422,
        "wrong-number-of-features",
    )
    assert "2 features" in document["detail"]


@pytest.mark.parametrize("question", QUERIES)
def test_the_largest_numbers_are_answered(client, model_id, question):
    rows = [[1e308, -1e308], [5e-324, 0]]
    answer = ask(client, model_id, question, json={"data": rows})
    assert answer.status_code in (200, 422), answer.text


@pytest.mark.parametrize("question", [*QUERIES, "sample"])
def test_a_model_that_was_deleted_is_not_found(client, model_id, question):
    client.delete(f"/v1/models/{model_id}")
    body = {} if question == "sample" else {"data": POINTS}
    answer = ask(client, model_id, question, json=body)
    problem(answer, 404, "model-not-found")


def test_a_model_deleted_while_it_is_asked_is_not_found(
    client, world, model_id, monkeypatch
):
    read = world.models.get

    def read_and_delete(asked):
        model = read(asked)
        world.models.delete(asked)
        return model

    monkeypatch.setattr(world.models, "get", read_and_delete)
    problem(client.get(f"/v1/models/{model_id}"), 404, "model-not-found")


def test_a_query_knows_no_parameters(client, model_id):
    answer = ask(client, model_id, "predict?n=1", data="1,2\n", content_type="text/csv")
    problem(answer, 422, "invalid-request")


def test_a_large_answer_is_streamed(client, model_id, monkeypatch):
    monkeypatch.setattr("service.api.blueprint._MAX_UNSTREAMED_BYTES", 0)
    answer = ask(client, model_id, "predict")
    assert len(answer.json["labels"]) == 6
    assert "Content-Length" not in answer.headers


def test_a_large_answer_has_its_length_where_that_is_known(
    client, model_id, monkeypatch
):
    monkeypatch.setattr("service.api.blueprint._MAX_UNSTREAMED_BYTES", 0)
    headers = {"Accept": "application/x-npy"}
    answer = ask(
        client, model_id, "predict_proba", json={"data": POINTS}, headers=headers
    )
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    assert np.load(io.BytesIO(answer.data)).shape == (6, 2)
