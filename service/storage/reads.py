"""Reads of single values over connections kept at hand: there is one in most requests.

To take a connection from its pool, with a look at whether it is still good, and to put
it back takes longer than to read with it. So a few are kept, and used as they are;
whether one is good is found by using it: to read is to change nothing, and may be done
again.
"""

from __future__ import annotations

import os
from collections import deque
from contextlib import suppress
from typing import Any, cast

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

_MOST_KEPT = 16
"""Connections kept at hand; others remain for all that the pool is asked for."""


class QuickReads:
    """Reads values with a client's connections; may be shared between threads."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._process = os.getpid()
        self._kept: deque[Any] = deque()

    def get(self, key: str) -> bytes | None:
        """Return a value; raises what the client's own `get` would."""
        # That the pool has no connection is no reason to wait for one again.
        connection = self._take()
        # This one may be from before the store began anew.
        with suppress(RedisConnectionError):
            return self._read(connection, key)
        return cast("bytes | None", self._client.get(key))

    def _read(self, connection: Any, key: str) -> bytes | None:
        is_good = False
        try:
            connection.send_command("GET", key, check_health=False)
            value: bytes | None = connection.read_response(disable_decoding=True)
            is_good = True
        finally:
            self._put_back(connection, is_good)
        return value

    def _take(self) -> Any:
        process = os.getpid()
        if process != self._process:
            # After a fork these are the parent's.
            self._kept = deque()
            self._process = process
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
