"""The lock that lets one runner at a time change a store.

It holds a token and expires, so a dead runner's goes away by itself. A living runner
renews it from a thread of its own, however long one step takes.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Thread

from redis import Redis
from redis.exceptions import RedisError

from service.errors import ServiceError
from service.storage.keys import MIGRATION_LOCK

EXPIRY = timedelta(seconds=30)

# Both ask for the token first: an expired lock may be another runner's by now.
_RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
_RELEASE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""


class MigrationLockedError(ServiceError):
    """Another runner migrates the store at this moment."""

    status, code, title = 503, "migration-locked", "Migration locked"


class MigrationLock:
    """A lock that is held; `require` proves it before each write."""

    def __init__(self, client: Redis, token: str, expiry: timedelta) -> None:
        self._renew = client.register_script(_RENEW)
        self._release = client.register_script(_RELEASE)
        self._token = token
        self._expiry_ms = expiry // timedelta(milliseconds=1)

    def require(self) -> None:
        """Renew the lock, or raise MigrationLockedError if it is lost."""
        if not self._renew(keys=[MIGRATION_LOCK], args=[self._token, self._expiry_ms]):
            raise MigrationLockedError(
                "The lock on the store was lost, because this process or the store "
                "stood still; run `gmm migrate` again."
            )

    def release(self) -> None:
        self._release(keys=[MIGRATION_LOCK], args=[self._token])

    def renew_until(self, done: Event) -> None:
        while not done.wait(self._expiry_ms / 3000):
            try:
                self.require()
            except (MigrationLockedError, RedisError):
                # The next write asks for itself, and says so.
                continue


@contextmanager
def held_lock(client: Redis, expiry: timedelta = EXPIRY) -> Iterator[MigrationLock]:
    """Hold the lock, or raise MigrationLockedError at once if another runner does."""
    token = uuid.uuid4().hex
    if not client.set(MIGRATION_LOCK, token, nx=True, px=expiry):
        raise MigrationLockedError(
            "Another `gmm migrate` is at work on this store. Wait for its end; if it "
            f"died, its lock expires within {expiry.total_seconds():.0f} s."
        )
    lock = MigrationLock(client, token, expiry)
    done = Event()
    renewal = Thread(target=lock.renew_until, args=[done], daemon=True)
    renewal.start()
    try:
        yield lock
    finally:
        done.set()
        renewal.join()
        lock.release()
