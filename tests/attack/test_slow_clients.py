"""Clients that send, or take, a byte a second, or nothing: others do not notice."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.attack.clients import Crowd, head, received
from tests.attack.conftest import Victim
from tests.integration.running import ENDLESS, cloud, running_service

PATIENCE_SECONDS = 10
"""For a request that hardly moves, see `service.connections.Patience`."""


def slow_heads(victim: Victim, n_clients: int) -> Crowd:
    opening = head("GET", "/healthz", "X-Slow: ")
    return Crowd(victim.address, n_clients, opening, drip=b"a")


def slow_bodies(victim: Victim, n_clients: int) -> Crowd:
    lines = ("Content-Type: application/json", "Content-Length: 1000000", "", "")
    opening = head("POST", f"{victim.model}/predict", *lines) + b'{"data": [['
    return Crowd(victim.address, n_clients, opening, drip=b"1")


def slow_chunks(victim: Victim, n_clients: int) -> Crowd:
    lines = ("Content-Type: text/csv", "Transfer-Encoding: chunked", "", "")
    opening = head("POST", f"{victim.model}/predict", *lines)
    return Crowd(victim.address, n_clients, opening, drip=b"1\r\n5\r\n")


def silent(victim: Victim, n_clients: int) -> Crowd:
    return Crowd(victim.address, n_clients, b"")


def never_reading(victim: Victim, n_clients: int) -> Crowd:
    body = b'{"n_samples": 100000, "random_state": 0}'
    lines = ("Content-Type: application/json", f"Content-Length: {len(body)}", "", "")
    opening = head("POST", f"{victim.model}/sample", *lines) + body
    return Crowd(victim.address, n_clients, opening, reads=False)


def test_a_hundred_slow_clients_of_each_kind_keep_nobody_waiting(victim: Victim):
    heads, bodies = slow_heads(victim, 100), slow_bodies(victim, 100)
    before = victim.resident_bytes()
    with ExitStack() as stack:
        for crowd in (
            heads,
            bodies,
            slow_chunks(victim, 100),
            silent(victim, 100),
            never_reading(victim, 10),
        ):
            stack.enter_context(crowd.present())
        # Until those answers that nobody reads are there.
        time.sleep(1)
        victim.assert_others_are_served(6, "410 slow clients")
        assert victim.resident_bytes() - before < 200 << 20
        deadline = time.monotonic() + 2 * PATIENCE_SECONDS
        while heads.n_closed + bodies.n_closed < 200 and time.monotonic() < deadline:
            time.sleep(0.1)
    for crowd in (heads, bodies):
        assert set(crowd.statuses) == {408}
        assert all(b'"code":"too-slow"' in a.replace(b" ", b"") for a in crowd.answers)


def test_as_many_event_streams_as_may_be_open_keep_nobody_waiting(victim: Victim):
    service = victim.service
    fit_id = service.submit(data=cloud(50_000, 8).tolist(), **ENDLESS)
    opening = head("GET", f"/v1/fits/{fit_id}/events", "", "")
    streams = Crowd(victim.address, 64, opening)
    with streams.present():
        service.wait_until_running(fit_id)
        victim.assert_others_are_served(2, "64 event streams")
        refused = service.get(f"/v1/fits/{fit_id}/events")
        assert (refused.status_code, refused.json()["code"]) == (503, "too-busy")
        assert service.post(f"/v1/fits/{fit_id}/cancel").status_code == 202
        deadline = time.monotonic() + 10
        while not all(b"event: end" in a for a in streams.answers):
            assert time.monotonic() < deadline, "the streams do not end"
            time.sleep(0.1)
    assert set(streams.statuses) == {200}


def test_a_full_house_of_idle_connections_makes_room_for_a_new_one(victim: Victim):
    """The default of GMM_MAX_CONNECTIONS is 2000; a descriptor each, on both sides."""
    idle: list[socket.socket] = []
    try:
        for _ in range(2050):
            idle.append(socket.create_connection(victim.address, timeout=10))
        victim.assert_others_are_served(1, "2050 idle connections")
    finally:
        for client in idle:
            client.close()


def test_connections_that_speak_up_as_they_are_to_make_room_are_heard(tmp_path: Path):
    """All in one turn of the server's loop: it slept while they came."""
    with running_service(
        tmp_path, GMM_RATE_LIMIT="0", GMM_MAX_CONNECTIONS="16"
    ) as service:
        victim = Victim(service)
        request = head("GET", "/healthz", "Connection: close", "", "")
        time.sleep(1)
        # One below the most: the next that comes makes room.
        early = [socket.create_connection(victim.address) for _ in range(15)]
        time.sleep(1)
        with asleep(*victim.api_pids):
            late = [socket.create_connection(victim.address) for _ in range(30)]
            for client in (*early, *late):
                client.sendall(request)
        answers = []
        for client in (*early, *late):
            # Closed at once: the server waits for it a while, and has few threads here.
            with client:
                answers.append(received(client, 30))
        victim.probe()
        assert "Traceback" not in service.log
    # Of the early ones one may have had to make room while it was silent.
    assert {answer[:13] for answer in answers} <= {b"HTTP/1.1 200 ", b""}
    assert sum(map(bool, answers)) >= len(answers) - 1
    assert all(answers[len(early) :])


@contextmanager
def asleep(*pids: int) -> Iterator[None]:
    """Processes that stand still for a while."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
