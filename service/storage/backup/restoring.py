"""From a backup into a store, in one step for everybody who reads there.

Each key is written under a name of its own beside the store's keys, and expires in a
day, so that what a dead restore leaves goes away by itself; the next restore removes it
at once. When all are there, one script removes what the store held and gives each key
its name and its own time to live. Until then the store is as it was, and after it the
backup's, whatever is killed on the way.

Key space
---------
gmm:_:restored:<expiry>:<key>   what <key> will be; expiry in milliseconds since 1970,
                                0: never

The script takes 4 to 8 µs a key; for as long, the server answers nobody else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from service.errors import ServiceError
from service.storage.backup.file import BackupReader, Kind, Record, Totals
from service.storage.backup.values import CHUNK_BYTES, commands_of, expiry
from service.storage.errors import translate_redis_errors
from service.storage.keys import (
    API_KEYS,
    KEYS_REQUIRED,
    MIGRATION_LOCK,
    SCHEMA_VERSION,
    TENANTS,
    api_key,
)

OnProgress = Callable[[Totals], None]

_PREFIX = "gmm:_:restored:"
_STAGED_SECONDS = 24 * 3600
_SWITCH_SECONDS = 600.0
_KEYS_PER_SCAN = 500
_RECORDS_PER_WRITE = 500

# Looks before it writes, so that a refusal leaves everything as it is. What the service
# holds back for a moment stays: uploads under way, and the lock of this restore.
#
# A store that requires API keys keeps its own: else an old backup would let those in
# again whose keys were revoked since, or everybody.
#
# ARGV: prefix of the staged keys, keys of the version and of the lock, 1 to replace;
# prefix of the API keys, keys of their list, of the requirement, of the tenants.
_SWITCH = """
if redis.replicate_commands then redis.replicate_commands() end
local prefix, version, lock, replace = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1'
local api_key, api_keys, required, tenants = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local function each(pattern, visit)
  local cursor = '0'
  repeat
    local found = redis.call('SCAN', cursor, 'MATCH', pattern, 'COUNT', 1000)
    cursor = found[1]
    for _, key in ipairs(found[2]) do
      if visit(key) then return true end
    end
  until cursor == '0'
  return false
end
local function begins(key, start) return string.sub(key, 1, #start) == start end
local function is_old(key)
  return not (begins(key, prefix) or key == lock
              or string.find(key, '^gmm:[^:]*:staged:'))
end
if not replace and each('gmm:*', function(key)
  return is_old(key) and key ~= version
end) then return -1 end

local has_keys = redis.call('EXISTS', required) == 1
local function is_kept(key)
  return has_keys and (key == required or key == api_keys or begins(key, api_key))
end
each('gmm:*', function(key)
  if is_old(key) and not is_kept(key) and not (has_keys and key == tenants) then
    redis.call('UNLINK', key)
  end
end)
local n = 0
each(prefix .. '*', function(key)
  -- SCAN may give a key twice.
  if redis.call('EXISTS', key) == 0 then return end
  n = n + 1
  local expiry, final = string.match(key, '^(%d+):(.*)$', #prefix + 1)
  if is_kept(final) then
    redis.call('UNLINK', key)
    return
  end
  if has_keys and final == tenants then
    redis.call('SUNIONSTORE', key, key, final)
  end
  redis.call('RENAME', key, final)
  if expiry == '0' then
    redis.call('PERSIST', final)
  else
    redis.call('PEXPIREAT', final, expiry)
  end
end)
return n
"""


class StoreNotEmptyError(ServiceError):
    """There is something in the store already."""

    status, code, title = 409, "store-not-empty", "Store not empty"


@translate_redis_errors()
def require_room(client: Redis) -> None:
    """Raise StoreNotEmptyError if anything is stored."""
    for key in client.scan_iter("gmm:*", count=_KEYS_PER_SCAN):
        is_ours = key in (SCHEMA_VERSION.encode(), MIGRATION_LOCK.encode())
        if not is_ours and not key.startswith(_PREFIX.encode()):
            raise _not_empty()


@translate_redis_errors()
def restore(
    url: str,
    backup: BackupReader,
    replace: bool,
    on_progress: OnProgress,
    before_switch: Callable[[], object],
) -> int:
    """Make a store hold what the backup holds, and return the number of keys.

    One at a time: two restores would remove each other's keys.
    """
    with _patient_client(url) as client:
        remove_staged(client)
        try:
            _stage(client, backup, on_progress)
            before_switch()
            return _switch(client, replace)
        except BaseException:
            # Only a courtesy: they expire anyway.
            with suppress(RedisError):
                remove_staged(client)
            raise


def remove_staged(client: Redis) -> None:
    """Remove what a restore left that was killed."""
    for key in client.scan_iter(f"{_PREFIX}*", count=_KEYS_PER_SCAN):
        client.unlink(key)


@contextmanager
def _patient_client(url: str) -> Iterator[Redis]:
    """A client that never sends a command twice: some of them append."""
    client = Redis.from_url(
        url,
        protocol=2,
        socket_connect_timeout=5.0,
        socket_timeout=_SWITCH_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        yield client
    finally:
        client.close()


def _stage(client: Redis, backup: BackupReader, on_progress: OnProgress) -> None:
    now_ms = expiry(0, client.time())
    version = backup.header.schema_version
    batch = [Record(Kind.STRING, SCHEMA_VERSION.encode(), [str(version).encode()])] * (
        version > 0
    )
    size = 0
    for record in backup:
        if 0 < record.expires_at_ms <= now_ms:
            continue
        batch.append(record)
        size += sum(map(len, record.items))
        if size >= CHUNK_BYTES or len(batch) >= _RECORDS_PER_WRITE:
            _write(client, batch)
            on_progress(backup.totals)
            batch, size = [], 0
    _write(client, batch)


def _write(client: Redis, records: list[Record]) -> None:
    with client.pipeline(transaction=False) as pipeline:
        for record in records:
            key = b"%s%d:%s" % (_PREFIX.encode(), record.expires_at_ms, record.key)
            if record.begins:
                pipeline.unlink(key)
            for command in commands_of(record, key):
                # redis-py leaves this method without annotations.
                pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
            pipeline.expire(key, _STAGED_SECONDS)
        pipeline.execute()


def _switch(client: Redis, replace: bool) -> int:
    names = (_PREFIX, SCHEMA_VERSION, MIGRATION_LOCK)
    access = (api_key(""), API_KEYS, KEYS_REQUIRED, TENANTS)
    n_keys = cast("int", client.eval(_SWITCH, 0, *names, int(replace), *access))
    if n_keys < 0:
        raise _not_empty()
    return n_keys


def _not_empty() -> StoreNotEmptyError:
    return StoreNotEmptyError(
        "The store is not empty, and nothing was restored. With --replace the backup "
        "takes the place of all that is stored."
    )
