"""Fits over HTTP: submit, watch, cancel."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

from flask import Response, request, url_for

from service.api.blueprint import Blueprint
from service.api.events import END_ID, EVENT_STREAM, EventStreams, encode_events
from service.api.idempotency import REPLAYED, idempotent
from service.api.options import ApiOptions
from service.api.pages import page_request, with_link
from service.api.schemas.fits import (
    CANCELLED_FIT_EXAMPLE,
    FIT_EXAMPLE,
    FIT_PAGE_EXAMPLE,
    FIT_REQUEST_EXAMPLE,
    QUEUED_FIT_EXAMPLE,
    SUCCEEDED_FIT_EXAMPLE,
    FitPageSchema,
    FitSchema,
    fit_request_schema,
    wait_schema,
)
from service.api.schemas.pages import page_request_schema
from service.domain.fits import Fit
from service.domain.pages import Page
from service.errors import InvalidRequestError
from service.use_cases.fits import FIRST_EVENT, FitService
from service.use_cases.services import Services

Headers = dict[str, str]

_EVENT_ID = re.compile(r"[0-9]{1,19}(-[0-9]{1,19})?", re.ASCII)
_LAST_EVENT_ID = {
    "in": "header",
    "name": "Last-Event-ID",
    "description": "Resume after the event with this id.",
    "schema": {"type": "string", "pattern": f"^({_EVENT_ID.pattern}|{END_ID})$"},
}
_EVENTS = {
    # No type: some tools hold the whole stream against it, others each event.
    "description": "Server-sent events. The data of each is a JSON object: that of "
    "`status` and `end` a Fit, that of `iteration` a FitIteration.",
    # JSON Schema has no words for a stream; these are for generators that look.
    "x-event-data": {
        "status": {"$ref": "#/components/schemas/Fit"},
        "iteration": {"$ref": "#/components/schemas/FitIteration"},
        "end": {"$ref": "#/components/schemas/Fit"},
    },
}


def fits_blueprint(
    services: Callable[[], Services], options: ApiOptions, streams: EventStreams
) -> Blueprint:
    fits = Blueprint(
        "fits",
        options,
        url_prefix="/v1/fits",
        description="Mixtures being fitted by background workers.",
    )
    waiting = threading.BoundedSemaphore(options.max_waiting)

    @fits.post("")
    @fits.problems(404, 429, 507)
    @fits.upload(fit_request_schema(options), FIT_REQUEST_EXAMPLE)
    @idempotent(fits, services, options, lambda own, made: own.fits.get(made))
    @fits.response(
        202,
        FitSchema,
        description="Accepted; a worker runs it.",
        headers=["Location", REPLAYED],
        example=QUEUED_FIT_EXAMPLE,
    )
    @fits.response(
        200,
        FitSchema,
        description="With `reuse`: an equal fit that there was before.",
        headers=["Location", REPLAYED],
        example=SUCCEEDED_FIT_EXAMPLE,
    )
    def submit_fit(
        upload: dict[str, Any], new_id: str | None
    ) -> tuple[Fit, int, Headers]:
        """Accept a fit and answer at once; a worker runs it."""
        table, reuse = upload.pop("data", None), upload.pop("reuse", False)
        if reuse:
            fit, is_new = services().reuse_fit(table, upload, new_id)
        else:
            fit, is_new = services().submit_fit(table, upload, new_id), True
        location = url_for("fits.show_fit", fit_id=fit.id)
        return fit, 202 if is_new else 200, {"Location": location}

    @fits.get("")
    @fits.arguments(page_request_schema(options), location="query")
    @fits.response(
        200,
        FitPageSchema,
        description="A page.",
        headers=["Link"],
        example=FIT_PAGE_EXAMPLE,
    )
    def list_fits(page: dict[str, Any]) -> tuple[Page[Fit], Headers]:
        """List the fits, newest first."""
        return with_link(services().fits.list(page_request(page)))

    @fits.get("/<id:fit_id>")
    @fits.problems(404)
    @fits.arguments(wait_schema(options), location="query")
    @fits.response(200, FitSchema, description="The fit.", example=FIT_EXAMPLE)
    def show_fit(query: dict[str, Any], fit_id: str) -> Fit:
        """Return a fit with its progress; with `wait`, once it ended or time is up."""
        return _wait(services().fits, fit_id, query["wait"], waiting)

    @fits.get("/<id:fit_id>/events")
    @fits.problems(404, 422)
    @fits.doc(parameters=[_LAST_EVENT_ID])
    @fits.response(
        200,
        _EVENTS,
        content_type=EVENT_STREAM,
        description="Events `status` and `iteration`, and at the end `end`.",
    )
    @fits.no_content(204, "All events were sent: do not reconnect.")
    def watch_fit(fit_id: str) -> Response:
        """Stream the events of a fit until it ends."""
        service, after = services().fits, _last_event_id()
        if service.get(fit_id).status.is_final and after == END_ID:
            return Response(status=204)
        watched = service.watch(
            fit_id, FIRST_EVENT if after == END_ID else after, options.heartbeat_seconds
        )
        return streams.open(encode_events(watched, lambda: service.get(fit_id)))

    @fits.post("/<id:fit_id>/cancel")
    @fits.problems(404, 409)
    @fits.response(
        202, FitSchema, description="Cancelled.", example=CANCELLED_FIT_EXAMPLE
    )
    def cancel_fit(fit_id: str) -> Fit:
        """End a fit now; nothing of it is kept."""
        return services().fits.cancel(fit_id)

    return fits


def _wait(
    service: FitService, fit_id: str, seconds: float, places: threading.Semaphore
) -> Fit:
    # Each wait holds a thread of the server: when too many do, answer at once.
    if seconds == 0 or not places.acquire(blocking=False):
        return service.get(fit_id)
    try:
        return service.wait(fit_id, seconds)
    finally:
        places.release()


def _last_event_id() -> str:
    offered = request.headers.get("Last-Event-ID", FIRST_EVENT)
    if offered != END_ID and not _EVENT_ID.fullmatch(offered):
        raise InvalidRequestError(
            f"The Last-Event-ID {offered[:60]!r} is no id of an event; send one that "
            "was received, or none to begin with the first."
        )
    return offered
