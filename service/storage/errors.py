"""Where an error of redis-py becomes one of the service's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import OutOfMemoryError, RedisError

from service.errors import ServiceError, StorageFullError, StorageUnavailableError


@contextmanager
def translate_redis_errors() -> Iterator[None]:
    """Let no RedisError out; works as a decorator and around a block."""
    try:
        yield
    except RedisError as error:
        raise translated(error) from error


def translated(error: RedisError) -> ServiceError:
    """Return the service's error for one of redis-py's."""
    if _tells_of_a_full_store(error):
        return StorageFullError(
            "The store has no room left; nothing stored is lost. Delete datasets "
            "or models, or give the store more memory or disk, and send it again."
        )
    return StorageUnavailableError(
        "The store does not answer; send the request again in a few seconds."
    )


def _tells_of_a_full_store(error: RedisError) -> bool:
    # Scripts of 6.2 wrap the code OOM in a sentence; MISCONF is what a server answers
    # whose disk takes no more of its file.
    message = str(error)
    return (
        isinstance(error, OutOfMemoryError)
        or "-OOM " in message
        or message.startswith("MISCONF ")
    )
