"""Every refusal, as a stranger would try it."""

from __future__ import annotations

import io
import json

import pytest

from service.api.access import OPEN, SCOPES, UNGUARDED
from service.domain.api_keys import Scope, id_of
from tests.unit.service.api.conftest import POINTS, problem
from tests.unit.service.api.guarded import BODIES, Guarded, bearer

ID_TAKING = sorted(
    name for name, _, rule in Guarded().rules() if rule.arguments and name in SCOPES
)


@pytest.fixture(scope="module")
def guarded():
    return Guarded()


@pytest.fixture(scope="module")
def admin(guarded):
    return guarded.key("acme")


@pytest.fixture(scope="module")
def stranger(guarded):
    return guarded.key("zeta")


@pytest.fixture
def ids(guarded, admin):
    """What the tenant acme has."""
    with guarded.client() as client:
        headers = bearer(admin)
        dataset = client.post("/v1/datasets", json={"data": POINTS}, headers=headers)
        request = {"dataset_id": dataset.json["id"], "n_components": 2}
        fit = client.post("/v1/fits", json=request, headers=headers)
        guarded.world("acme").work()
        fit = client.get(f"/v1/fits/{fit.json['id']}", headers=headers)
    return {
        "dataset_id": dataset.json["id"],
        "fit_id": fit.json["id"],
        "model_id": fit.json["model_id"],
    }


def test_every_operation_has_a_scope_or_is_open(guarded):
    operations = {name for name, _, _ in guarded.rules()}
    assert operations == SCOPES.keys() | OPEN
    assert not SCOPES.keys() & OPEN


def test_what_only_reads_needs_read_and_what_deletes_needs_delete(guarded):
    for name, method, rule in guarded.rules():
        if name in SCOPES and rule.rule.startswith("/v1/"):
            assert (SCOPES[name] is Scope.DELETE) == (method == "DELETE")
            assert method != "GET" or SCOPES[name] is Scope.READ
            assert method != "PATCH" or SCOPES[name] is Scope.FIT


@pytest.mark.parametrize("operation", sorted(SCOPES))
def test_without_a_key_nothing_is_answered(guarded, operation):
    answer = guarded.call(operation)
    document = problem(answer, 401, "not-authenticated")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="gmm-service"'
    assert "gmm keys create" in document["detail"]


@pytest.mark.parametrize("operation", sorted(OPEN - {"show_asset"}))
def test_what_is_open_needs_no_key(guarded, operation):
    assert guarded.call(operation, code="not-found").status_code == 200


@pytest.mark.parametrize("operation", sorted(SCOPES))
def test_a_key_with_all_other_scopes_is_told_the_one_it_lacks(guarded, operation):
    needed = SCOPES[operation]
    others = guarded.key("acme", set(Scope) - {needed, Scope.ADMIN})
    answer = guarded.call(operation, others)
    document = problem(answer, 403, "missing-scope")
    assert repr(needed.value) in document["detail"]
    assert f'scope="{needed}"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("operation", sorted(SCOPES))
def test_a_key_with_the_scope_alone_is_enough(guarded, operation):
    answer = guarded.call(operation, guarded.key("acme", [SCOPES[operation]]))
    assert answer.status_code not in (401, 403), answer.text


def test_an_operation_that_nobody_thought_of_needs_admin(guarded, monkeypatch):
    monkeypatch.delitem(SCOPES, "list_fits")
    reader = guarded.key("acme", set(Scope) - {Scope.ADMIN})
    problem(guarded.call("list_fits", reader), 403, "missing-scope")


@pytest.mark.parametrize("operation", ID_TAKING)
def test_another_tenants_ids_are_answered_like_unknown_ones(
    guarded, admin, stranger, ids, operation
):
    def told(answer):
        assert answer.status_code == 404, answer.text
        document = json.loads(answer.text)
        del document["request_id"]
        for known in sorted(ids.values(), key=len, reverse=True):
            document = json.loads(json.dumps(document).replace(known, "unknown"))
        unsteady = ("X-Request-Id", "Content-Length")
        headers = {k: v for k, v in answer.headers.items() if k not in unsteady}
        return document, headers

    theirs = told(guarded.call(operation, stranger, **ids))
    assert theirs == told(guarded.call(operation, stranger))
    assert guarded.call(operation, admin, **ids).status_code != 404


