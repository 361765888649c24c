"""Connections whose other end may be slow, silent, or out to keep us waiting.

A thread that waits for a client costs some 30 kB of memory and nothing else, so that
there are many; what is scarce are the places of requests at work. Who waits for bytes
gives its place back meanwhile, and waits only as long as the client keeps up.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one request is waited for, in all; only time spent waiting counts."""

    grace_seconds: float = 10.0
    """For a client that sends, or takes, hardly anything."""
    least_bytes_per_second: float = 1000.0
    """Who is this fast may take as long as it takes."""
    silence_seconds: float = 30.0
    """The longest single wait."""
    stopping_seconds: float = 1.0
    """In place of both once the server is about to stop."""


class SlowRequestError(Exception):
    """The head of a request did not come in time."""


class Places:
    """As many requests as may be at work at a time."""

    def __init__(
        self, most: int, stopping: threading.Event, patience: Patience | None = None
    ) -> None:
        self.free = threading.BoundedSemaphore(most)
        self.stopping = stopping
        self.patience = patience or Patience()


class PacedSocket:
    """A socket as gunicorn uses it, whose peer must keep up.

    The methods have the meaning, and the names, of those of `socket.socket`. It never
    blocks in a call of the system: it tries, and waits where that was too early.
    """

    def __init__(self, connection: socket.socket, places: Places) -> None:
        self._connection = connection
        self._places = places
        self._timeout: float | None = None
        self._is_at_work = False
        self.begin()

    def begin(self) -> None:
        """Start to count anew: another request begins."""
        self._moved_bytes = 0
        self._waited_seconds = 0.0

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Hold a place, but not while waiting for the peer."""
        self._take_place()
        try:
            yield
        finally:
            self._give_place()

    def recv(self, size: int) -> bytes:
        while True:
            try:
                received = self._connection.recv(size, socket.MSG_DONTWAIT)
            except BlockingIOError:
                self._wait_to_read()
            else:
                self._moved_bytes += len(received)
                return received

    def is_readable(self, within_seconds: float) -> bool:
        """Whether there is something to read, or will be soon."""
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        return bool(poll.poll(within_seconds * 1000))

    def send(self, piece: bytes | memoryview) -> int:
        while True:
            try:
                sent = self._connection.send(piece, socket.MSG_DONTWAIT)
            except BlockingIOError:
                self._wait_to_write()
            else:
                self._moved_bytes += sent
                return sent

    def sendall(self, piece: bytes) -> None:
        sent = self.send(piece)
        if sent < len(piece):
            left = memoryview(piece)[sent:]
            while left:
                left = left[self.send(left) :]

    def settimeout(self, seconds: float | None) -> None:
        self._timeout = seconds

    def gettimeout(self) -> float | None:
        return self._timeout

    def setblocking(self, flag: bool) -> None:
        """It makes no difference: no call of the system blocks anyway."""
        self._timeout = None

    def fileno(self) -> int:
        return self._connection.fileno()

    def shutdown(self, how: int) -> None:
        self._connection.shutdown(how)

    def close(self) -> None:
        self._connection.close()

    def _wait_to_read(self) -> None:
        if self._wait(select.POLLIN):
            return
        message = "the client sent nothing for too long"
        # gunicorn takes a TimeoutError for a fault of its own, unless it set one.
        if self._is_at_work or self._timeout is not None:
            raise TimeoutError(message)
        raise SlowRequestError(message)

    def _wait_to_write(self) -> None:
        if not self._wait(select.POLLOUT):
            # As if the client had gone; gunicorn then ends the connection quietly.
            raise BrokenPipeError(32, "the client took nothing for too long")

    def _wait(self, event: int) -> bool:
        """Wait until the peer is ready; tell whether it was in time."""
        poll = select.poll()
        poll.register(self._connection, event)
        held_place = self._is_at_work
        if held_place:
            self._give_place()
        began = time.monotonic()
        try:
            while (left := self._patience_left(time.monotonic() - began)) > 0:
                # In turns, so that a server about to stop is noticed.
                if poll.poll(min(left, 1.0) * 1000):
                    return True
            return False
        finally:
            self._waited_seconds += time.monotonic() - began
            if held_place:
                self._take_place()

    def _patience_left(self, waited_seconds: float) -> float:
        patience = self._places.patience
        grace, silence = patience.grace_seconds, patience.silence_seconds
        if self._places.stopping.is_set():
            grace = silence = patience.stopping_seconds
        earned = self._moved_bytes / patience.least_bytes_per_second
        limits = [grace + earned - self._waited_seconds, silence]
        if self._timeout is not None:
            limits.append(self._timeout)
        return min(limits) - waited_seconds

    def _take_place(self) -> None:
        self._places.free.acquire()
        self._is_at_work = True

    def _give_place(self) -> None:
        self._is_at_work = False
        self._places.free.release()
