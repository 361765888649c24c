"""HTTP to an address that was checked, over within a time limit whatever it does."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPConnection

from service.domain.webhook_targets import IPAddress, Target


class Deadline:
    """A time by which all must be over."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """The seconds left; TimeoutError when there are none."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class PinnedConnection(HTTPConnection):
    """Goes to one of the given addresses, whatever the host's name stands for by now.

    The name is only what the certificate must be for. http.client follows no redirects
    and knows nothing of proxies.
    """

    def __init__(
        self,
        target: Target,
        addresses: Sequence[IPAddress],
        context: ssl.SSLContext,
        deadline: Deadline,
        connect_seconds: float,
    ) -> None:
        super().__init__(target.host, target.port)
        self._target = target
        self._addresses = addresses
        self._context = context
        self._deadline = deadline
        self._connect_seconds = connect_seconds

    def connect(self) -> None:
        connected = self._connect_to_any()
        connected.settimeout(self._deadline.left)
        if self._target.scheme == "https":
            try:
                # The time limit of a handshake is for all of it.
                connected = self._context.wrap_socket(
                    connected, server_hostname=self._target.host
                )
            except BaseException:
                connected.close()
                raise
        self.sock = connected

    def _connect_to_any(self) -> socket.socket:
        limit = Deadline(min(self._connect_seconds, self._deadline.left))
        refusal: OSError = OSError("there is no address")
        for address in self._addresses:
            family = socket.AF_INET if address.version == 4 else socket.AF_INET6
            opened = socket.socket(family, socket.SOCK_STREAM)
            try:
                opened.settimeout(limit.left)
                opened.connect((str(address), self._target.port))
            except OSError as error:
                opened.close()
                refusal = error
            else:
                return opened
        raise refusal


@contextmanager
def cut_off(connection: PinnedConnection, deadline: Deadline) -> Iterator[None]:
    """Shut an open connection down at the deadline, and raise TimeoutError then.

    A socket's own time limit begins anew with every byte.
    """
    opened, is_cut = connection.sock, threading.Event()

    def cut() -> None:
        is_cut.set()
        with suppress(OSError):
            # Not SSLSocket's method, which forgets that it was encrypted.
            socket.socket.shutdown(opened, socket.SHUT_RDWR)

    timer = threading.Timer(deadline.left, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception as error:
        if is_cut.is_set():
            raise TimeoutError from error
        raise
    finally:
        timer.cancel()
    if is_cut.is_set():
        # http.client takes the end of the connection for the end of the headers.
        raise TimeoutError
