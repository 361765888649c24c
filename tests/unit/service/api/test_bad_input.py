"""What a client may get wrong, and that nothing is stored when it does."""

from __future__ import annotations

import re

import pytest

from tests.unit.service.api.conftest import POINTS, problem


@pytest.fixture(autouse=True)
def _nothing_is_stored(client, world):
    yield
    assert client.get("/v1/fits").json["items"] == []
    assert client.get("/v1/models").json["items"] == []
    assert client.get("/v1/datasets").json["items"] == []
    assert world.queue.waiting == []


def post_json(client, text, target="/v1/datasets"):
    return client.post(target, data=text, content_type="application/json")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "data",
        '{"data": [[1,2],]}',
        '{"data": [[NaN, 1]]}',
        '{"data": [[Infinity, 1]]}',
        '{"data": [[-Infinity, 1]]}',
        '{"data": [[0x1, 1]]}',
        '{"data": [[1, 2]]} tail',
        "\udcff".encode("utf-8", "surrogateescape"),
        b"\xff\xfe{\x00}\x00",
        b"\x00",
        "[" * 10_000 + "]" * 10_000,
        '{"data":' * 10_000,
    ],
)
def test_what_is_not_json_is_malformed(client, text):
    document = problem(post_json(client, text), 400, "malformed-body")
    assert len(document["detail"]) < 300


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ('{"data":\n [[1,2],]}', 2, 8),
        ('{"data":\n [[NaN, 1]]}', 2, 4),
        ('{"data": 1e999,\n}', 2, 1),
    ],
)
def test_malformed_json_is_pointed_to_by_line_and_column(client, text, line, column):
    document = problem(post_json(client, text), 400, "malformed-body")
    (error,) = document["errors"]
    assert (error["line"], error["column"]) == (line, column)
    assert error["detail"] == document["detail"]


@pytest.mark.parametrize(
    ("body", "content_type", "detail"),
    [
        ("1,2\n3\n", "text/csv", "has 1 cell, but"),
        ('{"data": [[1, 2], [3]]}', "application/json", "has 1 number, but"),
    ],
)
def test_one_is_no_plural(client, body, content_type, detail):
    answer = client.post("/v1/datasets", data=body, content_type=content_type)
    assert detail in problem(answer, 422, "invalid-data")["detail"]


@pytest.mark.parametrize("text", ["[]", "[[1,2]]", "1", '"data"', "null", "true"])
def test_a_json_body_must_be_an_object(client, text):
    document = problem(post_json(client, text), 422, "invalid-request")
    assert document["errors"][0]["pointer"] == ""


@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        ([[1, 2], [3]], "/data/1"),
        ([[1, 2], [3, 4, 5]], "/data/1"),
        ([[1, "2"]], "/data/0/1"),
        ([[1, True]], "/data/0/1"),
        ([[1, {}]], "/data/0/1"),
        ([[1, [2]]], "/data/0/1"),
        ([[1, 1e999]], "/data/0/1"),
        ([], "/data"),
        ([[]], "/data"),
        ([[], []], "/data"),
        ([1, 2], "/data"),
        ({}, "/data"),
        ("1,2", "/data"),
        (None, "/data"),
    ],
)
def test_a_table_must_be_full_rows_of_finite_numbers(client, data, pointer):
    text = client.application.json.dumps({"data": data})
    if data == [[1, 1e999]]:
        text = '{"data": [[1, 1e999]]}'
    for target in ("/v1/datasets", "/v1/fits"):
        answer = post_json(client, text, target)
        assert answer.status_code == 422
        assert answer.json["code"] in ("invalid-data", "invalid-request")
        assert answer.json["errors"][0]["pointer"].startswith(pointer)


def test_a_table_that_is_missing_is_asked_for(client):
    document = problem(post_json(client, "{}"), 422, "invalid-request")
    assert document["errors"] == [
        {"pointer": "/data", "detail": "data is missing; give it."}
    ]


