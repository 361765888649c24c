"""The API as a WSGI app, and the server that runs it."""

from __future__ import annotations

import errno
import importlib
import logging
import resource
import selectors
import signal
import socket
import threading
import time
from contextlib import suppress
from functools import partial
from itertools import islice
from types import FrameType
from typing import Any

from flask import Flask

# gunicorn has no type hints.
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]
from gunicorn.glogging import Logger  # type: ignore[import-untyped]
from gunicorn.workers.gthread import (  # type: ignore[import-untyped]
    TConn,
    ThreadWorker,
)

from gmm_engine.warm_up import warm_up
from service import processes
from service.api.access import Access, current_tenant
from service.api.app import close_event_streams, create_app
from service.api.options import ApiOptions
from service.bootstrap import Wiring
from service.connections import PacedSocket, Places
from service.server_errors import refuse
from service.settings import Settings
from service.tables import TableLimits

GRACEFUL_SECONDS = 7
"""For requests under way when the server is stopped; `gmm serve` waits a bit longer."""
_KEEPALIVE_SECONDS = 75
_FIRST_BYTE_SECONDS = 10
_NEXT_REQUEST_SECONDS = 0.1
"""So long a thread stays with a connection that may send another request."""
_SILENT_SECONDS = 60
"""Without a sign of life for so long, a process is replaced."""
_OTHER_FILES = 1024
"""File descriptors beside those of connections: the store's, and what is read."""
_CANDIDATES = 8
"""So many of the oldest idle connections are looked at to close one."""
_PROBE = "/healthz"


def make_app(wiring: Wiring, is_open: bool, insecure: bool = False) -> Flask:
    """The Flask app; `is_open`: without a key as long as there never was one."""
    return create_app(
        lambda: wiring.services_for(current_tenant()),
        wiring.probe,
        api_options(wiring.settings),
        Access(
            admit=wiring.gatekeeper(is_open).admit,
            count=wiring.rate_limiter().count,
            any_host=insecure,
            cors_origins=wiring.settings.origins,
        ),
        wiring.probe,
    )


def api_options(settings: Settings) -> ApiOptions:
    return ApiOptions(
        max_body_bytes=settings.max_body_bytes,
        max_inflated_bytes=settings.max_inflated_bytes,
        max_json_bytes=settings.max_json_bytes,
        max_bodies_bytes=settings.max_bodies_bytes,
        table_limits=TableLimits(
            max_rows=settings.max_rows,
            max_columns=settings.max_columns,
            max_numbers=settings.max_numbers,
        ),
        max_components=settings.max_components,
        max_iterations=settings.max_iterations,
        max_starts=settings.max_starts,
        max_samples=settings.max_samples,
        max_wait_seconds=settings.max_wait_seconds,
        max_waiting=settings.max_waiting,
        max_event_streams=settings.max_event_streams,
        max_renderings=settings.max_renderings,
        webhook_rules=settings.target_rules if settings.webhook_secret else None,
    )


class ApiServer(BaseApplication):  # type: ignore[misc]
    """gunicorn with one process of many threads, on a socket that listens already."""

    def __init__(self, wiring: Wiring, listener: socket.socket, app: Flask) -> None:
        self._wiring = wiring
        self._app = app
        self._listener = listener
        super().__init__()

    def load_config(self) -> None:
        settings = self._wiring.settings
        n_connections = settings.max_connections
        _allow_files(n_connections + _OTHER_FILES)
        options = {
            "bind": f"fd://{self._listener.detach()}",
            "worker_class": ApiWorker,
            "worker_connections": n_connections,
            # For those who wait for their client; fewer are at work, see Places.
            "threads": max(n_connections // 2, settings.api_threads),
            "timeout": _SILENT_SECONDS,
            "graceful_timeout": GRACEFUL_SECONDS,
            "keepalive": _KEEPALIVE_SECONDS,
            "logger_class": ApiLogger,
            "control_socket_disable": True,
            # It would wait for a slow client in the kernel.
            "sendfile": False,
            "post_fork": _post_fork,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return self._app

    def run(self) -> None:
        ApiArbiter(self).run()

    def places(self) -> Places:
        """Those of a worker: as many as requests may be at work."""
        return Places(self._wiring.settings.api_threads, self._wiring.stopping)

    def end_waiting(self) -> None:
        """Let long polls and event streams end: the server is stopping."""
        self._wiring.stopping.set()
        close_event_streams(self._app)


class ApiArbiter(Arbiter):  # type: ignore[misc]
    """gunicorn's master process, which hears each request to stop, and only as such."""

    def init_signals(self) -> None:
        is_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        super().init_signals()
        if is_ignored:
            # That is how `nohup` says to outlive the terminal.
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def handle_hup(self) -> None:
        """Stop: the terminal was closed.

        gunicorn would load its settings again, and open the socket anew: it was given
        to us open, and is given up by then.
        """
        self.handle_term()

    def spawn_worker(self) -> int:
        # In a child without handlers of its own ours would keep the signal for a loop
        # that it does not run: until then it has to wait.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))
        try:
            return int(super().spawn_worker())
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))


