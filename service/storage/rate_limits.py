"""Counts of requests in Redis: one number a client, gone when its minute is over."""

from __future__ import annotations

import hashlib

from service.storage.connection import StoreClients
from service.storage.keys import rate_limit
from service.storage.store import Store


class RedisRequestCounts:
    """Implements `service.ports.RequestCounts`."""

    def __init__(self, clients: StoreClients) -> None:
        self._store = Store(clients)

    def add(self, client: str, n_requests: int, seconds: int) -> tuple[int, float]:
        # An address may have any length; and a store's backup need not tell of it.
        key = rate_limit(hashlib.sha256(client.encode()).hexdigest()[:32])
        _, counted, milliseconds = self._store.run(
            [
                ("SET", key, 0, "EX", seconds, "NX"),
                ("INCRBY", key, n_requests),
                ("PTTL", key),
            ]
        )
        return int(counted), max(0, int(milliseconds)) / 1000
