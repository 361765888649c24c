"""The API as a WSGI app, and the server that runs it."""

from __future__ import annotations

import importlib
import logging
import socket
import threading
from types import FrameType
from typing import Any

from flask import Flask

# gunicorn has no type hints.
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
from gunicorn.glogging import Logger  # type: ignore[import-untyped]
from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

from gmm_engine.warm_up import warm_up
from service import processes
from service.api.access import Access, current_tenant
from service.api.app import close_event_streams, create_app
from service.api.options import ApiOptions
from service.bootstrap import Wiring
from service.server_errors import refuse
from service.settings import Settings
from service.tables import TableLimits

GRACEFUL_SECONDS = 7
"""For requests under way when the server is stopped; `gmm serve` waits a bit longer."""
_KEEPALIVE_SECONDS = 75
_SILENT_SECONDS = 60
"""Without a sign of life for so long, a process is replaced."""


def make_app(wiring: Wiring, is_open: bool, insecure: bool = False) -> Flask:
    """The Flask app; `is_open`: without a key as long as there never was one."""
    return create_app(
        lambda: wiring.services_for(current_tenant()),
        wiring,
        api_options(wiring.settings),
        Access(
            admit=wiring.gatekeeper(is_open).admit,
            count=wiring.rate_limiter().count,
            any_host=insecure,
            cors_origins=wiring.settings.origins,
        ),
    )


def api_options(settings: Settings) -> ApiOptions:
    return ApiOptions(
        max_body_bytes=settings.max_body_bytes,
        max_inflated_bytes=settings.max_inflated_bytes,
        max_json_bytes=settings.max_json_bytes,
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
        options = {
            "bind": f"fd://{self._listener.detach()}",
            "worker_class": ApiWorker,
            "threads": self._wiring.settings.api_threads,
            "timeout": _SILENT_SECONDS,
            "graceful_timeout": GRACEFUL_SECONDS,
            "keepalive": _KEEPALIVE_SECONDS,
            "logger_class": ApiLogger,
            "control_socket_disable": True,
            "post_fork": _post_fork,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return self._app

    def end_waiting(self) -> None:
        """Let long polls and event streams end: the server is stopping."""
        self._wiring.stopping.set()
        close_event_streams(self._app)


class ApiWorker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's worker, which warms up, and ends what would not end by itself."""

    def run(self) -> None:
        threading.Thread(target=_warm_up, daemon=True).start()
        super().run()

    def handle_error(
        self, req: Any, client: socket.socket, addr: Any, exc: Exception
    ) -> None:
        refuse(client, exc)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.app.end_waiting()
        super().handle_exit(sig, frame)


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


def _post_fork(arbiter: Any, worker: Any) -> None:
    processes.die_with_parent(arbiter.pid)
