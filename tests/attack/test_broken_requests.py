"""Requests that break the rules of HTTP: answered as problems, or not at all."""

from __future__ import annotations

import json

import pytest

from tests.attack.clients import exchange, head
from tests.attack.conftest import Victim

CLOSE = "Connection: close"
JSON = "Content-Type: application/json"


def split(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    """The status, the headers and the body of one answer."""
    start, _, rest = answer.partition(b"\r\n\r\n")
    lines = start.decode().split("\r\n")
    pairs = (line.partition(":") for line in lines[1:])
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    return int(lines[0].split(" ")[1]), headers, rest


BROKEN = {
    "no request": (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
    "no version": (b"GET /healthz\r\n\r\n", 400),
    "another version": (b"GET /healthz HTTP/9.9\r\n\r\n", 400),
    "a path too long": (head("GET", "/" + "a" * 100_000, "", ""), 414),
    "a header too long": (head("GET", "/", "X-Long: " + "a" * 100_000, "", ""), 431),
    "too many headers": (
        head("GET", "/", *(f"X-{k}: 1" for k in range(1000)), "", ""),
        431,
    ),
    "both lengths": (
        head(
            "POST",
            "/v1/models",
            JSON,
            "Content-Length: 5",
            "Transfer-Encoding: chunked",
            "",
            "0\r\n\r\n",
        ),
        400,
    ),
    "two lengths": (
        head("POST", "/v1/models", "Content-Length: 5", "Content-Length: 6", "", ""),
        400,
    ),
    "no length": (head("POST", "/v1/models", "Content-Length: -5", "", ""), 400),
    "an unknown coding": (
        head("POST", "/v1/models", "Transfer-Encoding: zstd", "", ""),
        501,
    ),
    "an unknown expectation": (head("GET", "/", "Expect: wonders", "", ""), 417),
    "a space before the colon": (head("GET", "/", "X-A : 1", "", ""), 400),
    "a folded header": (head("GET", "/", "X-A: 1", " 2", "", ""), 400),
    "a zero byte": (head("GET", "/", "X-A: a\0b", "", ""), 400),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_right_request_is_answered_with_a_problem(victim: Victim, name: str):
    request, expected = BROKEN[name]
    status, headers, body = split(exchange(victim.address, request, 5))
    assert status == expected
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    problem = json.loads(body)
    assert problem["status"] == expected
    assert problem["request_id"] == headers["x-request-id"]
    assert b"<" not in body


def test_a_broken_chunk_is_a_malformed_body(victim: Victim):
    lines = (JSON, "Transfer-Encoding: chunked", "", "xyz\r\n{}\r\n0\r\n\r\n")
    answer = exchange(victim.address, head("POST", "/v1/models", *lines), 5)
    status, _, body = split(answer)
    assert status == 400
    assert json.loads(body)["code"] == "malformed-body"
    assert answer.count(b"HTTP/1.1 ") == 1


def test_pipelined_requests_are_answered_in_their_order(victim: Victim):
    paths = ["/healthz", f"{victim.model}", "/v1/nothing"] * 20
    requests = [head("GET", path, "", "") for path in paths]
    requests.append(head("GET", "/healthz", CLOSE, "", ""))
    answer = exchange(victim.address, b"".join(requests), 10)
    statuses = [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [200, 200, 404] * 20 + [200]


def test_a_refused_body_does_not_become_the_next_request(victim: Victim):
    """What follows the head of a refused upload is its body, whatever it looks like."""
    smuggled = head("DELETE", victim.model, CLOSE, "", "")
    lines = ("Content-Type: text/html", f"Content-Length: {len(smuggled)}", "", "")
    request = head("POST", f"{victim.model}/predict", *lines) + smuggled
    request += head("GET", "/healthz", CLOSE, "", "")
    answer = exchange(victim.address, request, 10)
    assert [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]] == [415, 200]
    victim.predict()


@pytest.mark.parametrize("path", ["/%2e%2e/etc/passwd", "/v1/%00"])
def test_a_path_that_is_a_trick_is_not_there(victim: Victim, path: str):
    answer = exchange(victim.address, head("GET", path, CLOSE, "", ""), 5)
    status, headers, _ = split(answer)
    assert status in (400, 404)
    assert headers["content-type"] == "application/problem+json"


def test_an_absolute_path_without_a_slash_is_answered_without_html(victim: Victim):
    request = head("GET", "http://localhost", CLOSE, "", "")
    status, headers, body = split(exchange(victim.address, request, 5))
    assert status in (200, 308, 400, 404)
    if status != 200:
        assert headers["content-type"] == "application/problem+json"
        assert b"<" not in body
