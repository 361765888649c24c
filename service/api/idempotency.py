"""`Idempotency-Key`: a request that creates may be sent again, and creates once.

After draft-ietf-httpapi-idempotency-key-header. What makes two requests the same is a
hash of all of them that matters; the body is hashed while it is read, never kept.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import wraps
from typing import IO, Any

from flask import Flask, Request, Response, request

from service.api.blueprint import Blueprint, Decorator
from service.api.options import ApiOptions
from service.domain.idempotency import Answer
from service.errors import InvalidIdempotencyKeyError, TooLargeError
from service.use_cases.services import Services

REPLAYED = "Idempotency-Replayed"

# Without a comma: that is how two headers arrive as one.
_KEY = re.compile(r"[!-+\--~]{1,255}", re.ASCII)
_CHUNK_BYTES = 64 * 1024
_KEPT_HEADERS = ("Content-Type", "Location")
_PARAMETER = {
    "in": "header",
    "name": "Idempotency-Key",
    "description": "A name of your choice for this request, such as a UUID. Sent "
    "again with the same key it gets the same answer and creates nothing more; "
    "another request with that key is refused. Once what it created is gone, the "
    "answer is 410.",
    "schema": {"type": "string", "pattern": f"^{_KEY.pattern}$"},
}


class HashingStream:
    """A body that is hashed as it is read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()
        self._n_read = 0

    def read(self, size: int = -1, /) -> bytes:
        chunk = self._stream.read(size)
        self._digest.update(chunk)
        self._n_read += len(chunk)
        return chunk

    def digest_of_all(self, most: int) -> bytes:
        """Read what no parser has read, and return the hash of the whole body."""
        while self.read(_CHUNK_BYTES):
            if self._n_read > most:
                raise TooLargeError(f"A body may have {most} bytes as sent; send less.")
        return self._digest.digest()


def register_idempotency(app: Flask) -> None:
    """Hash the bodies of requests with a key."""

    @app.before_request
    def hash_body() -> None:
        if "HTTP_IDEMPOTENCY_KEY" in request.environ and request.method == "POST":
            # Where the parsers look for it, whoever comes first.
            request.stream = HashingStream(request.stream)  # type: ignore[assignment]


def idempotent(
    blueprint: Blueprint,
    services: Callable[[], Services],
    options: ApiOptions,
    find: Callable[[Services, str], object],
) -> Decorator:
    """Call the view once for each key, with the id that it is to use: `new_id`.

    `find` gets what has an id, as an answer is given again only while that exists.

    Inside of what parses the request, so that a malformed one takes no key, and outside
    of what makes the answer. Without a key the view is called with None.
    """

    def decorator(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def once(*args: Any, **kwargs: Any) -> Any:
            stream = request.stream
            if not isinstance(stream, HashingStream):
                return view(*args, new_id=None, **kwargs)

            def create(new_id: str) -> Answer:
                return _answer(view(*args, new_id=new_id, **kwargs))

            answer, is_replayed = services().idempotency.once(
                _key(request),
                _fingerprint(request, stream.digest_of_all(options.max_body_bytes)),
                create,
                lambda answer: find(services(), _created_id(answer)),
            )
            response = Response(answer.body, answer.status, answer.headers)
            if is_replayed:
                response.headers[REPLAYED] = "true"
            return response

        documented = blueprint.doc(parameters=[_PARAMETER])(once)
        return blueprint.problems(400, 409, 410, 422)(documented)

    return decorator


def _key(request: Request) -> str:
    key = request.headers["Idempotency-Key"]
    if not _KEY.fullmatch(key):
        raise InvalidIdempotencyKeyError(
            "One Idempotency-Key must come, of 1 to 255 visible ASCII characters but "
            "for commas, such as a UUID; send one of these, or leave the header out."
        )
    return key


def _fingerprint(request: Request, body_digest: bytes) -> str:
    parts = (
        request.method,
        request.path,
        request.query_string.decode("latin-1"),
        request.content_type or "",
        request.headers.get("Content-Encoding", ""),
        body_digest.hex(),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _created_id(answer: Answer) -> str:
    """The id of what an answer speaks of; with `reuse` not that which was reserved."""
    return answer.headers["Location"].rpartition("/")[2]


def _answer(response: Response) -> Answer:
    headers = {
        name: response.headers[name]
        for name in _KEPT_HEADERS
        if name in response.headers
    }
    return Answer(response.status_code, headers, response.get_data())
