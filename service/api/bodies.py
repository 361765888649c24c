"""Bodies of requests: read once, bounded as sent and as inflated, never trusted."""

from __future__ import annotations

import gzip
import io
import time
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, Protocol

from flask import Request

from service.api.memory import take_body_memory
from service.api.options import ApiOptions
from service.errors import (
    MalformedBodyError,
    ServiceError,
    TooLargeError,
    TooSlowError,
    UnsupportedMediaTypeError,
)

_CHUNK_BYTES = 64 * 1024
_PIECE_BYTES = 1 << 20
"""Read at once, into memory of whoever asks for so much; what is larger comes in turns,
so that what it takes is counted as it comes."""
_MEMORY_PER_JSON_BYTE = 10
"""A parsed number is an object of Python."""


def open_body(
    request: Request, options: ApiOptions, memory_per_byte: int = 1
) -> BinaryIO:
    """Return the inflated body as a stream that raises when a bound is passed."""
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip"):
        raise UnsupportedMediaTypeError(
            f"The Content-Encoding {encoding[:60]!r} is not read here; send the body "
            "with gzip or without any encoding."
        )
    if (request.content_length or 0) > options.max_body_bytes:
        raise _too_large(options.max_body_bytes)
    sent = _BoundedStream(
        request.stream,
        options.max_body_bytes,
        _too_large,
        _broken_transfer,
        announced=request.content_length or 0,
        # What is inflated is counted as that.
        memory_per_byte=memory_per_byte if encoding == "identity" else 0,
    )
    if encoding == "identity":
        return io.BufferedReader(sent, _CHUNK_BYTES)
    inflated = _BoundedStream(
        gzip.GzipFile(fileobj=io.BufferedReader(sent, _CHUNK_BYTES)),
        options.max_inflated_bytes,
        _inflates_too_large,
        _broken_gzip,
        memory_per_byte=memory_per_byte,
    )
    return io.BufferedReader(inflated, _CHUNK_BYTES)


def read_json_body(request: Request, options: ApiOptions) -> bytes:
    """Return a whole JSON body; its bound is lower than that of tables."""
    length = request.content_length
    least = min(_CHUNK_BYTES, options.max_json_bytes, options.max_body_bytes)
    is_encoded = "HTTP_CONTENT_ENCODING" in request.environ
    # Werkzeug's zero may stand for a length that cannot be read.
    if length and length <= least and not is_encoded:
        return _read_small(request.stream, length)
    body = open_body(request, options, _MEMORY_PER_JSON_BYTE).read(
        options.max_json_bytes + 1
    )
    if len(body) > options.max_json_bytes:
        raise TooLargeError(
            f"A JSON body may have {options.max_json_bytes} bytes; send a larger table "
            "as application/x-npy or application/vnd.apache.parquet."
        )
    return body


def _read_small(stream: _Readable, length: int) -> bytes:
    """Return a body of so many bytes; the streams would cost more than its parsing."""
    body = b""
    while missing := length - len(body):
        chunk = _read(stream, missing, _broken_transfer)
        take_body_memory(len(chunk) * _MEMORY_PER_JSON_BYTE)
        if not chunk:
            # gunicorn ends the stream like this when the client goes away.
            raise _broken_transfer(EOFError())
        body += chunk
    return body


def drain(request: Request, options: ApiOptions) -> None:
    """Read what is left of a refused body, within bounds.

    A client that still sends while the connection closes sees a broken pipe, not
    the answer.
    """
    deadline = time.monotonic() + options.max_drain_seconds
    left = options.max_drained_bytes
    try:
        while left > 0 and time.monotonic() < deadline:
            chunk = request.stream.read(min(left, _CHUNK_BYTES))
            if not chunk:
                return
            left -= len(chunk)
    except Exception:
        # The answer stands; whatever ended the body is no longer of interest.
        return


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _BoundedStream(io.RawIOBase):
    """A stream that gives neither more than `limit` nor less than `announced`."""

    def __init__(
        self,
        source: _Readable,
        limit: int,
        too_large: Callable[[int], ServiceError],
        broken: Callable[[Exception], ServiceError],
        announced: int = 0,
        memory_per_byte: int = 0,
    ) -> None:
        self._source, self._limit, self._left = source, limit, limit
        self._too_large, self._broken = too_large, broken
        self._announced = announced
        self._memory_per_byte = memory_per_byte

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        # One byte more than allowed, to tell "just fits" from "too large".
        most = min(len(buffer), self._left + 1, _PIECE_BYTES)
        chunk = _read(self._source, most, self._broken)
        if len(chunk) > self._left:
            raise self._too_large(self._limit)
        self._left -= len(chunk)
        if self._memory_per_byte:
            take_body_memory(len(chunk) * self._memory_per_byte)
        if not chunk and self._limit - self._left < self._announced:
            # gunicorn ends the stream like this when the client goes away.
            raise self._broken(EOFError())
        buffer[: len(chunk)] = chunk
        return len(chunk)


def _read(
    source: _Readable, size: int, broken: Callable[[Exception], ServiceError]
) -> bytes:
    try:
        return source.read(size)
    except ServiceError:
        raise
    except TimeoutError as error:
        raise TooSlowError(
            "The body came too slowly, or stopped coming; send it again, compressed "
            "if the line is slow."
        ) from error
    except Exception as error:
        # What a server raises for broken framing has no common base class.
        raise broken(error) from error


def _too_large(limit: int) -> ServiceError:
    return TooLargeError(
        f"A body may have {limit} bytes as sent; compress it with gzip, send it as "
        "application/vnd.apache.parquet, or send fewer rows."
    )


def _inflates_too_large(limit: int) -> ServiceError:
    return TooLargeError(
        f"A body may have {limit} bytes once inflated; send fewer rows."
    )


def _broken_transfer(error: Exception) -> ServiceError:
    return MalformedBodyError(
        "The body ended before it was complete, or its chunks are broken; send it "
        "again as a whole."
    )


def _broken_gzip(error: Exception) -> ServiceError:
    known = isinstance(error, EOFError | OSError | zlib.error)
    reason = str(error) if known else "it cannot be inflated"
    return MalformedBodyError(
        f"The body is not valid gzip ({reason[:100]}); compress it again, "
        "or send it without Content-Encoding."
    )
