"""flask-smorest's blueprint with our way of reading, refusing and describing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import wraps
from http import HTTPStatus
from typing import Any, ParamSpec, TypeVar

import flask_smorest  # type: ignore[import-untyped]  # it has no type hints
from flask import Response, request
from flask_smorest.utils import deepupdate  # type: ignore[import-untyped]
from marshmallow import Schema
from werkzeug.utils import get_content_type

from service.api.negotiation import negotiate
from service.api.openapi import (
    PROBLEM_RESPONSES,
    binary,
    examples,
    query_parameters,
)
from service.api.options import ApiOptions
from service.api.parsing import JSON, RequestParser, refuse_query
from service.domain.tables import ArrayResult
from service.tables import READABLE, WRITABLE, size_bytes, write

P = ParamSpec("P")
R = TypeVar("R")
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
AnySchema = Schema | type[Schema] | dict[str, Any]

_READS_QUERY = "_reads_query"
"""Mark of a view whose arguments are parsed: the parser refuses what is unknown."""

_CONTENT_TYPES = {
    media_type: get_content_type(media_type, "utf-8") for media_type in WRITABLE
}

# Below this a result is sent in one piece, with its length.
_MAX_UNSTREAMED_BYTES = 2**20


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]
    """Views of one noun; a view's name is its operationId, its docstring its summary.

    Order of decorators: route, problems, what comes in, what goes out.
    """

    def __init__(
        self, name: str, options: ApiOptions, *, description: str, url_prefix: str = ""
    ) -> None:
        super().__init__(
            name, __name__, url_prefix=url_prefix or None, description=description
        )
        self.ARGUMENTS_PARSER = RequestParser(options)

    def get(self, rule: str) -> Decorator:
        return self._operation(rule, "GET")

    def post(self, rule: str) -> Decorator:
        return self._operation(rule, "POST")

    def patch(self, rule: str) -> Decorator:
        return self._operation(rule, "PATCH")

    def delete(self, rule: str) -> Decorator:
        return self._operation(rule, "DELETE")

    def _operation(self, rule: str, method: str) -> Decorator:
        def decorator(view: Callable[..., Any]) -> Callable[..., Any]:
            documented = self.doc(operationId=view.__name__)(view)
            if not getattr(view, _READS_QUERY, False):
                documented = self._without_query(documented)
            route = self.route(rule, methods=[method])
            registered: Callable[..., Any] = route(self.problems(500, 503)(documented))
            return registered

        return decorator

    def _without_query(self, view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def refusing(*args: Any, **kwargs: Any) -> Any:
            refuse_query(request)
            return view(*args, **kwargs)

        documented: Callable[..., Any] = self.problems(422)(refusing)
        return documented

    def doc(self, **kwargs: Any) -> Decorator:
        """Add to the description of an operation.

        Unlike flask-smorest's it wraps nothing: a view is described by many of these,
        and each call of it would pass through them all.
        """

        def decorator(view: Callable[..., Any]) -> Callable[..., Any]:
            described = deepcopy(getattr(view, "_apidoc", {}))
            manual = described.setdefault("manual_doc", {})
            parameters = [*kwargs.get("parameters", ()), *manual.get("parameters", ())]
            described["manual_doc"] = deepupdate(manual, kwargs)
            if parameters:
                described["manual_doc"]["parameters"] = parameters
            view._apidoc = described  # type: ignore[attr-defined]
            return view

        return decorator

    def problems(self, *statuses: int) -> Decorator:
        """Document the problems a view may answer with."""
        return self.doc(
            responses={status: PROBLEM_RESPONSES[status].name for status in statuses}
        )

    def no_content(self, status: int, description: str) -> Decorator:
        """Document an answer without a body beside the usual one."""
        return self.doc(responses={status: {"description": description}})

    def arguments(
        self,
        schema: AnySchema,
        location: str = "json",
        *,
        example: Mapping[str, object] | None = None,
    ) -> Decorator:
        """Pass the checked JSON object, or query, to the view."""
        inner = super().arguments(
            schema,
            location=location,
            examples=None if example is None else examples(example),
        )
        in_query = location == "query"
        statuses = (414, 422) if in_query else (400, 408, 413, 415, 422)

        def decorator(view: Callable[..., Any]) -> Callable[..., Any]:
            parsed: Callable[..., Any] = self.problems(*statuses)(inner(view))
            setattr(parsed, _READS_QUERY, True)
            return parsed

        return decorator

    def upload(self, schema: Schema, example: Mapping[str, object]) -> Decorator:
        """Pass a table and its parameters to the view, in whatever format sent."""
        content: dict[str, Any] = {
            media_type: {"schema": binary(media_type)}
            for media_type in READABLE
            if media_type != JSON
        }
        content = {JSON: {"schema": schema, "examples": examples(example)}} | content

        def decorator(view: Callable[..., Any]) -> Callable[..., Any]:
            @wraps(view)
            def parsed(*args: Any, **kwargs: Any) -> Any:
                arguments = self.ARGUMENTS_PARSER.parse_upload(schema)
                return view(*args, arguments, **kwargs)

            documented = self.doc(
                requestBody={"required": True, "content": content},
                parameters=query_parameters(schema),
            )(parsed)
            setattr(documented, _READS_QUERY, True)
            return self.problems(400, 408, 413, 414, 415, 422)(documented)

        return decorator

    def response(
        self,
        status: int,
        schema: AnySchema | None = None,
        *,
        description: str,
        content_type: str = JSON,
        headers: Sequence[str] = (),
        example: Mapping[str, object] | None = None,
    ) -> Decorator:
        """Answer with what the view returns, if the client accepts it."""
        inner = super().response(
            status,
            schema,
            description=description,
            content_type=content_type,
            headers={name: name for name in headers} or None,
            examples=None if example is None else examples(example),
        )

        def decorator(view: Callable[..., Any]) -> Callable[..., Any]:
            respond: Callable[..., Any] = inner(view)

            @wraps(respond)
            def accepted(*args: Any, **kwargs: Any) -> Any:
                negotiate([content_type])
                return respond(*args, **kwargs)

            if status == HTTPStatus.NO_CONTENT:
                return respond
            return self.problems(406)(accepted)

        return decorator

    def array_response(self, schema: AnySchema, description: str) -> Decorator:
        """Answer with the ArrayResult of the view, in the format asked for."""
        content = {
            media_type: {"schema": schema if media_type == JSON else binary(media_type)}
            for media_type in WRITABLE
        }
        answer = {
            "description": description,
            "content": content,
            "headers": {"Vary": "Vary"},
        }

        def decorator(view: Callable[..., Any]) -> Callable[..., Any]:
            @wraps(view)
            def respond(*args: Any, **kwargs: Any) -> Response:
                media_type = negotiate(WRITABLE)
                return _array_answer(view(*args, **kwargs), media_type)

            return self.doc(responses={200: answer})(self.problems(406)(respond))

        return decorator


def _array_answer(result: ArrayResult, media_type: str) -> Response:
    pieces = write(result, media_type)
    is_small = (
        sum(array.nbytes for array in result.arrays.values()) <= _MAX_UNSTREAMED_BYTES
    )
    body = b"".join(pieces) if is_small else pieces
    response = Response(body, content_type=_CONTENT_TYPES[media_type])
    response.headers.add("Vary", "Accept")
    length = None if is_small else size_bytes(result, media_type)
    if length is not None:
        # Without a length the server would copy each piece to frame it.
        response.headers.add("Content-Length", str(length))
    return response
