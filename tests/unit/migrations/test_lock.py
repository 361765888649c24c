"""The lock of a living runner is not stolen; that of a dead one goes away."""

import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest

from migrations.lock import MigrationLockedError, held_lock
from migrations.runner import migrate, status
from service.storage.keys import MIGRATION_LOCK
from tests.unit.migrations.test_runner import STEPS, add_words, n_loud

SHORT = timedelta(milliseconds=150)

RUNNER = """
import sys, time
from datetime import timedelta
from redis import Redis
from migrations import runner
from tests.unit.migrations.test_runner import STEPS

def slowly(progress):
    print(progress.n_changes, flush=True)
    time.sleep(0.02)

runner._BATCH = 50
runner.migrate(
    Redis.from_url(sys.argv[1]),
    on_progress=slowly,
    migrations=STEPS,
    lock_expiry=timedelta(milliseconds=500),
)
"""


@pytest.fixture
def client(store_clients):
    return store_clients.ordinary


def test_a_runner_killed_in_the_middle_is_followed_by_another(store_clients):
    client = store_clients.ordinary
    add_words(client, 2000)
    with subprocess.Popen(
        [sys.executable, "-c", RUNNER, store_clients.url],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    ) as killed:
        for line in killed.stdout:
            if int(line) >= 200:
                break
        with pytest.raises(MigrationLockedError):
            migrate(client, migrations=STEPS)
        killed.kill()
    assert status(client, STEPS).version == 1
    assert 200 <= n_loud(client) < 2000
    _wait_for_the_lock_to_expire(client)
    assert migrate(client, migrations=STEPS).is_current
    assert n_loud(client) == 2000


def test_a_living_runners_lock_outlasts_its_expiry(client):
    with held_lock(client, SHORT) as lock:
        time.sleep(0.4)
        with pytest.raises(MigrationLockedError), held_lock(client, SHORT):
            pass
        lock.require()
    assert not client.exists(MIGRATION_LOCK)


def test_a_runner_that_lost_its_lock_writes_nothing_more(client):
    def another_took_over(progress):
        if progress.number == 1:
            client.set(MIGRATION_LOCK, "another's token")

    add_words(client, 10)
    with pytest.raises(MigrationLockedError, match="was lost"):
        migrate(client, on_progress=another_took_over, migrations=STEPS)
    assert n_loud(client) == 0
    assert client.get(MIGRATION_LOCK) == b"another's token"


def test_a_renewal_that_fails_does_not_end_the_renewing(client):
    with held_lock(client, SHORT) as lock:
        client.set(MIGRATION_LOCK, "another's token")
        done = Event()
        done_soon = _set_after(done, 3)
        lock.renew_until(done_soon)
        assert done.is_set()
        client.delete(MIGRATION_LOCK)


class _set_after:
    """An event that is set once it was waited for a few times."""

    def __init__(self, event, n_waits):
        self.event = event
        self.n_waits = n_waits

    def wait(self, timeout):
        self.n_waits -= 1
        if self.n_waits == 0:
            self.event.set()
        return self.event.is_set()


def _wait_for_the_lock_to_expire(client):
    for _ in range(200):
        if not client.exists(MIGRATION_LOCK):
            return
        time.sleep(0.01)
    raise AssertionError("the lock of a dead runner did not expire")