@pytest.mark.parametrize(
    "n_components",
    [0, -1, 1.5, 10**9, 10**400, "3", True, None, [3], {}, 1e300, "abc" * 1000],
)
def test_n_components_must_be_a_whole_number_within_bounds(client, n_components):
    if isinstance(n_components, int) and n_components > 10**19:
        text = '{"data": [[1],[2]], "n_components": 1%s}' % ("0" * 400)
    else:
        text = client.application.json.dumps(
            {"data": POINTS, "n_components": n_components}
        )
    document = problem(post_json(client, text, "/v1/fits"), 422, "invalid-request")
    (error,) = document["errors"]
    assert error["pointer"] == "/n_components"
    assert "n_components is" in error["detail"]
    assert "give a" in error["detail"]
    assert len(error["detail"]) < 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("covariance_type", "round"),
        ("covariance_type", 3),
        ("covariance_type", None),
        ("init", "kmeans"),
        ("init", ["k-means++"]),
        ("n_init", 0),
        ("n_init", 2.5),
        ("n_init", 10**6),
        ("tol", -1e-9),
        ("tol", "0.1"),
        ("tol", True),
        ("tol", 1e300),
        ("max_iter", 0),
        ("max_iter", 10**9),
        ("reg_covar", -1),
        ("reg_covar", None),
        ("random_state", -1),
        ("random_state", 2**32),
        ("random_state", "0"),
        ("random_state", 0.5),
        ("model_name", ""),
        ("model_name", 5),
        ("dataset_id", "../../etc"),
        ("dataset_id", ""),
        ("dataset_id", 5),
    ],
)
def test_every_parameter_of_a_fit_has_a_range(client, name, value):
    body = {"n_components": 2, name: value}
    if name != "dataset_id":
        body["data"] = POINTS
    document = problem(client.post("/v1/fits", json=body), 422, "invalid-request")
    assert [error["pointer"] for error in document["errors"]] == [f"/{name}"]
    assert name in document["errors"][0]["detail"]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("", "?n_components"),
        ("n_components=0", "?n_components"),
        ("n_components=1.5", "?n_components"),
        ("n_components=1_0", "?n_components"),
        ("n_components=%202", "?n_components"),
        ("n_components=", "?n_components"),
        ("n_components=2&n_components=3", "?n_components"),
        ("n_components=2&tol=nan", "?tol"),
        ("n_components=2&tol=inf", "?tol"),
        ("n_components=2&tol=1e999", "?tol"),
        ("n_components=2&tol=0x1p3", "?tol"),
        ("n_components=2&tolerance=1", "?tolerance"),
        ("n_components=2&data=1", "?data"),
        ("n_components=2&dataset_id=d1", "?dataset_id"),
        ("n_components=7", "?n_components"),
    ],
)
def test_parameters_in_the_query_are_as_strict(client, query, pointer):
    answer = client.post(
        f"/v1/fits?{query}", data="1,2\n3,4\n5,6\n", content_type="text/csv"
    )
    document = problem(answer, 422, "invalid-request")
    assert [error["pointer"] for error in document["errors"]] == [pointer]


@pytest.mark.parametrize(
    ("method", "target", "kwargs", "pointer", "detail"),
    [
        (
            "GET",
            "/v1/fits?limt=3",
            {},
            "?limt",
            "There is no query parameter 'limt'; did you mean 'limit'?",
        ),
        (
            "GET",
            "/v1/fits/f1?wiat=3",
            {},
            "?wiat",
            "There is no query parameter 'wiat'; did you mean 'wait'?",
        ),
        (
            "GET",
            "/v1/models?colour=red",
            {},
            "?colour",
            "There is no query parameter 'colour'; known here: limit, cursor.",
        ),
        (
            "POST",
            "/v1/fits",
            {"json": {"data": POINTS, "n_component": 2, "n_components": 2}},
            "/n_component",
            "There is no field 'n_component'; did you mean 'n_components'?",
        ),
        (
            "POST",
            "/v1/fits?n_components=2&datset_id=d1",
            {"data": "1,2\n3,4\n", "content_type": "text/csv"},
            "?datset_id",
            "There is no query parameter 'datset_id'; known here: n_components, "
            "covariance_type, init, n_init, tol, max_iter, reg_covar, random_state, "
            "model_name, reuse, webhook_url.",
        ),
        (
            "POST",
            "/v1/models?name=x",
            {"json": {}},
            "?name",
            "name is no query parameter here; send it in the JSON body.",
        ),
    ],
)
def test_an_unknown_name_is_named_with_the_one_that_may_be_meant(
    client, method, target, kwargs, pointer, detail
):
    answer = client.open(target, method=method, **kwargs)
    document = problem(answer, 422, "invalid-request")
    assert document["detail"] == detail
    assert document["errors"] == [{"pointer": pointer, "detail": detail}]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("n_cluster", "did you mean 'n_components'?"),
        ("n_clusters", "did you mean 'n_components'?"),
        ("k", "did you mean 'n_components'?"),
        ("K", "did you mean 'n_components'?"),
        ("seed", "did you mean 'random_state'?"),
        ("max_iterations", "did you mean 'max_iter'?"),
        ("tolerance", "did you mean 'tol'?"),
        ("sample_weight", "weights of rows are not supported over HTTP."),
        ("sample_weights", "weights of rows are not supported over HTTP."),
    ],
)
def test_the_words_of_other_programs_are_understood(client, name, hint):
    request = {"data": POINTS, "n_components": 2, name: 3}
    document = problem(client.post("/v1/fits", json=request), 422, "invalid-request")
    assert document["detail"] == f"There is no field {name!r}; {hint}"


def test_a_word_of_other_programs_is_no_hint_where_ours_is_not_known(client):
    document = problem(client.get("/v1/fits?seed=1"), 422, "invalid-request")
    assert document["detail"].endswith("known here: limit, cursor.")