def test_another_tenants_dataset_cannot_be_fitted(guarded, stranger, ids):
    request = {"dataset_id": ids["dataset_id"], "n_components": 1}
    answer = guarded.client().post("/v1/fits", json=request, headers=bearer(stranger))
    problem(answer, 404, "dataset-not-found")


@pytest.mark.parametrize("noun", ["datasets", "fits", "models"])
def test_lists_show_only_what_is_the_tenants_own(guarded, admin, stranger, ids, noun):
    client = guarded.client()
    own = client.get(f"/v1/{noun}?limit=1", headers=bearer(admin)).json
    assert own["items"]
    assert client.get(f"/v1/{noun}", headers=bearer(stranger)).json["items"] == []
    if own["next"]:
        path = f"/v1/{noun}?cursor={own['next']}"
        assert client.get(path, headers=bearer(stranger)).json["items"] == []


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer gmm_",
        "Bearer null",
        "Bearer {key}x",
        "Bearer {cut}",
        "Bearer {key} {key}",
        "Bearer {key},Bearer {key}",
        "Bearer {KEY}",
        "Bearer: {key}",
        "Basic {key}",
        "Basic Z21tOmdtbQ==",
        "Token {key}",
        "{key}",
        "Bearer\t{key}",
        "Bearer é",
        "Bearer " + "x" * 8000,
        "Bearer ../../{key}",
        "Bearer *",
    ],
)
def test_what_is_no_key_is_refused_and_not_repeated(guarded, admin, header):
    header = header.replace("{key}", admin).replace("{KEY}", admin.upper())
    header = header.replace("{cut}", admin[:-1])
    answer = guarded.client().get("/v1/fits", headers={"Authorization": header})
    problem(answer, 401, "not-authenticated")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    assert admin[30:50] not in answer.text.lower()


@pytest.mark.parametrize("header", ["bearer {key}", "BEARER  {key}", "Bearer {key}"])
def test_the_word_bearer_may_be_spelled_as_http_allows(guarded, admin, header):
    headers = {"Authorization": header.replace("{key}", admin)}
    assert guarded.client().get("/v1/fits", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v1/fits?api_key={key}", {}),
        ("/v1/fits?access_token={key}", {}),
        ("/v1/fits?Authorization=Bearer+{key}", {}),
        ("/v1/fits?key={key}", {}),
        ("/v1/fits", {"X-API-Key": "{key}"}),
        ("/v1/fits", {"Cookie": "Authorization={key}"}),
        ("/v1/fits", {"Proxy-Authorization": "Bearer {key}"}),
    ],
)
def test_a_key_counts_in_the_header_alone(guarded, admin, path, headers):
    headers = {name: value.format(key=admin) for name, value in headers.items()}
    answer = guarded.client().get(path.format(key=admin), headers=headers)
    problem(answer, 401, "not-authenticated")
    assert admin not in answer.text


def test_a_revoked_key_is_refused_from_the_next_request_on(guarded):
    key = guarded.key()
    assert guarded.call("list_fits", key).status_code == 200
    guarded.service.revoke(id_of(key))
    document = problem(guarded.call("list_fits", key), 401, "not-authenticated")
    assert "revoked" in document["detail"]


