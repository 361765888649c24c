"""The API stops without a complaint, whatever its connections are doing."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import requests

from tests.attack.clients import Address, head
from tests.chaos.town import Resident, Town, running_town
from tests.integration.processes import children, eventually

STOPS = 12
STOP_SECONDS = 10.0


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with running_town(tmp_path, n_apis=1, n_workers=0) as town:
        yield town


def test_many_stops_under_connections_leave_no_traces_in_the_log(town: Town):
    (api,) = town.apis
    chance = random.Random(1)
    with connections_coming_and_going(("127.0.0.1", town.ports[0])):
        for number in range(STOPS):
            process = revived(api, number + 1)
            if number % 4:
                eventually(lambda: is_ready(town.api_urls[0]), 30)
            time.sleep(chance.uniform(0, 1))
            if number % 3:
                api.send(signal.SIGTERM)
            else:
                hang_up(api)
            process.wait(STOP_SECONDS)
            # Before it has handlers of its own, a signal ends it.
            assert process.returncode in (0, -signal.SIGTERM, -signal.SIGHUP)
    assert "Traceback" not in api.log.read_text()


def test_a_closed_terminal_stops_the_api_as_any_stop_does(town: Town):
    (api,) = town.apis
    process = revived(api, 1)
    eventually(lambda: is_ready(town.api_urls[0]), 30)
    hang_up(api)
    assert process.wait(STOP_SECONDS) == 0
    assert "Traceback" not in api.log.read_text()


def revived(api: Resident, n_starts: int) -> subprocess.Popen[bytes]:
    """The process of the start of that number, once the keeper has started it."""
    eventually(lambda: api.n_starts >= n_starts, 10)
    assert api.process is not None
    return api.process


def hang_up(api: Resident) -> None:
    """What the kernel does when a terminal is closed: everybody is told."""
    for pid in (api.pid, *children(api.pid)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGHUP)


def is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/readyz", timeout=1).ok
    except requests.RequestException:
        return False


@contextmanager
def connections_coming_and_going(address: Address) -> Iterator[None]:
    left = threading.Event()
    threads = [
        threading.Thread(target=_come_and_go, args=(address, seed, left))
        for seed in range(4)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        left.set()
        for thread in threads:
            thread.join()


def _come_and_go(address: Address, seed: int, left: threading.Event) -> None:
    """Ask whole requests, half ones and nothing; keep some connections open."""
    chance, kept = random.Random(seed), list[socket.socket]()
    whole = head("GET", "/healthz", "", "")
    last = head("GET", "/v1/fits", "Connection: close", "", "")
    while not left.wait(0.005):
        try:
            client = socket.create_connection(address, timeout=0.5)
            kept.append(client)
            said = chance.choice([whole, last, whole[:9], b""])
            client.sendall(said)
            if said in (whole, last):
                client.recv(1000)
        except OSError:
            time.sleep(0.05)
        while len(kept) > 10:
            kept.pop(0).close()
    for client in kept:
        client.close()
