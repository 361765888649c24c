"""Request ids: in every answer and every line of the log."""

from __future__ import annotations

import re
import time
import uuid
from urllib.parse import quote

import structlog
from flask import Flask, Response, g, request

_HARMLESS = re.compile(r"[A-Za-z0-9._-]{1,64}")
_QUIET = ("/healthz", "/readyz", "/metrics")

log = structlog.get_logger("service.api")


def current_request_id() -> str:
    """Return the id of the request that is being answered."""
    return str(g.request_id)


def register_request_ids(app: Flask) -> None:
    """Name each request, and log how it was answered."""

    @app.before_request
    def name_request() -> None:
        offered = request.headers.get("X-Request-Id", "")
        # A client's id goes into answers and logs: only if nothing can hide in it.
        g.request_id = offered if _HARMLESS.fullmatch(offered) else uuid.uuid4().hex
        g.started = time.monotonic()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)

    @app.after_request
    def tell_request_id(response: Response) -> Response:
        response.headers["X-Request-Id"] = g.request_id
        write = log.debug if request.path in _QUIET else log.info
        write(
            "request",
            method=request.method,
            # Quoted: a path can hold line breaks, and a log is read by lines.
            path=quote(request.path)[:200],
            status=response.status_code,
            seconds=round(time.monotonic() - g.started, 4),
        )
        return response
