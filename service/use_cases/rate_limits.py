"""How many requests a client may send in a minute, over all API processes.

The counts are in the store, but not every request goes there: a process takes a few at
a time. A write to a store that syncs each to the disk costs as much as a query.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from service.errors import RateLimitedError, StorageFullError, StorageUnavailableError
from service.ports import RequestCounts

WINDOW_SECONDS = 60

# A process takes this part of a minute's requests at once; what it does not use
# is lost until the next minute.
_SHARE = 50
_BLIND_SECONDS = 1.0
"""How long a store that could not count is not asked again."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a client is told of its limit."""

    limit: int
    remaining: int
    reset_seconds: float


@dataclass(slots=True)
class _Window:
    """What this process knows of a client's minute."""

    ends_at: float
    taken: int = 0
    """Taken from the store and not yet used."""
    left: int = 0
    """Left in the store, as far as known."""


@dataclass(slots=True)
class RateLimiter:
    """Counts requests of clients against one limit."""

    counts: RequestCounts
    limit: int
    """Requests a minute; 0: any number."""
    monotonic: Callable[[], float] = time.monotonic
    _windows: dict[str, _Window] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _blind_until: float = float("-inf")
    _forget_at: float = float("-inf")

    def count(self, client: str) -> Allowance | None:
        """Count a request, or raise RateLimitedError; None where nothing is counted.

        When the store cannot count, the request is let through: a full store must
        remain open to the requests that empty it, and one that is away answers none.
        """
        now = self.monotonic()
        if self.limit == 0 or now < self._blind_until:
            return None
        with self._lock:
            self._forget(now)
            allowance = self._use(client, now)
        if allowance is not None:
            return allowance
        # Without the lock: nobody is to wait for a slow store but who asks it.
        wanted = max(1, self.limit // _SHARE)
        try:
            counted, seconds = self.counts.add(client, wanted, WINDOW_SECONDS)
        except (StorageUnavailableError, StorageFullError):
            self._blind_until = now + _BLIND_SECONDS
            return None
        with self._lock:
            self._credit(client, wanted, counted, now + seconds)
            return self._use(client, now)

    def _use(self, client: str, now: float) -> Allowance | None:
        """Use up one request; None when the store is to be asked for more first."""
        window = self._windows.get(client)
        if window is None or now >= window.ends_at:
            return None
        seconds = window.ends_at - now
        if window.taken > 0:
            window.taken -= 1
            return Allowance(self.limit, window.taken + window.left, seconds)
        if window.left > 0:
            return None
        raise RateLimitedError(self.limit, seconds)

    def _credit(self, client: str, wanted: int, counted: int, ends_at: float) -> None:
        window = self._windows.get(client)
        if window is None or counted == wanted:
            # The first of a new minute; the count began anew.
            window = self._windows[client] = _Window(ends_at)
        window.ends_at = ends_at
        window.taken += max(0, min(wanted, self.limit - (counted - wanted)))
        window.left = max(0, self.limit - counted)

    def _forget(self, now: float) -> None:
        """Drop the windows that are over, now and then."""
        if now >= self._forget_at:
            self._forget_at = now + WINDOW_SECONDS
            self._windows = {
                client: window
                for client, window in self._windows.items()
                if now < window.ends_at
            }
