"""Problem documents (RFC 9457): the only place where an error becomes HTTP."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import asdict
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import structlog
from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed

from service.api.parsing import points_into_query
from service.api.request_ids import current_request_id
from service.errors import (
    MissingScopeError,
    NotAuthenticatedError,
    NotFoundError,
    Place,
    ServiceError,
    TooLargeError,
    UnsupportedMediaTypeError,
)

PROBLEM_JSON = "application/problem+json"
_MAX_PLACES = 50
_CHALLENGE = 'Bearer realm="gmm-service"'
_RETRY_AFTER_SECONDS = {503: "2", 507: "60"}

log = structlog.get_logger("service.api")


class MethodNotAllowedError(ServiceError):
    """The path exists, but not with this method; Allow lists those it has."""

    status, code, title = 405, "method-not-allowed", "Method not allowed"


class BadRequestError(ServiceError):
    """The request breaks a rule of HTTP."""

    status, code, title = 400, "bad-request", "Bad request"


_FRAMEWORK_ERRORS: dict[int, tuple[type[ServiceError], str]] = {
    400: (BadRequestError, "The request cannot be understood; check its headers."),
    404: (NotFoundError, "There is nothing at this path; see /openapi.yaml."),
    413: (TooLargeError, "The body is too large; send less."),
    415: (UnsupportedMediaTypeError, "The Content-Type is not read here."),
}


def register_problem_handlers(app: Flask) -> None:
    """Answer every error of the app with a problem document."""

    @app.errorhandler(ServiceError)
    def service_error(error: ServiceError) -> Response:
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("service error", code=error.code, detail=error.detail)
        return _problem(error)

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        status = error.code or 500
        response = _problem(_known(error, status), status)
        # Allow of a 405, and the like.
        for name, value in error.get_headers():
            if name.lower() != "content-type":
                response.headers[name] = value
        return response

    @app.errorhandler(Exception)
    def unexpected_error(error: Exception) -> Response:
        log.exception("unexpected error")
        return _problem(
            ServiceError("Something went wrong here; the request id names the log.")
        )

    # Raised by Flask around an exception in a handler or a hook.
    app.register_error_handler(
        InternalServerError, lambda error: unexpected_error(error)
    )


def _known(error: HTTPException, status: int) -> ServiceError:
    if isinstance(error, MethodNotAllowed):
        # Nobody who errs means the other two, which go without saying.
        named = sorted({*(error.valid_methods or ())} - {"HEAD", "OPTIONS"})
        return MethodNotAllowedError(
            f"{request.method[:20]} is not possible here; send {' or '.join(named)}."
        )
    kind, detail = _FRAMEWORK_ERRORS.get(status, (BadRequestError, error.name))
    return kind(detail)


def problem_types() -> dict[str, type[ServiceError]]:
    """Return every class of error by its code."""
    return {kind.code: kind for kind in sorted(_descendants(), key=lambda k: k.code)}


def _descendants(
    kind: type[ServiceError] = ServiceError,
) -> Iterator[type[ServiceError]]:
    for child in kind.__subclasses__():
        yield from _descendants(child)
    yield kind


def _problem(error: ServiceError, status: int | None = None) -> Response:
    status = status or error.status
    document: dict[str, Any] = {
        "type": f"/problems/{error.code}",
        "title": error.title,
        "status": status,
        "detail": error.detail,
        "instance": quote(request.path),
        "code": error.code,
        "request_id": current_request_id(),
    }
    if error.places:
        document["errors"] = [_place(place) for place in error.places[:_MAX_PLACES]]
    response = jsonify(document)
    response.status_code = status
    response.mimetype = PROBLEM_JSON
    if status in _RETRY_AFTER_SECONDS:
        response.headers["Retry-After"] = _RETRY_AFTER_SECONDS[status]
    if error.retry_after_seconds is not None:
        response.headers["Retry-After"] = str(math.ceil(error.retry_after_seconds))
    response.headers.update(_headers(error))
    return response


def _headers(error: ServiceError) -> dict[str, str]:
    """What a client's library looks for, beside the document."""
    match error:
        case NotAuthenticatedError(reason=None):
            return {"WWW-Authenticate": _CHALLENGE}
        case NotAuthenticatedError():
            return {"WWW-Authenticate": f'{_CHALLENGE}, error="invalid_token"'}
        case MissingScopeError():
            wanted = f'error="insufficient_scope", scope="{error.scope}"'
            return {"WWW-Authenticate": f"{_CHALLENGE}, {wanted}"}
    return {}


def _place(place: Place) -> dict[str, object]:
    document = {k: v for k, v in asdict(place).items() if v is not None}
    pointer = place.pointer
    if pointer and re.fullmatch("/[^/]+", pointer) and points_into_query(pointer):
        document["pointer"] = f"?{pointer[1:]}"
    return document
