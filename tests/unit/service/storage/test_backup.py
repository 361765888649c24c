"""A backup brought back, on either server and from one to the other."""

import io
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from migrations.runner import migrate
from service.commands import backup as backup_command
from service.commands import restore as restore_command
from service.domain.api_keys import ApiKey, Scope
from service.errors import (
    SchemaMismatchError,
    StorageFullError,
    StorageUnavailableError,
)
from service.settings import Settings
from service.storage.api_keys import RedisApiKeyRepository
from service.storage.backup import reading
from service.storage.backup.file import BackupFileError, BackupReader, BackupWriter
from service.storage.backup.reading import NoBackupError, copy_store, header_of
from service.storage.backup.restoring import StoreNotEmptyError, restore
from service.storage.connection import StoreClients
from service.storage.datasets import RedisDatasetRepository
from service.storage.fits import RedisFitRepository
from service.storage.keys import MIGRATION_LOCK, SCHEMA_VERSION
from service.worker.notes import StopNotes
from service.worker.queue import rq_queue
from service.worker.recovery import Records, Recovery
from tests.conftest import emptied
from tests.data.dumps import contents
from tests.records import NOW, a_dataset, some_rows

ROOT = Path(__file__).parents[4]
SERVERS = ("valkey", "redis")

KILLED_RESTORE = """
import sys, time
from pathlib import Path
from service.commands import restore
from service.settings import Settings
from service.storage.backup import restoring

def slowly(totals):
    print("written", flush=True)
    time.sleep(60)

restore.Teller = lambda verb: slowly if verb == "restored" else lambda totals: None
restoring._RECORDS_PER_WRITE = 10
url, path, replace = sys.argv[1:]
restore.run(Settings(redis_url=url), Path(path), replace == "replace")
"""
MEASURED = """
import resource, sys
from pathlib import Path
from service.commands import backup, restore
from service.settings import Settings

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

source, target = (Settings(redis_url=url) for url in sys.argv[1:3])
base = peak()
backup.run(source, Path(sys.argv[3]), force=False)
restore.run(target, Path(sys.argv[3]), replace=False)
print(peak() - base)
"""
SMALL_DISK = """
import resource, sys
from service.__main__ import main

resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
main(["backup", sys.argv[1]])
"""


@pytest.fixture(params=[(source, target) for source in SERVERS for target in SERVERS])
def two_stores(request):
    """A filled store and an empty one, of any two kinds; the same if they are equal."""
    kinds = request.param
    source, target = (
        StoreClients(emptied(request.getfixturevalue(f"{kind}_store_url")))
        for kind in kinds
    )
    migrate(source.ordinary)
    contents.fill(source)
    yield source, target
    source.close()
    target.close()


@pytest.fixture
def filled(store_clients):
    migrate(store_clients.ordinary)
    contents.fill(store_clients)
    return store_clients


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.gmm"


def back_up(clients, path, force=False):
    backup_command.run(Settings(redis_url=clients.url), path, force)


def bring_back(clients, path, replace=False):
    restore_command.run(Settings(redis_url=clients.url), path, replace)


def stored(client):
    """All keys with their types, values and times to live; streams with their ids."""
    return {key: value_of(client, key) for key in client.scan_iter()}


def value_of(client, key):
    kind = client.type(key)
    read = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"set": client.smembers,
        b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        b"list": lambda key: client.lrange(key, 0, -1),
        b"stream": client.xrange,
    }[kind]
    # Kept by the store in milliseconds of another moment than this.
    return kind, read(key), client.ttl(key) >= 0


def test_every_record_comes_back_on_any_server(two_stores, path):
    source, target = two_stores
    back_up(source, path)
    bring_back(target, path, replace=source.url == target.url)
    contents.assert_there(target)
    assert target.ordinary.get(SCHEMA_VERSION) == b"1"


