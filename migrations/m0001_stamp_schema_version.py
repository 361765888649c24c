"""The first schema: the key space as `service.storage.keys` documents it."""

from __future__ import annotations

from collections.abc import Iterator

from redis import Redis

from migrations.migration import Command

NUMBER = 1
TITLE = "stamp the schema version"


def changes(client: Redis) -> Iterator[Command]:
    """Nothing was stored before; the runner stamps the number of each migration."""
    return iter(())
