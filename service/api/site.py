"""Pages for people: links, and a reader of the contract that needs no network."""

from __future__ import annotations

from importlib import resources

from flask import Blueprint, Response

from service.errors import NotFoundError

_STATIC = resources.files("service.api") / "static"
_ASSETS = {
    "rapidoc-min.js": "text/javascript",
    "rapidoc-min.js.LICENSE.txt": "text/plain",
    "LICENSE.txt": "text/plain",
}
_LANDING_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "frame-ancestors 'none'"
)
# RapiDoc styles itself with inline styles; scripts come from here alone.
_READER_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def site_blueprint() -> Blueprint:
    site = Blueprint("site", __name__)

    @site.get("/")
    def show_landing() -> Response:
        """Return a page with links to all else."""
        return _file("index.html", "text/html", _LANDING_POLICY)

    @site.get("/docs")
    def show_reader() -> Response:
        """Return the reader of the contract."""
        return _file("docs/index.html", "text/html", _READER_POLICY)

    @site.get("/docs/<asset>")
    def show_asset(asset: str) -> Response:
        """Return a file of the reader."""
        if asset not in _ASSETS:
            raise NotFoundError(f"The reader has no file {asset[:60]!r}.")
        response = _file(f"docs/{asset}", _ASSETS[asset])
        response.headers["Cache-Control"] = "public, max-age=86400"
        return response

    return site


def _file(name: str, mimetype: str, policy: str | None = None) -> Response:
    response = Response((_STATIC / name).read_bytes(), mimetype=mimetype)
    if policy is not None:
        response.headers["Content-Security-Policy"] = policy
    return response
