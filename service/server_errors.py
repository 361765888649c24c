"""Requests that gunicorn cannot read, answered as the API answers its own errors."""

from __future__ import annotations

import json
import socket
import time
import uuid
from contextlib import suppress
from http import HTTPStatus

import structlog
from gunicorn.http.errors import (  # type: ignore[import-untyped]
    ExpectationFailed,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)

from service.connections import PacedSocket, SlowRequestError

_LINGER_BYTES = 1 << 20
_LINGER_SECONDS = 1.0

log = structlog.get_logger("service.api")

_KINDS: tuple[tuple[type[Exception], HTTPStatus, str], ...] = (
    (LimitRequestLine, HTTPStatus.REQUEST_URI_TOO_LONG, "The path is too long."),
    (
        LimitRequestHeaders,
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "The headers are too long or too many.",
    ),
    (
        SlowRequestError,
        HTTPStatus.REQUEST_TIMEOUT,
        "The head of the request did not come in time.",
    ),
    (
        ExpectationFailed,
        HTTPStatus.EXPECTATION_FAILED,
        "Of Expect only 100-continue is known.",
    ),
    (
        UnsupportedTransferCoding,
        HTTPStatus.NOT_IMPLEMENTED,
        "Of Transfer-Encoding only chunked is known.",
    ),
)

_CODES = {
    HTTPStatus.REQUEST_TIMEOUT: "too-slow",
    HTTPStatus.INTERNAL_SERVER_ERROR: "internal-error",
}


def refuse(client: socket.socket | PacedSocket, error: Exception) -> None:
    """Tell a client that its request could not be read; the log tells what it was."""
    request_id = uuid.uuid4().hex
    status, detail = _explained(error)
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("unexpected error", request_id=request_id, exc_info=error)
    else:
        kind = type(error).__name__
        log.info(
            "unreadable request", request_id=request_id, status=int(status), kind=kind
        )
    with suppress(OSError):
        client.settimeout(_LINGER_SECONDS)
        client.sendall(_answer(status, detail, request_id))
        _linger(client)


def _explained(error: Exception) -> tuple[HTTPStatus, str]:
    for kind, status, detail in _KINDS:
        if isinstance(error, kind):
            return status, detail
    if isinstance(error, ParseException):
        return HTTPStatus.BAD_REQUEST, "The request is not well-formed HTTP/1.1."
    return HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong here."


def _answer(status: HTTPStatus, detail: str, request_id: str) -> bytes:
    """The whole answer. It repeats nothing of what could not be read."""
    code = _CODES.get(status, "bad-request")
    document = {
        "type": f"/problems/{code}",
        "title": status.phrase,
        "status": int(status),
        "detail": detail,
        "instance": "",
        "code": code,
        "request_id": request_id,
    }
    body = json.dumps(document).encode()
    head = (
        f"HTTP/1.1 {int(status)} {status.phrase}\r\n"
        "Connection: close\r\n"
        "Content-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        f"X-Request-Id: {request_id}\r\n\r\n"
    )
    return head.encode() + body


def _linger(client: socket.socket | PacedSocket) -> None:
    """Take what still comes: a socket closed over unread bytes drops the answer."""
    client.shutdown(socket.SHUT_WR)
    left, deadline = _LINGER_BYTES, time.monotonic() + _LINGER_SECONDS
    while left > 0 and time.monotonic() < deadline:
        chunk = client.recv(1 << 16)
        if not chunk:
            return
        left -= len(chunk)