class ApiWorker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's worker, with clients that may be slow, and an end to what lasts."""

    def init_process(self) -> None:
        self._places = self.app.places()
        super().init_process()

    def init_signals(self) -> None:
        super().init_signals()
        # A closed terminal tells the whole group; our master passes it on.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))

    def run(self) -> None:
        threading.Thread(target=_warm_up, daemon=True).start()
        super().run()

    def accept(self, listener: socket.socket) -> None:
        """Take a connection in. It gets a thread with its first byte, not before."""
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._close_an_idle_one()
            return
        paced = PacedSocket(client, self._places)
        connection = TConn(self.cfg, paced, address, listener.getsockname())
        connection.timeout = time.monotonic() + _FIRST_BYTE_SECONDS
        self.nr_conns += 1
        self.pending_conns.append(connection)
        self.poller.register(
            paced,
            selectors.EVENT_READ,
            partial(self.on_pending_socket_readable, connection),
        )
        if self.nr_conns >= self.worker_connections:
            self._close_an_idle_one()

    def handle(self, conn: TConn) -> object:
        """Answer the requests of a connection, as long as they come at once.

        To go back to the loop of all connections in between would take longer than to
        answer a small request.
        """
        while True:
            conn.sock.begin()
            is_kept = super().handle(conn)
            if not is_kept:
                # gunicorn would do it in the loop of all connections, and it takes
                # seconds when the client does not close its end.
                conn.close(graceful=True)
                return False
            if not self.alive or not _has_more(conn):
                return True

    def handle_request(self, req: Any, conn: TConn) -> bool:
        # RFC 9112, 3.2.1: an absolute URI with an empty path means "/".
        req.path = req.path or "/"
        # Nobody who is at work should be able to make this service look dead.
        if req.path == _PROBE:
            return bool(super().handle_request(req, conn))
        with conn.sock.at_work():
            return bool(super().handle_request(req, conn))

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        refuse(client, exc)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.app.end_waiting()
        super().handle_exit(sig, frame)

    def _cap_keepalive(self, deadline: float) -> None:
        """Wait no longer for those who have sent nothing yet, either."""
        super()._cap_keepalive(deadline)
        for connection in self.pending_conns:
            connection.timeout = min(connection.timeout, deadline)

    def _close_an_idle_one(self) -> None:
        """Make room for the next connection, if one is there only in case."""
        oldest = [
            *islice(self.pending_conns, _CANDIDATES),
            *islice(self.keepalived_conns, _CANDIDATES),
        ]
        for connection in oldest:
            # The newest has had no time to send anything yet; who has sent something
            # is about to be heard, perhaps in this very turn of the loop.
            is_newest = self.pending_conns and connection is self.pending_conns[-1]
            if not is_newest and not connection.sock.is_readable(0):
                self._close_idle(connection)
                return

    def _close_idle(self, connection: TConn) -> None:
        for waiting in (self.pending_conns, self.keepalived_conns):
            with suppress(ValueError):
                waiting.remove(connection)
        self.poller.unregister(connection.sock)
        self.nr_conns -= 1
        connection.close()


class ApiLogger(Logger):  # type: ignore[misc]
    """gunicorn's messages go where all others go; the API logs requests itself."""

    def setup(self, cfg: Any) -> None:
        self.error_log.setLevel(logging.WARNING)
        self.error_log.propagate = True


def _warm_up() -> None:
    """Load what only some requests need, while others are answered already."""
    warm_up()
    # matplotlib: half a second that the first picture would take longer.
    importlib.import_module("service.rendering")


def _has_more(connection: TConn) -> bool:
    """Whether there is another request of a client, or will be soon."""
    if connection.parser.unreader.buf.getvalue():
        return True
    return bool(connection.sock.is_readable(_NEXT_REQUEST_SECONDS))


def _allow_files(n_files: int) -> None:
    """Let this process open so many files, as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        n_files = min(n_files, hard)
    if soft != resource.RLIM_INFINITY and soft < n_files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (n_files, hard))


def _post_fork(arbiter: Any, worker: Any) -> None:
    processes.die_with_parent(arbiter.pid)
    processes.share_malloc_arenas()
