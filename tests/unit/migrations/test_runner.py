"""Migrations: to the version of this program, once, whatever happens on the way."""

from dataclasses import dataclass

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

import migrations
from migrations import runner
from migrations.lock import MigrationLockedError
from migrations.migration import scan
from migrations.runner import MIGRATIONS, Progress, migrate, require_current, status
from service.errors import SchemaMismatchError, StorageUnavailableError
from service.storage.connection import StoreClients
from service.storage.fits import RedisFitRepository
from service.storage.keys import MIGRATION_LOCK, SCHEMA_VERSION
from tests.records import a_fit


@dataclass(frozen=True)
class Shout:
    """A migration for tests: it turns the values of `word:*` to upper case."""

    NUMBER: int = 2
    TITLE: str = "shout"

    def changes(self, client):
        for key in scan(client, "word:*"):
            value = client.get(key)
            if value != value.upper():
                yield ("SET", key, value.upper())


STEPS = (*MIGRATIONS, Shout())


@pytest.fixture
def client(store_clients):
    return store_clients.ordinary


def add_words(client, n_words):
    client.mset({f"word:{number}": "quiet" for number in range(n_words)})


def n_loud(client):
    return sum(client.get(key) == b"QUIET" for key in client.scan_iter("word:*"))


def test_the_migrations_are_numbered_without_gaps_and_named_after_their_number():
    assert [step.NUMBER for step in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))
    for step in MIGRATIONS:
        assert step.__name__.startswith(f"{migrations.__name__}.m{step.NUMBER:04d}_")


def test_an_empty_store_has_to_be_migrated_too(client):
    found = status(client)
    assert (found.version, found.is_current) == (0, False)
    assert found.pending == ("0001 stamp the schema version",)
    with pytest.raises(SchemaMismatchError, match="run `gmm migrate`"):
        require_current(client)


def test_migrating_makes_a_store_current_and_twice_changes_nothing(client):
    assert migrate(client).is_current
    require_current(client)
    assert client.get(SCHEMA_VERSION) == b"1"
    seen = []
    assert migrate(client, on_progress=seen.append).pending == ()
    assert seen == []


def test_what_is_stored_survives_the_first_migration(store_clients):
    fits = RedisFitRepository(store_clients)
    fits.add(a_fit())
    migrate(store_clients.ordinary)
    assert fits.get("f1") == a_fit()


def test_nothing_but_the_version_is_left_behind(client):
    migrate(client)
    assert client.keys("*") == [SCHEMA_VERSION.encode()]


def test_a_store_of_an_older_version_needs_the_command(client):
    migrate(client)
    with pytest.raises(SchemaMismatchError, match=r"version 1.*needs 2.*gmm migrate"):
        require_current(client, STEPS)


def test_a_store_of_a_newer_version_is_left_alone_with_advice(client):
    client.set(SCHEMA_VERSION, 7)
    for ask in (require_current, migrate, lambda client: migrate(client, dry_run=True)):
        with pytest.raises(SchemaMismatchError, match=r"version 7.*gmm migrate"):
            ask(client)
    assert client.get(SCHEMA_VERSION) == b"7"
    assert not client.exists(MIGRATION_LOCK)


def test_all_pending_migrations_run_in_order_over_many_batches(client):
    add_words(client, 1234)
    seen = []
    assert migrate(client, on_progress=seen.append, migrations=STEPS).version == 2
    assert n_loud(client) == 1234
    assert [progress.number for progress in seen] == sorted(p.number for p in seen)
    assert seen[0] == Progress(1, "stamp the schema version", 0, is_done=True)
    assert seen[-1].is_done
    # SCAN may give a key twice within a batch, before its change is written.
    assert seen[-1].n_changes >= 1234


def test_a_dry_run_counts_and_changes_nothing(client):
    add_words(client, 700)
    client.set("word:loud", "LOUD")
    before = {key: client.get(key) for key in client.scan_iter("*")}
    seen = []
    found = migrate(client, dry_run=True, on_progress=seen.append, migrations=STEPS)
    assert {key: client.get(key) for key in client.scan_iter("*")} == before
    assert found.version == 0
    assert [(p.number, p.is_done) for p in seen] == [(1, False), (2, False)]
    assert seen[1].n_changes >= 700


def test_a_migration_that_broke_off_is_completed_by_the_next_run(client, monkeypatch):
    class Crash(Exception):
        pass

    def crash(progress):
        if progress.number == 2:
            raise Crash

    monkeypatch.setattr(runner, "_BATCH", 100)
    add_words(client, 1000)
    with pytest.raises(Crash):
        migrate(client, on_progress=crash, migrations=STEPS)
    assert status(client, STEPS).version == 1
    assert n_loud(client) == 100
    seen = []
    assert migrate(client, on_progress=seen.append, migrations=STEPS).is_current
    assert n_loud(client) == 1000
    assert 900 <= seen[-1].n_changes < 1000


def test_keys_that_come_while_it_runs_do_no_harm(client):
    def add_more(progress):
        client.set("word:new", "quiet")

    add_words(client, 1000)
    assert migrate(client, on_progress=add_more, migrations=STEPS).is_current
    assert n_loud(client) >= 1000


def test_a_second_runner_is_told_to_wait(client):
    def second(progress):
        with pytest.raises(MigrationLockedError, match="at work"):
            migrate(client, migrations=STEPS)

    assert migrate(client, on_progress=second, migrations=STEPS).is_current
    assert not client.exists(MIGRATION_LOCK)


def test_a_store_that_is_down_is_unavailable():
    clients = StoreClients("unix:///nowhere/store.sock")
    for ask in (status, require_current, migrate):
        with pytest.raises(StorageUnavailableError) as raised:
            ask(clients.ordinary)
        assert isinstance(raised.value.__cause__, RedisConnectionError)
    clients.close()
