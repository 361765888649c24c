"""The memory that bodies take together: each is bounded, and so is their sum."""

from __future__ import annotations

import threading

from flask import Flask, current_app

from service.api.current import current_globals
from service.api.options import ApiOptions
from service.errors import TooBusyError


class BodyMemory:
    """Counts the bytes of the bodies of all requests that are being answered."""

    def __init__(self, size_bytes: int) -> None:
        self._lock = threading.Lock()
        self._size_bytes = self._left_bytes = size_bytes

    def take(self, n_bytes: int) -> None:
        with self._lock:
            if n_bytes > self._left_bytes:
                raise TooBusyError(
                    "Other requests have large bodies, and together they would take "
                    f"more memory than the {self._size_bytes} bytes there are for "
                    "bodies; send this one again in a moment."
                )
            self._left_bytes -= n_bytes

    def give_back(self, n_bytes: int) -> None:
        with self._lock:
            self._left_bytes += n_bytes


def register_body_memory(app: Flask, options: ApiOptions) -> None:
    """Count what the bodies of this app's requests take."""
    memory = BodyMemory(options.max_bodies_bytes)
    app.extensions["body_memory"] = memory

    @app.teardown_request
    def give_back(error: BaseException | None) -> None:
        # Once only: a test client may tear a request down twice.
        taken = current_globals().pop("body_bytes", 0)
        if taken:
            memory.give_back(taken)


def take_body_memory(n_bytes: int) -> None:
    """Count bytes of this request's body; TooBusyError: there is no room for them."""
    memory: BodyMemory = current_app.extensions["body_memory"]
    memory.take(n_bytes)
    context = current_globals()
    context.body_bytes = context.get("body_bytes", 0) + n_bytes
