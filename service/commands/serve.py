"""`gmm serve`: everything on one machine."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import click

from service.commands.stores import embedded_store, prepare
from service.listening import listen, url_of
from service.settings import Settings
from service.supervisor import Command, Supervisor

_PACKAGES = str(Path(__file__).parents[2])


def run(settings: Settings, fatal_codes: frozenset[int], insecure: bool) -> int:
    """Serve until told to stop; return the exit code."""
    with ExitStack() as stack:
        # First, so that a port in use is told before anything is started.
        listener = stack.enter_context(listen(settings.host, settings.port))
        store = None
        if settings.redis_url is None:
            store = stack.enter_context(embedded_store(settings.state_dir))
        url = store.url if store else settings.redis_url
        assert url is not None
        prepare(url, is_ours=store is not None)
        supervisor = Supervisor(
            commands=list(_commands(settings, url, listener, insecure)),
            store=store,
            fatal_codes=fatal_codes,
            is_ready=ReadinessProbe(listener).is_ready,
            on_ready=lambda: _announce(settings, listener),
        )
        return supervisor.run()


def _commands(
    settings: Settings, url: str, listener: socket.socket, insecure: bool
) -> Iterator[Command]:
    # The package's folder, for when it runs without being installed.
    path = os.pathsep.join(filter(None, [_PACKAGES, os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"GMM_REDIS_URL": url, "PYTHONPATH": path}
    fd = listener.fileno()
    arguments = ("api", "--fd", str(fd), *(["--insecure"] if insecure else []))
    yield Command("api", arguments, environment, (fd,))
    for number in range(1, settings.workers + 1):
        yield Command(f"worker {number}", ("worker",), environment)
    if settings.webhook_secret is not None:
        yield Command("webhooks", ("webhooks",), environment)


def _announce(settings: Settings, listener: socket.socket) -> None:
    where = f"data in {settings.state_dir}/" if settings.redis_url is None else ""
    click.echo(" · ".join(filter(None, [f"gmm is ready on {url_of(listener)}", where])))


@dataclass(slots=True)
class ReadinessProbe:
    """Asks /readyz without waiting: one request is under way, its answer looked for."""

    listener: socket.socket
    _connection: socket.socket | None = None

    def is_ready(self) -> bool:
        try:
            return self._ask()
        except OSError:
            self._hang_up()
            return False

    def _ask(self) -> bool:
        if self._connection is None:
            # The listener's queue holds the request until the API takes it.
            address = self.listener.getsockname()[:2]
            self._connection = socket.create_connection(address, timeout=1)
            self._connection.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
        if not select.select([self._connection], [], [], 0)[0]:
            return False
        status_line = self._connection.recv(64)
        self._hang_up()
        return b" 200 " in status_line

    def _hang_up(self) -> None:
        if self._connection is not None:
            with suppress(OSError):
                self._connection.close()
            self._connection = None
