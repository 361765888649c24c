"""Browsers at a service that needs no keys: whose page asks, and under which name.

Whoever reaches a service without keys is served, and a browser on the same machine
reaches it for every page that is open in it. Two checks keep those pages out. The name
in Host must be this machine's own: an attacker's name that suddenly resolves to
127.0.0.1 (DNS rebinding) makes his page one of the same origin. And what the browser
says of the page (`Sec-Fetch-Site`, `Origin`) must not be another site.

With a key none of this matters: a page cannot send a key that it does not have.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import urlsplit

from flask import Request

from service.errors import ForeignPageError

# With their names in a WSGI environment, where they are found without a detour.
_FORWARDED = {
    "HTTP_FORWARDED": "Forwarded",
    "HTTP_X_FORWARDED_FOR": "X-Forwarded-For",
    "HTTP_X_FORWARDED_HOST": "X-Forwarded-Host",
}
_WAY_OUT = "with an API key (`gmm keys create`) it is answered."


def refuse_foreign_pages(
    request: Request, cors_origins: Sequence[str], any_host: bool
) -> None:
    """Raise ForeignPageError unless a request comes from here, or from no browser."""
    if not any_host:
        _require_own_name(request)
    _require_own_page(request, cors_origins)


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Tell whether a name or address without a port is only this machine's."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        name = host.lower().rstrip(".")
        return name == "localhost" or name.endswith(".localhost")


def _require_own_name(request: Request) -> None:
    host = request.environ.get("HTTP_HOST")
    # Only a program can leave it out.
    if host is not None and not is_loopback(_without_port(host)):
        raise ForeignPageError(
            f"This service needs no keys, so it answers only to the names of this "
            f"machine, such as localhost, not to {host[:80]!r}; {_WAY_OUT}"
        )
    for name, header in _FORWARDED.items():
        if name in request.environ:
            raise ForeignPageError(
                f"This service needs no keys, so it answers only to this machine, but "
                f"{header} tells of a client behind a proxy; {_WAY_OUT}"
            )


def _require_own_page(request: Request, cors_origins: Sequence[str]) -> None:
    origin = request.environ.get("HTTP_ORIGIN")
    if origin in cors_origins:
        return
    site = request.environ.get("HTTP_SEC_FETCH_SITE", "none")
    if origin is None and site in ("none", "same-origin"):
        return
    # A link to here from anywhere does no harm: it shows, and does nothing.
    is_link = request.environ.get("HTTP_SEC_FETCH_MODE") == "navigate"
    if is_link and request.method in ("GET", "HEAD"):
        return
    own = request.host_url.rstrip("/").lower()
    if site not in ("none", "same-origin") or origin not in (None, own):
        raise ForeignPageError(
            "A page of another site sent this, and this service needs no keys. Set "
            f"GMM_CORS_ORIGINS if that page is yours, or send a key: {_WAY_OUT}"
        )


@lru_cache(maxsize=256)
def _without_port(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
