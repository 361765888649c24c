"""A running service behind keys, and strangers before it."""

from __future__ import annotations

import json
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.integration.running import Service, cloud, gmm, running_service

MAX_BODY_BYTES = 2_000_000


@pytest.fixture(scope="module")
def guarded() -> Iterator[Service]:
    settings = {
        "GMM_REQUIRE_KEYS": "true",
        "GMM_LOG_LEVEL": "debug",
        "GMM_MAX_BODY_BYTES": str(MAX_BODY_BYTES),
    }
    with (
        tempfile.TemporaryDirectory(prefix="gmm-") as folder,
        running_service(Path(folder), **settings) as service,
    ):
        yield service


def keys(service: Service, *arguments: str) -> str:
    with gmm("keys", *arguments, GMM_STATE_DIR=str(service.state_dir)) as process:
        output, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    return output.strip()


@pytest.fixture(scope="module")
def admin(guarded) -> dict[str, str]:
    return bearer(keys(guarded, "create", "--scopes", "admin", "--tenant", "acme"))


@pytest.fixture(scope="module")
def stranger(guarded) -> dict[str, str]:
    return bearer(keys(guarded, "create", "--scopes", "admin", "--tenant", "zeta"))


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def raw(service: Service, sent: bytes) -> tuple[int, str, dict[str, object]]:
    """Send bytes as they are; return status, media type and document."""
    address = urlsplit(service.url)
    with socket.create_connection((address.hostname, address.port), 10) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    status_line, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    media_type = headers.get("content-type", "")
    document = json.loads(body) if media_type.endswith("json") else {}
    return int(status_line.split()[1]), media_type, document


def test_a_worker_fits_for_each_tenant_and_neither_sees_the_other(
    guarded, admin, stranger
):
    request = {"data": cloud().tolist(), "n_components": 2}
    answer = guarded.post("/v1/fits", json=request, headers=admin)
    assert answer.status_code == 202, answer.text
    path = answer.headers["Location"]
    fit = guarded.get(path, params={"wait": 30}, headers=admin).json()
    assert fit["status"] == "succeeded", fit
    for own in (path, f"/v1/models/{fit['model_id']}"):
        assert guarded.get(own, headers=admin).status_code == 200
        assert guarded.get(own, headers=stranger).status_code == 404
        assert guarded.get(own).status_code == 401


def test_a_revoked_key_is_refused_at_once_while_the_service_runs(guarded):
    key = keys(guarded, "create", "--scopes", "read")
    assert guarded.get("/v1/fits", headers=bearer(key)).status_code == 200
    keys(guarded, "revoke", key[4:20])
    assert guarded.get("/v1/fits", headers=bearer(key)).status_code == 401


@pytest.mark.parametrize("with_key", [False, True])
def test_who_sends_much_reads_why_it_is_refused(guarded, admin, with_key):
    body = b"1,2\n" * 5_000_000
    headers = {"Content-Type": "text/csv"} | (admin if with_key else {})
    answer = guarded.post("/v1/datasets", data=body, headers=headers)
    assert answer.status_code == (413 if with_key else 401)
    assert answer.json()["detail"]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET /v1/fits?" + b"a" * 10_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nX-A: " + b"a" * 10_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X-A: a\r\n" * 200 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nX-Request-Id: a\r\n b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX-A: a\x00b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX A: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX-A\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n", 400),
        (
            b"POST /v1/fits HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (b"POST /v1/fits HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /v1/fits HTTP/1.1\r\nTransfer-Encoding: what\r\n\r\n", 501),
        (b"GET /v1/fits%00 HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        (b"GET /docs/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        (b"GET /docs/../v1/fits HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        (b"GET //v1/fits HTTP/1.1\r\nHost: a\r\n\r\n", 401),
        (b"GET http://other/v1/fits HTTP/1.1\r\nHost: a\r\n\r\n", 401),
        (b"GET /v1/fits HTTP/1.0\r\n\r\n", 401),
        (b"GET /v1/fits HTTP/1.1\r\nHost: a\r\nAuthorization: \xff\r\n\r\n", 401),
    ],
)
def test_what_is_not_meant_as_http_gets_a_problem_document(guarded, sent, status):
    returned, media_type, document = raw(guarded, sent)
    assert (returned, media_type) == (status, "application/problem+json")
    assert document["status"] == status
    assert document["code"]
    assert len(str(document["request_id"])) == 32
    assert "aaaa" not in str(document["detail"])


def test_a_header_cannot_be_smuggled_into_an_answer(guarded, admin):
    for path in ("/v1/models/x%0d%0aX-Evil:%20yes", "/docs/x%0d%0aX-Evil:%20yes"):
        answer = guarded.get(path, headers=admin)
        assert answer.status_code == 404
        assert "X-Evil" not in answer.headers
    sent = b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Request-Id: a\rX-Evil: b\r\n\r\n"
    assert raw(guarded, sent)[0] == 400


def test_pages_for_people_load_nothing_from_elsewhere_and_run_no_inline_script(guarded):
    for path in ("/", "/docs"):
        answer = guarded.get(path)
        assert answer.status_code == 200
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        scripts = policy.partition("script-src ")[2].partition(";")[0]
        assert scripts in ("", "'self'")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "<script>" not in answer.text


def test_no_key_is_in_the_log(guarded, admin):
    key = admin["Authorization"].removeprefix("Bearer ")
    secret = key[21:]
    guarded.get("/v1/fits", headers=admin)
    guarded.get(f"/v1/fits?api_key={key}")
    guarded.get(f"/v1/fits/{key}", headers=admin)
    guarded.get(f"/{key}")
    guarded.get("/v1/fits", headers={"Authorization": f"Basic {key}"})
    guarded.get("/v1/fits", headers={"X-Request-Id": key[:60], "X-API-Key": key})
    guarded.post("/v1/models", json={"name": key}, headers=admin)
    raw(guarded, b"GET /" + key.encode() * 200 + b" HTTP/1.1\r\nHost: a\r\n\r\n")
    raw(
        guarded,
        b"GET / HTTP/1.1\r\nAuthorization: Bearer\x00" + key.encode() + b"\r\n\r\n",
    )
    requests.request(key[:20], guarded.url, timeout=10)
    assert secret not in guarded.log
    assert secret[:20] not in guarded.log
    # The lines are there, and tell whose key it was.
    assert f"/v1/fits/gmm_{key[4:20]}_…" in guarded.log.replace("%E2%80%A6", "…")
    assert f"key_id={key[4:20]}" in guarded.log
