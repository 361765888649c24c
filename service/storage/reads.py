"""Reads of single values, past most of redis-py: there is one in nearly every request.

To take a connection from its pool, with a look at whether it is still good, to read
with it and to put it back takes ten times as long as the system needs for the read. So
a few connections are kept at hand, and used as they are; whether one is good is found
by using it: to read is to change nothing, and may be done again.
"""

from __future__ import annotations

import os
from collections import deque
from contextlib import suppress
from typing import Any, cast

from redis import Redis
from redis.exceptions import TimeoutError as RedisTimeoutError

_MOST_KEPT = 16
"""Connections kept at hand; others remain for all that the pool is asked for."""
_PIECE_BYTES = 64 * 1024


class _NoValueError(Exception):
    """What came is not a value, or the connection has ended."""


class QuickReads:
    """Reads values with a client's connections; may be shared between threads."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._process = os.getpid()
        self._kept: deque[Any] = deque()

    def get(self, key: str) -> bytes | None:
        """Return a value; raises what the client's own `get` would."""
        with suppress(_NoValueError):
            return self._read(key)
        # Left over from before the store began anew, perhaps; or the read is refused,
        # and the client knows the words for it.
        return cast("bytes | None", self._client.get(key))

    def _read(self, key: str) -> bytes | None:
        connection = self._take()
        is_good = False
        try:
            value = _ask(connection._sock, key)
            is_good = True
        except TimeoutError as error:
            # The store is busy or away: to ask again would only make the caller wait.
            raise RedisTimeoutError("Timeout reading from socket") from error
        except OSError as error:
            raise _NoValueError from error
        finally:
            self._put_back(connection, is_good)
        return value

    def _take(self) -> Any:
        process = os.getpid()
        if process != self._process:
            # After a fork these are the parent's.
            self._process, self._kept = process, deque()
        try:
            return self._kept.pop()
        except IndexError:
            return self._client.connection_pool.get_connection()

    def _put_back(self, connection: Any, is_good: bool) -> None:
        if is_good and len(self._kept) < _MOST_KEPT:
            self._kept.append(connection)
            return
        if not is_good:
            connection.disconnect()
        self._client.connection_pool.release(connection)


def _ask(sock: Any, key: str) -> bytes | None:
    """Send GET and read its answer, in Redis' own words (RESP 2).

    References
    ----------
    Redis serialization protocol specification, "Bulk strings".
    """
    name = key.encode()
    sock.sendall(b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n" % (len(name), name))
    answer = _received(sock)
    while b"\r\n" not in answer:
        answer += _received(sock)
    head, _, value = answer.partition(b"\r\n")
    if head == b"$-1":
        return None
    if not (head.startswith(b"$") and head[1:].isdigit()):
        raise _NoValueError
    size = int(head[1:])
    if len(value) < size + 2:
        value = _rest(sock, value, size + 2)
    return value[:size]


def _rest(sock: Any, begun: bytes, size: int) -> bytes:
    """Return the bytes of which some have come."""
    whole = bytearray(begun)
    while len(whole) < size:
        whole += _received(sock)
    return bytes(whole)


def _received(sock: Any) -> bytes:
    piece: bytes = sock.recv(_PIECE_BYTES)
    if not piece:
        raise _NoValueError
    return piece
