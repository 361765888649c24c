from __future__ import annotations

import io

import numpy as np
import pytest

from tests.unit.service.api.conftest import POINTS, problem


def test_a_json_table_is_stored_and_described(client):
    answer = client.post(
        "/v1/datasets", json={"data": POINTS, "name": "heaps", "columns": ["a", "b"]}
    )
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/v1/datasets/{answer.json['id']}"
    assert answer.json["n_samples"] == 6
    assert answer.json["n_features"] == 2
    assert answer.json["columns"] == ["a", "b"]
    assert answer.json["name"] == "heaps"
    assert answer.json["created_at"] == "2026-01-31T12:00:01.000Z"
    assert client.get(answer.headers["Location"]).json == answer.json


def test_equal_tables_in_different_formats_have_equal_hashes(client):
    npy = io.BytesIO()
    np.save(npy, np.array(POINTS))
    text = "\n".join(",".join(map(str, row)) for row in POINTS)
    answers = [
        client.post("/v1/datasets", json={"data": POINTS}),
        client.post("/v1/datasets", data=text, content_type="text/csv"),
        client.post(
            "/v1/datasets", data=npy.getvalue(), content_type="application/x-npy"
        ),
    ]
    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert len({answer.json["content_hash"] for answer in answers}) == 1


def test_bytes_are_named_by_a_query_parameter(client):
    answer = client.post(
        "/v1/datasets?name=from%20a%20file", data="a,b\n1,2\n", content_type="text/csv"
    )
    assert answer.json["name"] == "from a file"
    assert answer.json["columns"] == ["a", "b"]


def test_a_list_is_paged_newest_first_by_cursor_and_link(client):
    ids = [
        client.post("/v1/datasets", json={"data": [[1, 2]]}).json["id"]
        for _ in range(5)
    ]
    seen, target = [], "/v1/datasets?limit=2"
    for _ in range(10):
        page = client.get(target)
        seen += [item["id"] for item in page.json["items"]]
        if page.json["next"] is None:
            break
        link = page.headers["Link"]
        assert link.endswith('>; rel="next"')
        target = link[1 : link.index(">")]
        assert "limit=2" in target
    assert "Link" not in page.headers
    assert seen == ids[::-1]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "?limit"),
        ("limit=1e1", "?limit"),
        ("limit=100000", "?limit"),
        ("limit=１", "?limit"),
        ("limit=1&limit=2", "?limit"),
        ("cursor=%00", "?cursor"),
        ("page=2", "?page"),
    ],
)
def test_a_wrong_query_parameter_is_pointed_to(client, query, pointer):
    document = problem(client.get(f"/v1/datasets?{query}"), 422, "invalid-request")
    assert document["errors"][0]["pointer"] == pointer


def test_a_cursor_that_was_never_given_is_refused(client):
    problem(client.get("/v1/datasets?cursor=nonsense"), 422, "invalid-request")


def test_a_deleted_dataset_is_gone(client, dataset_id):
    answer = client.delete(f"/v1/datasets/{dataset_id}")
    assert (answer.status_code, answer.data) == (204, b"")
    problem(client.get(f"/v1/datasets/{dataset_id}"), 404, "dataset-not-found")
    problem(client.delete(f"/v1/datasets/{dataset_id}"), 404, "dataset-not-found")


@pytest.mark.parametrize(
    "columns",
    [["a"], ["a", "b", "c"], ["a", "a"], [1, 2], "ab", ["a", ""], ["a", None]],
)
def test_columns_must_name_each_feature_once(client, columns):
    answer = client.post("/v1/datasets", json={"data": POINTS, "columns": columns})
    document = problem(answer, 422, "invalid-request")
    assert document["errors"][0]["pointer"].startswith("/columns")


@pytest.mark.parametrize(
    ("columns", "place"),
    [
        (["a", "b"], "Row 1, column 2 ('b') is null"),
        (["a", 1], "Row 1, column 2 is null"),
        ("ab", "Row 1, column 2 is null"),
        (None, "Row 1, column 2 is null"),
    ],
)
def test_a_mistake_in_a_column_is_told_with_its_name(client, columns, place):
    request = {"data": [[1, None], [3, 4]], "columns": columns}
    document = problem(client.post("/v1/datasets", json=request), 422, "missing-values")
    assert document["detail"].startswith(place)
    assert document["errors"][0]["column"] == 2


@pytest.mark.parametrize("name", ["", "x" * 201, "line\nbreak", 7, ["x"]])
def test_a_name_must_be_short_and_printable(client, name):
    answer = client.post("/v1/datasets", json={"data": POINTS, "name": name})
    document = problem(answer, 422, "invalid-request")
    assert document["errors"][0]["pointer"] == "/name"


def test_a_name_given_twice_must_be_the_same(client):
    answer = client.post("/v1/datasets?name=b", json={"data": POINTS, "name": "b"})
    assert answer.json["name"] == "b"
    answer = client.post("/v1/datasets?name=a", json={"data": POINTS, "name": "b"})
    assert problem(answer, 422, "invalid-request")["errors"][0]["pointer"] == "?name"


@pytest.mark.parametrize(
    "target",
    [
        "/v1/datasets/none",
        "/v1/datasets/a%00b",
        "/v1/datasets/%2e%2e",
        "/v1/datasets/" + "x" * 5000,
        "/v1/datasets/%F0%9F%8E%B2",
        "/v1/datasets/",
        "/v1//datasets",
        "/v2/datasets",
    ],
)
def test_what_is_not_there_is_a_404(client, target):
    answer = client.get(target)
    assert answer.status_code == 404
    assert answer.mimetype == "application/problem+json"
