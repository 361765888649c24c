"""Clients that no library would be: slow, silent, half-finished, many at a time."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

Address = tuple[str, int]


def address_of(url: str) -> Address:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def head(method: str, path: str, *lines: str) -> bytes:
    """The head of a request, without the empty line that ends it."""
    return "\r\n".join(
        [f"{method} {path} HTTP/1.1", "Host: localhost", *lines]
    ).encode()


@dataclass
class Crowd:
    """Clients that say the same, then add a byte a second; one thread drives them."""

    address: Address
    n_clients: int
    opening: bytes
    drip: bytes = b""
    """What is sent byte by byte after the opening, over and over; empty: nothing."""
    reads: bool = True
    """Whether answers are taken."""
    answers: list[bytes] = field(default_factory=list)
    """What each client got so far."""
    n_closed: int = 0
    """How many connections the server has closed."""
    _clients: list[socket.socket] = field(default_factory=list)
    _left: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def present(self) -> Iterator[Crowd]:
        """Connect all of them, and keep them busy meanwhile."""
        for _ in range(self.n_clients):
            self._clients.append(self._connected())
            self.answers.append(b"")
        thread = threading.Thread(target=self._behave)
        thread.start()
        try:
            yield self
        finally:
            self._left.set()
            thread.join()
            for client in self._clients:
                client.close()

    @property
    def statuses(self) -> list[int]:
        """The status each client was answered with; 0: nothing came."""
        return [
            int(answer.split(b" ", 2)[1]) if answer else 0 for answer in self.answers
        ]

    def _connected(self) -> socket.socket:
        client = socket.socket()
        if not self.reads:
            # Small, so that an answer does not fit into what nobody reads.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(10)
        client.connect(self.address)
        client.sendall(self.opening)
        client.setblocking(False)
        return client

    def _behave(self) -> None:
        n_sent = 0
        open_clients = dict(enumerate(self._clients))
        while not self._left.wait(1.0):
            if self.drip:
                byte = self.drip[n_sent % len(self.drip) :][:1]
                n_sent += 1
                for client in open_clients.values():
                    with suppress(OSError):
                        client.send(byte)
            if self.reads:
                for number in list(open_clients):
                    if not self._read(number):
                        del open_clients[number]

    def _read(self, number: int) -> bool:
        """Take what has come; tell whether more may."""
        try:
            while chunk := self._clients[number].recv(1 << 16):
                self.answers[number] += chunk
        except BlockingIOError:
            return True
        except OSError:
            pass
        self.n_closed += 1
        return False


@dataclass
class Waits:
    """How long ordinary clients waited for their answers meanwhile, in seconds."""

    seconds: list[float] = field(default_factory=list)

    @property
    def worst(self) -> float:
        return max(self.seconds)

    @property
    def nearly_worst(self) -> float:
        """What one in a hundred waited longer than."""
        return sorted(self.seconds)[int(0.99 * (len(self.seconds) - 1))]

    @property
    def median(self) -> float:
        return sorted(self.seconds)[len(self.seconds) // 2]

    def __str__(self) -> str:
        return (
            f"{len(self.seconds)} answers, median {1000 * self.median:.1f} ms, "
            f"worst {1000 * self.worst:.1f} ms"
        )


def timed(ask: Callable[[], object], seconds: float, pause: float = 0.05) -> Waits:
    """Ask again and again for a while, and tell how long each answer took."""
    waits = Waits()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        ask()
        waits.seconds.append(time.perf_counter() - began)
        time.sleep(pause)
    return waits


def exchange(address: Address, request: bytes, seconds: float = 10.0) -> bytes:
    """Send bytes as they are; return all that comes until the server is silent."""
    with socket.create_connection(address, timeout=seconds) as client:
        with suppress(OSError):
            client.sendall(request)
        return received(client, seconds)


def received(client: socket.socket, seconds: float) -> bytes:
    """All that comes until the connection ends, or `seconds` pass."""
    answer, end = b"", time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        client.settimeout(left)
        try:
            chunk = client.recv(1 << 16)
        except OSError:
            break
        if not chunk:
            break
        answer += chunk
    return answer


def resident_bytes(pids: Sequence[int], field_name: str = "VmRSS") -> int:
    """The memory of processes; `VmHWM` for the most that each ever had."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{field_name}:"):
                total += 1024 * int(line.split()[1])
    return total
