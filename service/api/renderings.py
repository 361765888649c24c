"""Pictures over HTTP: drawn on demand, a few at a time, kept by the client."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flask import Response, request

from service.api.blueprint import Blueprint
from service.api.options import ApiOptions
from service.errors import TooBusyError
from service.use_cases.services import Services

# Part of the ETag: raise it when the same model is drawn in another way.
_DRAWING_VERSION = 2
_IF_NONE_MATCH = {
    "in": "header",
    "name": "If-None-Match",
    "description": "The ETag of the picture that the client has.",
    "schema": {"type": "string"},
}


def renderings_blueprint(
    services: Callable[[], Services], options: ApiOptions
) -> Blueprint:
    renderings = Blueprint(
        "renderings",
        options,
        url_prefix="/v1/models/<id:model_id>",
        description="Pictures of a model and of its training.",
    )
    places = _DrawingPlaces(options.max_renderings, options.max_rendering_wait_seconds)

    @renderings.get("/animation.gif")
    @renderings.problems(404)
    @renderings.doc(parameters=[_IF_NONE_MATCH])
    @renderings.response(
        200,
        {"type": "string", "format": "binary"},
        content_type="image/gif",
        description="An animated GIF.",
        headers=["ETag", "Cache-Control"],
    )
    @renderings.no_content(304, "The client has it.")
    def show_animation(model_id: str) -> Response:
        """Show the training as a GIF, one frame per EM iteration."""
        services().models.get(model_id)
        etag = f"animation-{_DRAWING_VERSION}-{model_id}"
        if request.if_none_match.contains_weak(etag):
            return _kept(Response(status=304), etag)
        with places.taken():
            picture = services().renderings.animation(model_id)
        return _kept(Response(picture, mimetype="image/gif"), etag)

    return renderings


class _DrawingPlaces:
    """Drawing takes a whole core: few at a time, and no endless queue."""

    def __init__(self, most: int, wait_seconds: float) -> None:
        self._places = threading.BoundedSemaphore(most)
        self._wait_seconds = wait_seconds

    @contextmanager
    def taken(self) -> Iterator[None]:
        if not self._places.acquire(timeout=self._wait_seconds):
            raise TooBusyError("Many pictures are being drawn; try again in a moment.")
        try:
            yield
        finally:
            self._places.release()


def _kept(response: Response, etag: str) -> Response:
    response.set_etag(etag)
    # A model never changes but for its name, which is not in the picture.
    response.headers["Cache-Control"] = "private, max-age=3600"
    return response
