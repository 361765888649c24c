"""What the repositories ask of Redis: commands of version 6.2, with types.

redis-py's annotations cover text and bytes, sync and async at once; here they are
narrowed to what these clients answer, and RedisError ends here.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

from redis.client import Pipeline
from redis.exceptions import RedisError

from service.storage.connection import MAX_BLOCK_SECONDS, StoreClients
from service.storage.errors import translate_redis_errors, translated

Command = tuple[str | bytes | int, ...]
StreamEntry = tuple[str, dict[bytes, bytes]]

# Returns 1 when the commands ran or had run, 0 when the guard holds something else,
# -1 when a key that must exist does not, -2 when a key that must not have changed has.
# ARGV: expected guard, new guard, number of keys that must exist (they follow the
# guard), the values of all further keys, then each command as its number of words and
# the words. An empty value stands for no key.
#
# The second case of 1: the answer to the first try was lost with its connection, and
# this is redis-py's second; a client must not be told that its own write refuses it.
# It takes heads that no two writes have in common: `records` sees to that.
_COMMIT = """
local guard = redis.call('GET', KEYS[1]) or ''
if guard ~= ARGV[1] then
  if guard == ARGV[2] then return 1 end
  return 0
end
local i = 4
for k = 2, #KEYS do
  if k <= ARGV[3] + 1 then
    if redis.call('EXISTS', KEYS[k]) == 0 then return -1 end
  else
    if (redis.call('GET', KEYS[k]) or '') ~= ARGV[i] then return -2 end
    i = i + 1
  end
end
while i <= #ARGV do
  local words = tonumber(ARGV[i])
  redis.call(unpack(ARGV, i + 1, i + words))
  i = i + words + 1
end
return 1
"""


class MissingKeyError(Exception):
    """A key that a commit needs is not there."""


class ChangedKeyError(Exception):
    """A key that a commit builds on holds something else by now."""


class Store:
    """The commands of one store, over its clients."""

    def __init__(self, clients: StoreClients) -> None:
        self._clients = clients
        self._commit = clients.ordinary.register_script(_COMMIT)

    def get(self, key: str) -> bytes | None:
        # No decorator: it would take a third of the time of this most frequent read.
        try:
            return self._clients.reads.get(key)
        except RedisError as error:
            raise translated(error) from error

    @translate_redis_errors()
    def get_all(self, keys: Sequence[str]) -> list[bytes | None]:
        if not keys:
            return []
        return cast("list[bytes | None]", self._clients.ordinary.mget(keys))

    @translate_redis_errors()
    def members(self, key: str) -> list[str]:
        members = cast("set[bytes]", self._clients.ordinary.smembers(key))
        return sorted(member.decode() for member in members)

    @translate_redis_errors()
    def newest(self, key: str, below: str | None, limit: int) -> list[str]:
        """Members of a sorted set of equal scores, the greatest first."""
        start = "+" if below is None else f"({below}"
        members = cast(
            "list[bytes]",
            self._clients.ordinary.zrevrangebylex(key, start, "-", 0, limit),
        )
        return [member.decode() for member in members]

    @translate_redis_errors()
    def random_members(self, key: str, limit: int) -> list[str]:
        members = cast("list[bytes]", self._clients.ordinary.zrandmember(key, limit))
        return [member.decode() for member in members]

    @translate_redis_errors()
    def run(self, commands: Sequence[Command]) -> list[Any]:
        """Run commands in one step and return their answers."""
        is_one = len(commands) == 1
        with self._clients.ordinary.pipeline(transaction=not is_one) as pipeline:
            for command in commands:
                _queue(pipeline, command)
            return pipeline.execute()

    @translate_redis_errors()
    def commit(
        self,
        guard: str,
        expected: bytes | None,
        new: bytes | None,
        commands: Sequence[Command],
        required: Sequence[str] = (),
        unchanged: Mapping[str, bytes | None] | None = None,
    ) -> bool:
        """Run commands in one step, if the key `guard` still holds what is expected.

        `new` is what the guard holds afterwards (None: nothing, in both). Whether the
        store is full decides the first command alone: a script that has written goes
        on to its end.

        Raises MissingKeyError when one of the required keys is not there, and
        ChangedKeyError when one of `unchanged` holds another value (None: nothing).
        """
        known = unchanged or {}
        words: list[str | bytes | int] = [expected or b"", new or b"", len(required)]
        words += [value or b"" for value in known.values()]
        for command in commands:
            words += [len(command), *command]
        outcome = self._commit(keys=[guard, *required, *known], args=words)
        if outcome == -1:
            raise MissingKeyError(guard)
        if outcome == -2:
            raise ChangedKeyError(guard)
        return bool(outcome)

    @translate_redis_errors()
    def get_with_entries(
        self, key: str, stream: str, after: str
    ) -> tuple[bytes | None, list[StreamEntry]]:
        """A value and a stream's entries after an id, as of one moment."""
        value, streams = self.run(
            [("GET", key), ("XREAD", "STREAMS", stream, after)],
        )
        return value, _entries(streams)

    @translate_redis_errors()
    def wait_for_entries(
        self, stream: str, after: str, timeout_seconds: float
    ) -> list[StreamEntry]:
        """A stream's entries after an id; none when none came in time."""
        deadline = time.monotonic() + timeout_seconds
        while (left := deadline - time.monotonic()) > 0:
            # At least 1: Redis reads 0 as "for ever".
            block = max(1, round(1000 * min(left, MAX_BLOCK_SECONDS)))
            answer = self._clients.blocking.xread({stream: after}, block=block)
            if answer:
                return _entries(answer)
        return []


def _queue(pipeline: Pipeline, command: Command) -> None:
    # redis-py leaves this method without annotations.
    pipeline.execute_command(*command)  # type: ignore[no-untyped-call]


def _entries(streams: Any) -> list[StreamEntry]:
    if not streams:
        return []
    ((_, entries),) = streams
    return [(entry_id.decode(), fields) for entry_id, fields in entries]
