from __future__ import annotations

import pytest

import service.errors
from service.api.problems import problem_types
from service.errors import SchemaMismatchError, StorageUnavailableError
from tests.unit.service.api.conftest import problem


@pytest.mark.parametrize(
    ("method", "target", "allowed"),
    [
        ("PUT", "/v1/datasets", {"GET", "HEAD", "OPTIONS", "POST"}),
        ("POST", "/v1/datasets/x", {"GET", "HEAD", "OPTIONS", "DELETE"}),
        ("GET", "/v1/fits/x/cancel", {"OPTIONS", "POST"}),
        ("GET", "/v1/models/x/predict", {"OPTIONS", "POST"}),
        ("POST", "/healthz", {"GET", "HEAD", "OPTIONS"}),
        ("TRACE", "/v1/fits", {"GET", "HEAD", "OPTIONS", "POST"}),
        ("BREW", "/", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_a_wrong_method_gets_those_allowed(client, method, target, allowed):
    answer = client.open(target, method=method)
    document = problem(answer, 405, "method-not-allowed")
    named = " or ".join(sorted(allowed - {"HEAD", "OPTIONS"}))
    assert document["detail"] == f"{method} is not possible here; send {named}."
    assert {word.strip() for word in answer.headers["Allow"].split(",")} == allowed


def test_options_tell_the_methods_and_nothing_else(client):
    answer = client.options("/v1/fits")
    assert (answer.status_code, answer.data) == (204, b"")
    assert "POST" in answer.headers["Allow"]
    assert "Content-Type" not in answer.headers


def test_head_is_get_without_the_body(client, dataset_id):
    answer = client.head(f"/v1/datasets/{dataset_id}")
    assert (answer.status_code, answer.data) == (200, b"")
    assert int(answer.headers["Content-Length"]) > 0


@pytest.mark.parametrize(
    "target",
    ["/nowhere", "/v1", "/v1/models/x/explain", "/static/x", "/docs/../app.py"],
)
def test_what_is_not_there_is_a_problem_not_a_page(client, target):
    document = problem(client.get(target), 404, "not-found")
    assert document["detail"]


def test_an_unexpected_error_shows_nothing_of_itself(
    client, world, monkeypatch, capsys
):
    def fail(*_):
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr(world.datasets, "list", fail)
    answer = client.get("/v1/datasets", headers={"X-Request-Id": "find-me"})
    document = problem(answer, 500, "internal-error")
    assert "secret" not in answer.text
    logged = capsys.readouterr().out
    assert document["request_id"] == "find-me"
    assert "find-me" in logged
    assert "the secret of the house" in logged


def test_a_path_cannot_begin_a_line_of_its_own_in_the_log(client, capsys):
    client.get("/v1/fits/x%0d%0a[error] forged")
    assert "\n[error] forged" not in capsys.readouterr().out.replace("\r", "\n")


@pytest.mark.parametrize("offered", ["abc-123", "0af7651916cd43dd8448eb211c80319c"])
def test_a_harmless_request_id_is_kept(client, offered):
    answer = client.get("/healthz", headers={"X-Request-Id": offered})
    assert answer.headers["X-Request-Id"] == offered


@pytest.mark.parametrize(
    "offered", ["", "a b", "x" * 65, "<script>", "é", "a;b", "a\tb"]
)
def test_any_other_request_id_is_replaced(client, offered):
    answer = client.get("/healthz", headers={"X-Request-Id": offered})
    assert answer.headers["X-Request-Id"] != offered
    assert len(answer.headers["X-Request-Id"]) == 32


def test_each_request_has_its_own_id(client):
    ids = {client.get("/healthz").headers["X-Request-Id"] for _ in range(5)}
    assert len(ids) == 5


def test_every_answer_forbids_sniffing_framing_and_keeping(client):
    for target in ("/v1/fits", "/nowhere", "/healthz", "/docs", "/"):
        headers = client.get(target).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"


def test_the_process_is_healthy_even_when_the_store_is_away(client, world):
    world.readiness.error = StorageUnavailableError("The store is away.")
    assert client.get("/healthz").json == {"status": "ok"}
    answer = client.get("/readyz")
    problem(answer, 503, "store-unavailable")
    assert answer.headers["Retry-After"]


def test_a_store_of_another_version_is_not_ready(client, world):
    assert client.get("/readyz").json == {"status": "ready"}
    world.readiness.error = SchemaMismatchError("Run `gmm migrate`.")
    assert (
        "gmm migrate"
        in problem(client.get("/readyz"), 503, "schema-mismatch")["detail"]
    )


def test_every_code_is_explained(client):
    for code, kind in problem_types().items():
        document = client.get(f"/problems/{code}").json
        assert (document["code"], document["status"]) == (code, kind.status)
        assert document["description"]
    problem(client.get("/problems/unheard-of"), 404, "not-found")


def test_every_error_of_the_service_has_a_code_of_its_own():
    kinds = [
        kind
        for kind in vars(service.errors).values()
        if isinstance(kind, type) and issubclass(kind, service.errors.ServiceError)
    ]
    assert {kind.code for kind in kinds} <= problem_types().keys()
    assert len({kind.code for kind in kinds}) == len(kinds)


def test_requests_are_counted_by_route_and_not_by_path(client):
    client.get("/v1/fits/some-secret-id")
    client.open("/v1/fits", method="BREW")
    client.get("/nowhere/at/all")
    answer = client.get("/metrics")
    assert answer.mimetype == "text/plain"
    assert 'route="/v1/fits/<id:fit_id>",status="404"' in answer.text
    assert 'method="other",route="unmatched"' in answer.text
    assert "some-secret-id" not in answer.text
    assert "gmm_http_requests_in_flight 1.0" in answer.text
