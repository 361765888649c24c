"""The store that a command works on: the one configured, or the embedded one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from redis.exceptions import RedisError

from migrations.runner import migrate, require_current
from service.errors import StorageUnavailableError
from service.settings import Settings
from service.storage.connection import StoreClients
from service.storage.embedded import EmbeddedStore


@contextmanager
def store_url(settings: Settings) -> Iterator[str]:
    """The address of the store; the embedded one runs at least as long as the block."""
    if settings.redis_url is not None:
        require_answer(settings.redis_url)
        yield settings.redis_url
        return
    with embedded_store(settings.state_dir) as store:
        yield store.url


@contextmanager
def embedded_store(state_dir: Path) -> Iterator[EmbeddedStore]:
    store = EmbeddedStore(state_dir)
    try:
        store.start()
    except OSError as error:
        raise OSError(
            f"GMM_STATE_DIR is {str(state_dir)!r}, which cannot hold the store's data: "
            f"{error.strerror}."
        ) from error
    try:
        yield store
    finally:
        store.close()


def prepare(url: str, is_ours: bool) -> None:
    """Bring the store up to date if nobody else can depend on it, or refuse it."""
    require_answer(url)
    clients = StoreClients(url)
    try:
        if is_ours or clients.ordinary.dbsize() == 0:
            migrate(clients.ordinary)
        require_current(clients.ordinary)
    finally:
        clients.close()


def require_answer(url: str) -> None:
    """Raise StorageUnavailableError unless there is a store at an address."""
    clients = StoreClients(url)
    try:
        clients.ordinary.ping()
    except RedisError as error:
        parts = urlsplit(url)
        # Without what stands before the @: it may be a password.
        place = parts.netloc.rpartition("@")[2] + parts.path
        reason = str(error).rstrip(".")
        raise StorageUnavailableError(
            f"The store at {parts.scheme}://{place} does not answer ({reason}); start "
            "it, or set GMM_REDIS_URL to another one."
        ) from error
    finally:
        clients.close()
