"""Headers that every answer carries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask, Response
from werkzeug.wsgi import ClosingIterator

from service.api.current import current_request

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_NOTHING_LOADED = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"
# They forbid a browser to guess, frame, load or keep what was not meant so.
_SECURITY = {
    name.lower(): (name, value)
    for name, value in (
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("X-Frame-Options", "DENY"),
        ("Content-Security-Policy", _NOTHING_LOADED),
        ("Cache-Control", "no-store"),
    )
}


# Werkzeug corrects these before they are sent.
_CORRECTED = frozenset({"location", "content-location"})


class SecuredResponse(Response):
    """An answer that has the headers of every answer, unless it has others.

    They are added as it is sent: to set six headers in an answer takes as long as all
    the rest of making it.
    """

    def get_wsgi_response(
        self, environ: WSGIEnvironment
    ) -> tuple[Iterable[bytes], str, list[tuple[str, str]]]:
        given = {name.lower() for name, _ in self.headers}
        is_plain = self.status_code == 200 and environ["REQUEST_METHOD"] != "HEAD"
        if is_plain and "content-length" in given and given.isdisjoint(_CORRECTED):
            # What werkzeug would return, without looking for what to correct.
            body: Iterable[bytes] = ClosingIterator(self.iter_encoded(), self.close)
            status, headers = self.status, list(self.headers)
        else:
            body, status, headers = super().get_wsgi_response(environ)
        headers += [each for name, each in _SECURITY.items() if name not in given]
        return body, status, headers


def register_security_headers(app: Flask) -> None:
    """Let every answer of the app be a SecuredResponse."""
    app.response_class = SecuredResponse

    @app.after_request
    def answer_options(response: Response) -> Response:
        """Flask's own answer to OPTIONS is an empty HTML page."""
        if current_request().method == "OPTIONS" and response.status_code == 200:
            response.status_code = 204
            response.headers.remove("Content-Type")
        return response
