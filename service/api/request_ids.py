"""Request ids: in every answer and every line of the log."""

from __future__ import annotations

import random
import re
import time
from urllib.parse import quote

import structlog
from flask import Flask, Request, Response, g

from service.api.current import current_globals, current_request
from service.logs import AnsweredRequest, request_handler

_HARMLESS = re.compile(r"[A-Za-z0-9._-]{1,64}")
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
# Of others nobody knows which characters are in them.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

log = structlog.get_logger("service.api")


def current_request_id() -> str:
    """Return the id of the request that is being answered."""
    return str(g.request_id)


def register_request_ids(app: Flask) -> None:
    """Name each request, and log how it was answered."""
    lines = request_handler()

    @app.before_request
    def name_request() -> None:
        context = current_globals()
        offered = current_request().environ.get("HTTP_X_REQUEST_ID")
        # A client's id goes into answers and logs: only if nothing can hide in it.
        is_kept = offered is not None and _HARMLESS.fullmatch(offered)
        context.request_id = offered if is_kept else _new_id()
        context.started = time.monotonic()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=context.request_id)

    @app.after_request
    def tell_request_id(response: Response) -> Response:
        context, request = current_globals(), current_request()
        response.headers["X-Request-Id"] = context.request_id
        answered = AnsweredRequest(
            method=request.method,
            # Quoted: a path can hold line breaks, and a log is read by lines.
            path=quote(request.path)[:200],
            status=response.status_code,
            seconds=round(time.monotonic() - context.started, 4),
            request_id=context.request_id,
            key_id=context.get("key_id"),
        )
        if lines is not None and _is_plain(request):
            lines.write_request(answered)
        else:
            _log(answered)
        return response


def _new_id() -> str:
    """An id that no other request has.

    It may be guessed: it opens nothing. Numbers that may not come from the system, and
    each call of it is a chance for other threads to go first.
    """
    return f"{random.getrandbits(128):032x}"


def _is_plain(request: Request) -> bool:
    return request.method in _METHODS and request.path not in _QUIET


def _log(answered: AnsweredRequest) -> None:
    write = log.debug if answered.path in _QUIET else log.info
    write(
        "request",
        method=answered.method,
        path=answered.path,
        status=answered.status,
        seconds=answered.seconds,
    )
