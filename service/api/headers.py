"""Headers that every answer carries."""

from __future__ import annotations

from flask import Flask, Response, request

_NOTHING_LOADED = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"


def register_security_headers(app: Flask) -> None:
    """Forbid a browser to guess, frame, load or keep what was not meant so."""

    @app.after_request
    def secure(response: Response) -> Response:
        headers = response.headers
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Referrer-Policy"] = "no-referrer"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        headers.setdefault("X-Frame-Options", "DENY")
        headers.setdefault("Content-Security-Policy", _NOTHING_LOADED)
        headers.setdefault("Cache-Control", "no-store")
        return response

    @app.after_request
    def answer_options(response: Response) -> Response:
        """Flask's own answer to OPTIONS is an empty HTML page."""
        if request.method == "OPTIONS" and response.status_code == 200:
            response.status_code = 204
            response.headers.remove("Content-Type")
        return response
