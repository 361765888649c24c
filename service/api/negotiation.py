"""Accept: which of the formats that can be written the client likes best."""

from __future__ import annotations

from collections.abc import Sequence

from werkzeug.datastructures import MIMEAccept

from service.api.current import current_request
from service.errors import NotAcceptableError


def negotiate(writable: Sequence[str]) -> str:
    """Return the writable media type with the highest quality; ties go to the first.

    The most specific range of Accept decides about a type (RFC 9110, 12.5.1), so
    `application/json;q=0, */*` is everything but JSON.
    """
    request = current_request()
    header = request.environ.get("HTTP_ACCEPT", "").strip()
    # What nearly all clients send is not worth a parser.
    if header in ("", "*/*"):
        return writable[0]
    if header in writable:
        return str(header)
    accepted = request.accept_mimetypes
    best = max(writable, key=lambda media_type: _quality(accepted, media_type))
    if _quality(accepted, best) <= 0:
        raise NotAcceptableError(
            f"None of the formats in Accept can be written here; accept one of "
            f"{', '.join(writable)}."
        )
    return best


def _quality(accepted: MIMEAccept, media_type: str) -> float:
    kind = media_type.partition("/")[0]
    ranges = reversed(list(accepted))  # the lowest quality first, so the highest wins
    qualities = {
        name.partition(";")[0].strip().lower(): quality for name, quality in ranges
    }
    for candidate in (media_type, f"{kind}/*", "*/*"):
        if candidate in qualities:
            return float(qualities[candidate])
    return 0.0
