"""Stores of every schema version there was, brought up to date with all they hold."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from migrations.runner import MIGRATIONS, migrate, require_current, status
from service.storage.backup.file import BackupReader
from service.storage.backup.restoring import restore
from service.storage.keys import MIGRATION_LOCK
from tests.data.dumps import DUMPS
from tests.data.dumps.contents import assert_there

STOPPING = """
import sys, time
from datetime import timedelta
from redis import Redis
from migrations import runner

write, n_left = runner._write, int(sys.argv[2])

def write_a_few(*arguments):
    global n_left
    if n_left == 0:
        print("stopped", flush=True)
        time.sleep(60)
    n_left -= 1
    write(*arguments)

runner._write, runner._BATCH = write_a_few, 1
runner.migrate(Redis.from_url(sys.argv[1]), lock_expiry=timedelta(milliseconds=300))
print("done", flush=True)
"""
"""Migrates, one change at a time, and stops for good after a few."""


@pytest.fixture(params=DUMPS, ids=[dump.stem for dump in DUMPS])
def dump(request):
    return request.param


@pytest.fixture
def old_store(store_clients, dump):
    with dump.open("rb") as file:
        backup = BackupReader(file)
        restore(store_clients.url, backup, False, lambda _: None, lambda: None)
    return store_clients


def test_there_is_a_dump_of_every_version():
    assert [dump.name for dump in DUMPS] == [
        f"v{version}.gmm" for version in range(len(MIGRATIONS) + 1)
    ]


def test_a_store_has_the_version_that_its_dump_is_named_after(old_store, dump):
    assert f"v{status(old_store.ordinary).version}" == dump.stem


def test_all_that_an_old_store_holds_is_there_after_its_migration(old_store):
    assert migrate(old_store.ordinary).is_current
    require_current(old_store.ordinary)
    assert_there(old_store)


def test_migrating_an_old_store_twice_changes_no_more(old_store):
    client = old_store.ordinary
    migrate(client)
    before = {key: client.dump(key) for key in client.scan_iter()}
    seen = []
    assert migrate(client, on_progress=seen.append).is_current
    assert seen == []
    assert {key: client.dump(key) for key in client.scan_iter()} == before
    assert_there(old_store)


@pytest.mark.parametrize("n_writes", [0, 1])
def test_a_migration_of_an_old_store_that_was_killed_is_completed(old_store, n_writes):
    with subprocess.Popen(
        [sys.executable, "-c", STOPPING, old_store.url, str(n_writes)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    ) as killed:
        assert killed.stdout.readline() in ("stopped\n", "done\n")
        killed.kill()
    _wait_for_the_lock_to_expire(old_store.ordinary)
    assert migrate(old_store.ordinary).is_current
    assert_there(old_store)


def _wait_for_the_lock_to_expire(client):
    for _ in range(200):
        if not client.exists(MIGRATION_LOCK):
            return
        time.sleep(0.01)
    raise AssertionError("the lock of a dead runner did not expire")
