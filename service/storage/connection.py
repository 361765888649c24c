"""Clients of one store, for ordinary commands and for those that block."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from redis import BlockingConnectionPool, ConnectionPool, Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from service.storage.reads import QuickReads

SOCKET_TIMEOUT_SECONDS = 5.0
MAX_BLOCK_SECONDS = 5.0
"""A read that may block for longer asks again: so a dead store is noticed."""

_ORDINARY_CONNECTIONS = 64
_BLOCKING_CONNECTIONS = 256


@dataclass(frozen=True)
class StoreClients:
    """Clients of the store at `url` (redis://, rediss:// or unix://), made when asked.

    An answer may take `timeout_seconds`, beside the time that a read may block.

    They may be shared between threads, and used after a fork: redis-py's pools notice
    another process id and start empty there.
    """

    url: str
    timeout_seconds: float = SOCKET_TIMEOUT_SECONDS

    @cached_property
    def ordinary(self) -> Redis:
        """For commands that answer at once; waits for a free connection."""
        return Redis(
            connection_pool=BlockingConnectionPool.from_url(
                self.url,
                max_connections=_ORDINARY_CONNECTIONS,
                timeout=self.timeout_seconds,
                socket_timeout=self.timeout_seconds,
                **self._options(),
            )
        )

    @cached_property
    def reads(self) -> QuickReads:
        """For values that are read by themselves; with ordinary connections."""
        return QuickReads(self.ordinary)

    @cached_property
    def blocking(self) -> Redis:
        """For reads that block up to MAX_BLOCK_SECONDS; each holds a connection."""
        return Redis(
            connection_pool=ConnectionPool.from_url(
                self.url,
                max_connections=_BLOCKING_CONNECTIONS,
                socket_timeout=MAX_BLOCK_SECONDS + self.timeout_seconds,
                **self._options(),
            )
        )

    def close(self) -> None:
        self.__dict__.pop("reads", None)
        for name in ("ordinary", "blocking"):
            # The instance's dictionary, so that closing makes no client.
            client = self.__dict__.pop(name, None)
            if client is not None:
                client.connection_pool.disconnect()

    def _options(self) -> dict[str, object]:
        return {
            "socket_connect_timeout": self.timeout_seconds,
            # A refused or broken connection is tried again at once; after a timeout
            # the store is busy or stopped, and asking again would only make the caller
            # wait.
            "retry": Retry(
                ExponentialBackoff(cap=0.2, base=0.02), 2, (RedisConnectionError,)
            ),
            # The same answers from every server, and bytes: most values are raw
            # numbers.
            "protocol": 2,
            "decode_responses": False,
        }