def test_an_expired_key_is_refused(guarded):
    key = guarded.expiring_key()
    assert "expired" in guarded.call("list_fits", key).json["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "//v1/fits",
        "/v1//fits",
        "/./v1/fits",
        "/v1/fits/",
        "/docs/../v1/fits",
        "/docs/%2e%2e/v1/fits",
        "/docs/%2e%2e%2fv1%2ffits",
        "/healthz/../v1/fits",
        "/healthz/%2e%2e/v1/fits",
        "/healthz%2f..%2fv1%2ffits",
        "/v1/fits%00",
        "/v1/fits%00.html",
        "/v1/fits;/healthz",
        "/V1/FITS",
        "/v1/fits%0d%0aX-Evil:%201",
        "/docs/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/docs/..%5c..%5capp.py",
        "/docs/%00",
        "/problems/%2e%2e%2fapp",
        "/problems/<script>alert(1)<%2fscript>",
        "/" + "a" * 100_000,
        "/v1/models/" + "a" * 65,
        "/v1/models/gmm:_:schema-version",
        "/v1/models/..%2f..%2f_",
        "/v1/models/*",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_no_trick_with_the_path_leads_anywhere(guarded, path, method):
    answer = guarded.client().open(path, method=method)
    assert answer.status_code in (401, 404, 405), answer.text
    assert answer.mimetype == "application/problem+json"
    assert "X-Evil" not in answer.headers
    assert "<script" not in answer.text


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "TRACE", "CONNECT"])
def test_no_other_method_leads_around_the_key(guarded, method):
    answer = guarded.client().open(
        "/v1/fits", method=method, headers={"X-HTTP-Method-Override": "OPTIONS"}
    )
    assert answer.status_code in (401, 405)


def test_a_head_request_needs_the_key_of_the_get(guarded, admin):
    client = guarded.client()
    assert client.head("/v1/fits").status_code == 401
    assert client.head("/v1/fits", headers=bearer(admin)).status_code == 200


def test_nothing_of_a_refused_upload_is_stored_and_its_body_is_read(guarded):
    body = io.BytesIO(b"1\n" * 150_000)
    answer = guarded.client().post(
        "/v1/datasets",
        input_stream=body,
        content_length=300_000,
        content_type="text/csv",
    )
    problem(answer, 401, "not-authenticated")
    assert body.tell() == 300_000
    assert "default" not in guarded.worlds


def test_more_requests_than_allowed_are_refused_with_the_time_to_wait():
    guarded = Guarded(rate_limit=3)
    key = guarded.key()
    for left in (2, 1, 0):
        answer = guarded.call("list_fits", key)
        assert answer.headers["RateLimit"] == f'"minute";r={left};t=60'
        assert answer.headers["RateLimit-Policy"] == '"minute";q=3;w=60'
    guarded.counts.now = 18.5
    answer = guarded.call("list_fits", key)
    problem(answer, 429, "rate-limited")
    assert answer.headers["Retry-After"] == "42"
    assert answer.headers["RateLimit"].startswith('"minute";r=0;')
    assert guarded.call("list_fits", guarded.key()).status_code == 200
    guarded.counts.now = 60
    assert guarded.call("list_fits", key).status_code == 200


def test_probes_are_never_told_to_wait_nor_to_show_a_key():
    guarded = Guarded(rate_limit=1)
    remote = {"REMOTE_ADDR": "203.0.113.7"}
    for _ in range(5):
        for path in ("/healthz", "/readyz"):
            answer = guarded.client().get(path, environ_overrides=remote)
            assert answer.status_code == 200
            assert "RateLimit" not in answer.headers
    assert {"show_health", "show_readiness"} == UNGUARDED


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        ("203.0.113.7", "203.0.113.7", True),
        ("203.0.113.7", "203.0.113.8", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
    ],
)
def test_without_a_key_each_address_is_counted(first, second, is_same):
    guarded = Guarded(rate_limit=1)
    answers = [
        guarded.client().get("/openapi.yaml", environ_overrides={"REMOTE_ADDR": it})
        for it in (first, second)
    ]
    statuses = [answer.status_code for answer in answers]
    assert statuses == [200, 429 if is_same else 200]


def test_who_tries_keys_is_counted_even_on_this_machine():
    guarded = Guarded(rate_limit=2)
    statuses = [guarded.call("list_fits", "gmm_x").status_code for _ in range(4)]
    assert statuses == [401, 401, 429, 429]


def test_strangers_cannot_use_up_what_a_key_may_send():
    guarded = Guarded(rate_limit=2)
    key = guarded.key()
    for _ in range(5):
        guarded.call("list_fits", key[:-52] + "a" * 52)
    assert guarded.call("list_fits", key).status_code == 200


def test_every_body_of_the_table_belongs_to_an_operation():
    assert set(SCOPES) >= BODIES.keys()
