"""Server-sent events: a fit's stream as text, and a bound on open streams."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import structlog
from flask import Response

from service.api.json import dump_json
from service.api.schemas.fits import FitSchema
from service.domain.fits import Fit, FitEvent, FitEventKind, FitState
from service.errors import ServiceError, TooBusyError

EVENT_STREAM = "text/event-stream"
END_ID = "end"
"""Id of the last event: who resumes after it has seen everything."""

_RETRY_MILLISECONDS = 1000
_fit_schema = FitSchema()

log = structlog.get_logger("service.api")


class EventStreams:
    """The open event streams of this process.

    Each holds a thread of the server, so there is a bound; `close` ends them all at
    their next heartbeat, so that a server can stop.
    """

    def __init__(self, most: int) -> None:
        self._places = threading.BoundedSemaphore(most)
        self._closing = threading.Event()
        self._most = most

    def open(self, events: Iterator[bytes]) -> Response:
        """Return a streaming answer, or raise TooBusyError when none is free."""
        if self._closing.is_set() or not self._places.acquire(blocking=False):
            raise TooBusyError(
                f"{self._most} event streams are open already; try again later, or "
                "ask for the fit with ?wait=30 instead."
            )
        response = Response(self._until_closing(events), mimetype=EVENT_STREAM)
        response.call_on_close(self._places.release)
        # Proxies must pass each event on as it comes.
        response.headers["X-Accel-Buffering"] = "no"
        return response

    def close(self) -> None:
        self._closing.set()

    def _until_closing(self, events: Iterator[bytes]) -> Iterator[bytes]:
        try:
            for event in events:
                yield event
                if self._closing.is_set():
                    return
        except ServiceError as error:
            # The status is sent: all that is left is to end; the client resumes.
            log.warning("event stream ended", code=error.code, detail=error.detail)


def encode_events(
    watched: Iterator[Fit | FitEvent | None], read_fit: Callable[[], Fit]
) -> Iterator[bytes]:
    """Write what is watched as events `status`, `iteration` and, last, `end`.

    An entry of the stream only says that the status changed, and a late reader finds
    many of them and one record. So each state is told once, a final one by `end`.
    """
    yield b"retry: %d\n\n" % _RETRY_MILLISECONDS
    told: tuple[FitState, int] | None = None
    for item in watched:
        if item is None:
            yield b": beat\n\n"
        elif isinstance(item, FitEvent) and item.kind is FitEventKind.ITERATION:
            yield _event("iteration", dict(item.payload), item.id)
        elif isinstance(item, Fit) and item.status.is_final:
            yield _event("end", _fit_schema.dump(item), END_ID)
        else:
            if isinstance(item, Fit):
                fit, event_id = item, None
            else:
                fit, event_id = read_fit(), item.id
            state = (fit.status, fit.attempt)
            if state != told and not fit.status.is_final:
                told = state
                yield _event("status", _fit_schema.dump(fit), event_id)


def _event(name: str, document: object, event_id: str | None) -> bytes:
    line = b"id: %s\n" % event_id.encode() if event_id else b""
    return b"event: %s\n%sdata: %s\n\n" % (name.encode(), line, dump_json(document))
