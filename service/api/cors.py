"""Cross-origin requests of browsers: refused by them, but for origins in the settings.

No cookies are involved: a page sends its key itself, so credentials are never allowed.
"""

from __future__ import annotations

from collections.abc import Sequence

from flask import Flask, Response, request

_READABLE = (
    "Location, Link, ETag, Retry-After, RateLimit, RateLimit-Policy, X-Request-Id, "
    "Idempotency-Replayed"
)
_SENDABLE = (
    "Accept, Authorization, Content-Encoding, Content-Type, Idempotency-Key, "
    "If-None-Match, Last-Event-ID, X-Request-Id"
)
_PREFLIGHT_SECONDS = "600"


def register_cors(app: Flask, origins: Sequence[str]) -> None:
    """Let pages of these origins read the answers."""
    if not origins:
        return

    @app.after_request
    def allow(response: Response) -> Response:
        headers = response.headers
        headers.add("Vary", "Origin")
        origin = request.headers.get("Origin")
        if origin not in origins:
            return response
        headers["Access-Control-Allow-Origin"] = origin
        headers["Access-Control-Expose-Headers"] = _READABLE
        headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        if request.method == "OPTIONS":
            headers["Access-Control-Allow-Methods"] = headers.get("Allow", "")
            headers["Access-Control-Allow-Headers"] = _SENDABLE
            headers["Access-Control-Max-Age"] = _PREFLIGHT_SECONDS
        return response