def test_no_operation_takes_a_query_parameter_that_is_not_in_the_contract(client, app):
    kept = ("/docs", "/docs/<asset>", "/")
    asked = set()
    for rule in app.url_map.iter_rules():
        if rule.rule in kept:
            continue
        path = re.sub(r"<[^>]*>", "x", rule.rule)
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            answer = client.open(f"{path}?fps=1000", method=method, json={})
            if method in ("GET", "DELETE"):
                answer = client.open(f"{path}?fps=1000", method=method)
            document = problem(answer, 422, "invalid-request")
            pointers = [error["pointer"] for error in document["errors"]]
            assert "?fps" in pointers, (method, path)
            asked.add(path)
    assert asked >= {"/v1/models/x/animation.gif", "/v1/fits/x", "/v1/models/x"}


def test_all_mistakes_are_told_at_once(client):
    body = {"data": POINTS, "n_components": 0, "tol": -1, "colour": "red", "a/b~c": 1}
    document = problem(client.post("/v1/fits", json=body), 422, "invalid-request")
    pointers = {error["pointer"] for error in document["errors"]}
    assert pointers == {"/n_components", "/tol", "/colour", "/a~1b~0c"}
    assert "4 fields" in document["detail"]


def test_a_thousand_mistakes_make_no_long_answer(client):
    body = {"data": POINTS, "n_components": 1} | {f"x{i}": i for i in range(1000)}
    answer = client.post("/v1/fits", json=body)
    assert len(problem(answer, 422, "invalid-request")["errors"]) == 50


@pytest.mark.parametrize(
    "source", [{}, {"data": POINTS, "dataset_id": "d1"}, {"dataset_id": None}]
)
def test_a_fit_needs_exactly_one_source_of_data(client, source):
    answer = client.post("/v1/fits", json={"n_components": 1} | source)
    document = problem(answer, 422, "invalid-request")
    assert document["errors"][0]["pointer"] in ("/data", "/dataset_id")


def test_a_fit_of_an_unknown_dataset_is_not_accepted(client):
    answer = client.post("/v1/fits", json={"dataset_id": "gone", "n_components": 1})
    problem(answer, 404, "dataset-not-found")


def test_more_components_than_rows_are_refused_before_anything_is_stored(client):
    answer = client.post("/v1/fits", json={"data": POINTS, "n_components": 7})
    document = problem(answer, 422, "invalid-request")
    assert document["errors"][0]["pointer"] == "/n_components"


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/octet-stream",
        "application/pickle",
        "garbage",
        "application/json garbage",
    ],
)
def test_a_wrong_content_type_gets_the_list_of_right_ones(client, content_type):
    answer = client.post("/v1/datasets", data="1,2\n", content_type=content_type)
    document = problem(answer, 415, "unsupported-media-type")
    assert "text/csv" in document["detail"]
    assert "application/x-npy" in document["detail"]


@pytest.mark.parametrize("content_type", [None, "text/csv", "application/x-npy"])
def test_what_is_no_table_must_be_json(client, content_type):
    answer = client.post("/v1/models", data="{}", content_type=content_type)
    document = problem(answer, 415, "unsupported-media-type")
    assert "application/json" in document["detail"]


@pytest.mark.parametrize(
    "content_type", ["APPLICATION/JSON", "application/json; charset=utf-8"]
)
def test_a_content_type_may_be_written_in_many_ways(client, content_type):
    answer = client.post("/v1/models", data="{}", content_type=content_type)
    problem(answer, 422, "invalid-request")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"weights": [0.5, 0.6]}, "/weights"),
        ({"weights": [1.5, -0.5]}, "/weights"),
        ({"weights": []}, "/weights"),
        ({"weights": 1}, "/weights"),
        ({"weights": ["1", 0]}, "/weights/0"),
        ({"weights": [True, 0]}, "/weights/0"),
        ({"weights": [[1]]}, "/weights"),
        ({"means": [[0], [1, 2]]}, "/means/1"),
        ({"means": [[0], 1]}, "/means/1"),
        ({"means": [[0], [None]]}, "/means/1/0"),
        ({"means": [[0]]}, "/weights"),
        ({"covariances": [[[1]], [[0]]]}, "/covariances"),
        ({"covariances": [[[1]], [[-1]]]}, "/covariances"),
        ({"covariances": [1, 1]}, "/covariances"),
        ({"covariances": [[[[1]]]]}, "/covariances"),
        ({"covariances": {}}, "/covariances"),
        ({"covariance_type": "round"}, "/covariance_type"),
        ({"covariances": None}, "/covariances"),
    ],
)
def test_a_model_from_impossible_parameters_is_refused(client, change, pointer):
    body = {"weights": [0.5, 0.5], "means": [[0], [1]], "covariances": [[[1]], [[1]]]}
    answer = client.post("/v1/models", json=body | change)
    document = problem(answer, 422, "invalid-request")
    assert document["errors"][0]["pointer"] == pointer