def test_values_of_every_type_come_back(two_stores, path):
    source, target = two_stores
    client = source.ordinary
    client.set("gmm:_:large", os.urandom(3 << 20))
    client.set("gmm:_:exact", bytes(1 << 20))
    client.set("gmm:_:empty", "")
    client.hset("gmm:_:hash", mapping={f"field {n}": "x" * 99 for n in range(999)})
    client.sadd("gmm:_:set", *range(2000))
    client.zadd("gmm:_:zset", {"a": 1 / 3, "b": float("inf"), "c": -1e308, b"\xff": 0})
    client.rpush("gmm:_:list", *("y" * (n % 7) for n in range(3000)))
    for number in range(300):
        client.xadd("gmm:t:events", {"n": number, "": b"\x00"}, id=f"{number + 1}-{5}")
    before = stored(client)
    back_up(source, path)
    bring_back(target, path, replace=source.url == target.url)
    assert stored(target.ordinary) == before


def test_keys_expire_when_they_would_have(two_stores, path):
    source, target = two_stores
    client = source.ordinary
    client.set("gmm:_:soon", 1, px=50)
    client.set("gmm:_:later", 1, px=600_000)
    client.hset("gmm:_:hash", "a", 1)
    client.pexpire("gmm:_:hash", 700_000)
    back_up(source, path)
    time.sleep(0.06)
    bring_back(target, path, replace=source.url == target.url)
    restored = target.ordinary
    assert not restored.exists("gmm:_:soon")
    assert 0 <= 600_000 - restored.pttl("gmm:_:later") < 5000
    assert 0 <= 700_000 - restored.pttl("gmm:_:hash") < 5000
    assert restored.pttl("gmm:default:dataset:d1") == -1


def test_what_is_not_the_services_or_only_for_the_moment_is_left_out(filled, path):
    client = filled.ordinary
    before = set(client.scan_iter())
    for key in (
        "rq:queue:fits",
        "another's",
        "gmm:default:staged:t:0",
        "gmm:_:restored:0:x",
        "gmm:_:rate-limit:x",
        "gmm:default:dataset-block:headless:0",
    ):
        client.set(key, 1)
    back_up(filled, path)
    with path.open("rb") as file:
        keys = {record.key for record in BackupReader(file)}
    assert keys == before - {SCHEMA_VERSION.encode()}


