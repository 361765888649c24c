"""The store that a command works on: the one configured, or the embedded one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from service.settings import Settings
from service.storage.embedded import EmbeddedStore


@contextmanager
def store_url(settings: Settings) -> Iterator[str]:
    """The address of the store; the embedded one runs at least as long as the block."""
    if settings.redis_url is not None:
        yield settings.redis_url
        return
    with EmbeddedStore(settings.state_dir) as store:
        yield store.url