def test_a_file_damaged_anywhere_is_refused_and_nothing_written(filled, path):
    back_up(filled, path)
    sound = path.read_bytes()
    client = filled.ordinary
    client.flushall()
    for part in range(50):
        damaged = bytearray(sound)
        damaged[part * len(sound) // 50] ^= 1 << part % 8
        path.write_bytes(damaged)
        with pytest.raises(BackupFileError):
            bring_back(filled, path)
        assert client.dbsize() == 0


def test_a_file_cut_off_anywhere_is_refused_and_nothing_written(filled, path):
    back_up(filled, path)
    sound = path.read_bytes()
    client = filled.ordinary
    client.flushall()
    for part in range(50):
        path.write_bytes(sound[: part * len(sound) // 50])
        with pytest.raises(BackupFileError):
            bring_back(filled, path)
        assert client.dbsize() == 0


@pytest.mark.parametrize("replace", [False, True])
def test_a_restore_that_was_killed_changes_nothing_and_the_next_completes(
    filled, path, replace
):
    client = filled.ordinary
    back_up(filled, path)
    client.flushall()
    if replace:
        client.set("gmm:default:old", "still here")
    before = stored(client)
    words = [filled.url, str(path), "replace" if replace else "-"]
    with subprocess.Popen(
        [sys.executable, "-c", KILLED_RESTORE, *words],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as killed:
        assert killed.stdout.readline() == "written\n"
        killed.send_signal(signal.SIGKILL)
    left = set(client.scan_iter("gmm:_:restored:*"))
    assert left
    assert all(0 < client.ttl(key) <= 24 * 3600 for key in left)
    client.delete(MIGRATION_LOCK)  # it would expire in half a minute
    after = {key: value for key, value in stored(client).items() if key not in left}
    assert after == before
    bring_back(filled, path, replace)
    contents.assert_there(filled)
    assert list(client.scan_iter("gmm:_:restored:*")) == []
    assert not client.exists("gmm:default:old")


def test_what_another_restore_left_is_not_taken_for_this_ones(filled, path):
    back_up(filled, path)
    before = stored(filled.ordinary)
    filled.ordinary.flushall()
    filled.ordinary.set("gmm:_:restored:0:gmm:default:dataset:d9", "of another backup")
    bring_back(filled, path)
    assert stored(filled.ordinary) == before


def test_a_key_that_a_scan_gives_twice_is_restored_once(filled, path, monkeypatch):
    def twice(copy, pattern, only=None):
        found = copy.client.scan_iter(pattern, _type=only)
        return [key for key in found for _ in range(2)]

    client = filled.ordinary
    client.set("gmm:_:string", "once")
    client.rpush("gmm:_:list", "once")
    before = stored(client)
    monkeypatch.setattr(reading._Copy, "keys", twice)
    back_up(filled, path)
    bring_back(filled, path, replace=True)
    assert stored(client) == before


def test_a_store_that_holds_something_is_only_replaced_when_told(filled, path):
    back_up(filled, path)
    before = stored(filled.ordinary)
    with pytest.raises(StoreNotEmptyError, match="--replace"):
        bring_back(filled, path)
    assert stored(filled.ordinary) == before


def test_what_came_while_restoring_is_not_removed_unless_told(filled, path):
    back_up(filled, path)
    client = filled.ordinary
    client.flushall()
    with path.open("rb") as file, pytest.raises(StoreNotEmptyError):
        restore(
            filled.url,
            BackupReader(file),
            replace=False,
            on_progress=lambda totals: None,
            before_switch=lambda: client.set("gmm:default:new", 1),
        )
    assert set(client.scan_iter()) == {b"gmm:default:new"}


def test_replacing_leaves_nothing_of_before_but_what_is_not_the_services(filled, path):
    back_up(filled, path)
    client = filled.ordinary
    before = stored(client)
    RedisDatasetRepository(filled).add(a_dataset("d9"), some_rows())
    client.set("another's", 1)
    client.set("gmm:default:staged:t:0", "of an upload", ex=60)
    bring_back(filled, path, replace=True)
    others = {b"another's", b"gmm:default:staged:t:0"}
    assert set(client.scan_iter()) == before.keys() | others
    contents.assert_there(filled)


def test_a_full_store_is_said_to_be_full_and_stays_as_it_was(filled, path):
    back_up(filled, path)
    client = filled.ordinary
    client.set("gmm:_:large", bytes(8 << 20))
    back_up(filled, path, force=True)
    client.delete("gmm:_:large")
    before = stored(client)
    client.config_set("maxmemory", client.info("memory")["used_memory"] + (4 << 20))
    with pytest.raises(StorageFullError):
        bring_back(filled, path, replace=True)
    assert stored(client) == before


def test_a_store_with_api_keys_lets_nobody_in_again(filled, path):
    keys = RedisApiKeyRepository(filled)

    def a_key(key_id, tenant):
        return ApiKey(key_id, tenant, frozenset({Scope.READ}), "hash", NOW)

    keys.add(a_key("k1", "first"))
    back_up(filled, path)
    keys.add(a_key("k2", "second"))
    revoked = keys.revoke("k1", NOW)
    bring_back(filled, path, replace=True)
    assert keys.find("k1") == revoked
    assert {key.id for key in keys.list()} == {"k1", "k2"}
    assert keys.are_required()
    assert list(keys.tenants()) == ["first", "second"]
    filled.ordinary.flushall()
    bring_back(filled, path)
    assert keys.find("k1") == a_key("k1", "first")
    assert keys.are_required()


def test_fits_that_had_not_ended_are_queued_again_by_a_worker(filled, path):
    back_up(filled, path)
    filled.ordinary.flushall()
    bring_back(filled, path)
    queue = rq_queue(filled.ordinary)
    records = Records(
        lambda: ["default"],
        lambda tenant: RedisFitRepository(filled, tenant),
        lambda: NOW,
    )
    Recovery(queue, records, StopNotes(path.parent / "notes")).run()
    assert set(queue.job_ids) == {"f-queued", "f-running"}


def test_an_older_backup_is_restored_and_the_migration_named(filled, path, capsys):
    filled.ordinary.delete(SCHEMA_VERSION)
    back_up(filled, path)
    migrate(filled.ordinary)
    bring_back(filled, path, replace=True)
    assert not filled.ordinary.exists(SCHEMA_VERSION)
    assert "run `gmm migrate`" in capsys.readouterr().out
    migrate(filled.ordinary)
    contents.assert_there(filled)


def test_a_newer_backup_is_refused(filled, path):
    filled.ordinary.set(SCHEMA_VERSION, 7)
    back_up(filled, path)
    filled.ordinary.flushall()
    with pytest.raises(SchemaMismatchError, match="version 7, this program knows only"):
        bring_back(filled, path)
    assert filled.ordinary.dbsize() == 0


def test_a_store_under_migration_is_not_backed_up(filled, path):
    filled.ordinary.set(MIGRATION_LOCK, "token")
    with pytest.raises(NoBackupError, match="migrated or restored"):
        back_up(filled, path)
    filled.ordinary.delete(MIGRATION_LOCK)

    def migrated_meanwhile(totals):
        filled.ordinary.set(SCHEMA_VERSION, 2)

    writer = BackupWriter(io.BytesIO(), header_of(filled))
    with pytest.raises(NoBackupError, match="migrated or restored"):
        copy_store(filled, writer, migrated_meanwhile)


def test_a_store_with_nothing_in_it_is_not_the_one_that_was_meant(store_clients, path):
    with pytest.raises(NoBackupError, match="GMM_STATE_DIR"):
        back_up(store_clients, path)
    assert list(path.parent.iterdir()) == []


def test_a_store_that_is_down_is_unavailable_and_no_file_is_left(path):
    clients = StoreClients("unix:///nowhere/store.sock")
    with pytest.raises(StorageUnavailableError):
        back_up(clients, path)
    with pytest.raises(StorageUnavailableError) as raised:
        header_of(clients)
    assert isinstance(raised.value.__cause__, RedisConnectionError)
    assert list(path.parent.iterdir()) == []


def test_a_file_is_for_its_owner_alone_and_not_overwritten_unasked(filled, path):
    path.write_text("precious")
    with pytest.raises(FileExistsError, match="--force"):
        back_up(filled, path)
    assert path.read_text() == "precious"
    back_up(filled, path, force=True)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_full_disk_is_told_in_one_line_and_leaves_no_file(filled, path):
    environment = os.environ | {"GMM_REDIS_URL": filled.url}
    ended = subprocess.run(
        [sys.executable, "-c", SMALL_DISK, str(path)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 71
    assert ended.stderr == (
        f"gmm: The backup cannot be written to {str(path)!r}: File too large.\n"
    )
    assert list(path.parent.iterdir()) == []


def test_memory_is_bounded_whatever_is_stored(valkey_store_url, redis_store_url, path):
    source, target = emptied(valkey_store_url), emptied(redis_store_url)
    clients = StoreClients(source)
    migrate(clients.ordinary)
    rows = some_rows(2_500_000, 10)
    RedisDatasetRepository(clients).add(a_dataset(rows=rows), rows)
    del rows
    measured = subprocess.run(
        [sys.executable, "-c", MEASURED, source, target, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert path.stat().st_size > 200_000_000
    assert int(measured.stdout.split()[-1]) < 60
    path.unlink()
    emptied(source)
    emptied(target)
    clients.close()


def test_progress_is_told_now_and_then(filled, path, capsys, monkeypatch):
    monkeypatch.setattr(backup_command, "_TELL_SECONDS", 0)
    back_up(filled, path)
    told = capsys.readouterr()
    assert re.fullmatch(
        re.escape(str(path)) + r": \d+ keys, [\d,]+ bytes, \d\.\d s\n", told.out
    )
    assert re.search(r"^read \d+ keys, [\d,]+ bytes$", told.err, re.MULTILINE)
