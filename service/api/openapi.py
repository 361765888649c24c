"""What openapi.yaml says beyond what the views' decorators know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import flask_smorest  # type: ignore[import-untyped]  # it has no type hints
import yaml
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from flask import Flask
from marshmallow import Schema, fields
from werkzeug.routing import BaseConverter

from service.api.access import UNGUARDED, scope_of
from service.api.schemas.fits import FitIterationSchema
from service.api.schemas.problems import ProblemSchema

PROBLEM_JSON = "application/problem+json"
CONTRACT_VERSION = "1.0.0"
ID_PATTERN = "[A-Za-z0-9_-]{1,64}"

_HEADER = "# Exported from the code by `make openapi`; do not edit.\n"
_DESCRIPTION = """\
Post a table of numbers, let a background worker fit a Gaussian mixture to it by EM,
and ask the stored model: which cluster is a row in, how sure, how likely is it, draw
more like these, show how the fit went.

Where keys are on, send yours as `Authorization: Bearer gmm_…`; `security` names the
scope that each operation needs. Answers to a client whose requests are counted carry
`RateLimit` and `RateLimit-Policy`.

Errors are problem documents (RFC 9457) with a stable `code`. Every answer carries
`X-Request-Id`. Ids and cursors are opaque. Times are RFC 3339, UTC.

Requests are closed: an unknown field or parameter is refused. Answers are open: fields,
and words of an `enum`, may be added; pass over those you do not know.

The version of this document is that of the contract, raised as semantic versioning
says. The program has a version of its own: `gmm --version`, and `engine_version` in the
provenance of a model.
"""


@dataclass(frozen=True, slots=True)
class ProblemResponse:
    """A shared response of openapi.yaml."""

    name: str
    description: str


_SCHEME = "key"
_SCHEME_DESCRIPTION = "An API key, made by the operator with `gmm keys create`."

PROBLEM_RESPONSES = {
    400: ProblemResponse("MalformedBody", "The body cannot be read as what it says."),
    401: ProblemResponse("NotAuthenticated", "No key came, or none that is good."),
    403: ProblemResponse("Forbidden", "The key's scopes, or a browser's page, forbid."),
    404: ProblemResponse("NotFound", "There is no such thing, or no longer."),
    406: ProblemResponse("NotAcceptable", "None of the formats in Accept is written."),
    408: ProblemResponse("TooSlow", "The body came too slowly; send it again."),
    409: ProblemResponse("Conflict", "Not possible in the state this is in."),
    410: ProblemResponse("Gone", "What the request created is not there any more."),
    413: ProblemResponse("TooLarge", "The body or the table is over a limit."),
    414: ProblemResponse("UriTooLong", "The path and the query are too long."),
    415: ProblemResponse("UnsupportedMediaType", "The Content-Type is not read here."),
    422: ProblemResponse("Invalid", "Read, but not allowed; `errors` says where."),
    429: ProblemResponse("TooManyRequests", "More requests than a minute may have."),
    500: ProblemResponse("InternalError", "A fault here; the request id names it."),
    503: ProblemResponse("Unavailable", "Too busy, or the store does not answer."),
    507: ProblemResponse("StoreFull", "The store has no room; nothing is lost."),
}

_HEADERS = {
    "X-Request-Id": "The id of this request, as in the log; sent ones are kept.",
    "WWW-Authenticate": "How to send a key.",
    "Location": "Where the new thing is.",
    "Link": 'The next page, as `<…>; rel="next"`.',
    "Idempotency-Replayed": "`true`: the answer to this Idempotency-Key, as before.",
    "Retry-After": "Seconds after which to try again.",
    "ETag": "Names this version, for If-None-Match.",
    "Cache-Control": "How long the answer may be kept.",
    "Vary": "The answer depends on Accept.",
}


class IdConverter(BaseConverter):
    """A path segment that can be an id; anything else is no path of this service."""

    regex = ID_PATTERN


class _Converter(OpenAPIConverter):
    """Adds what fields cannot say: the `json_schema` of a schema's Meta."""

    def schema2jsonschema(self, schema: Schema) -> dict[str, Any]:
        document: dict[str, Any] = super().schema2jsonschema(schema)  # type: ignore[no-untyped-call]
        return document | getattr(schema.Meta, "json_schema", {})


class _Plugin(MarshmallowPlugin):
    Converter = _Converter


class Api(flask_smorest.Api):  # type: ignore[misc]
    """flask-smorest's registry, with problem documents for its own errors."""

    DEFAULT_ERROR_RESPONSE_NAME = None

    def __init__(self, app: Flask) -> None:
        app.url_map.converters["id"] = IdConverter
        super().__init__(
            app,
            spec_kwargs={
                "title": "gmm-service",
                "version": CONTRACT_VERSION,
                "openapi_version": "3.1.0",
                "info": {"description": _DESCRIPTION},
                "servers": [{"url": "/"}],
                "marshmallow_plugin": _Plugin(),
            },
        )
        self.spec.components.security_scheme(
            _SCHEME,
            {"type": "http", "scheme": "bearer", "description": _SCHEME_DESCRIPTION},
        )
        self.register_converter(IdConverter, _id_schema)
        for name, description in _HEADERS.items():
            header = {"description": description, "schema": {"type": "string"}}
            self.spec.components.header(name, header)
        # No operation answers with it alone: it is the data of an event.
        self.spec.components.schema("FitIteration", schema=FitIterationSchema)

    def _register_pagination_header(self) -> None:
        """Lists here have a cursor in the answer, not flask-smorest's header."""

    def _register_error_handlers(self) -> None:
        """Leave all errors to `service.api.problems`."""

    def _register_responses(self) -> None:
        for status, response in PROBLEM_RESPONSES.items():
            document: dict[str, Any] = {
                "description": response.description,
                "content": {PROBLEM_JSON: {"schema": ProblemSchema}},
            }
            if status == 401:
                document["headers"] = {"WWW-Authenticate": "WWW-Authenticate"}
            if status in (429, 503, 507):
                document["headers"] = {"Retry-After": "Retry-After"}
            # Those of `_add_access` are needed by operations that do not name them.
            is_lazy = status not in (401, 403, 429)
            self.spec.components.response(response.name, document, lazy=is_lazy)


def spec_yaml(app: Flask) -> str:
    """Return the contract of the app as YAML, the same text for the same code."""
    text: str = yaml.dump(
        specification(app),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=88,
    )
    return _HEADER + text


class _Dumper(yaml.SafeDumper):
    """Writes everything where it belongs, without references inside the YAML."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def specification(app: Flask) -> dict[str, Any]:
    """Return the OpenAPI document of the app."""
    api = app.extensions["flask-smorest"]["apis"][""]["ext_obj"]
    document: dict[str, Any] = api.spec.to_dict()
    for response in document["components"]["responses"].values():
        _add_request_id(response)
    for path in document["paths"].values():
        for method in path.keys() & {"get", "post", "patch", "delete"}:
            _add_access(path[method])
            path[method] = _ordered(path[method])
            for response in path[method]["responses"].values():
                _add_request_id(response)
    return {"openapi": document.pop("openapi")} | document


def _add_access(operation: dict[str, Any]) -> None:
    """Say which scope an operation needs, and how it refuses."""
    name = operation["operationId"]
    scope = scope_of(name)
    statuses = (429,) if scope is None else (401, 403, 429)
    if name not in UNGUARDED:
        for status in statuses:
            reference = f"#/components/responses/{PROBLEM_RESPONSES[status].name}"
            operation["responses"].setdefault(str(status), {"$ref": reference})
    # {}: where keys are off, none is needed.
    operation["security"] = [] if scope is None else [{_SCHEME: [scope.value]}, {}]


def _add_request_id(response: dict[str, Any]) -> None:
    if "$ref" not in response:
        headers = response.setdefault("headers", {})
        headers["X-Request-Id"] = {"$ref": "#/components/headers/X-Request-Id"}


def _ordered(operation: dict[str, Any]) -> dict[str, Any]:
    """Put what a reader looks for first where it is read first."""
    operation["responses"] = dict(sorted(operation["responses"].items()))
    first = ("operationId", "summary", "tags", "parameters", "requestBody")
    return {key: operation[key] for key in first if key in operation} | operation


def binary(media_type: str) -> dict[str, str]:
    """Return the schema of bytes in a format that JSON Schema cannot describe."""
    kind = {"format": "binary"} if media_type.startswith("application/") else {}
    return {"type": "string"} | kind


def examples(example: object) -> dict[str, Any]:
    """Return the examples of a media type, of which there is one.

    Never as a bare `example`: RapiDoc takes an object there for a map of names to
    examples, shows none, and stumbles over fields that are null.
    """
    return {"example": {"value": example}}


def query_parameters(schema: Schema) -> list[dict[str, Any]]:
    """Describe the fields of an upload that may come as query parameters."""
    return [
        {"in": "query", "name": name, "required": False} | _parameter_schema(field)
        for name, field in schema.fields.items()
        if not field.metadata.get("body_only")
    ]


def _parameter_schema(field: fields.Field[Any]) -> dict[str, Any]:
    metadata = dict(field.metadata)
    description = metadata.pop("description", None)
    numeric = "integer" if isinstance(field, fields.Integer) else "number"
    kind = numeric if isinstance(field, fields.Integer | fields.Float) else "string"
    kind = "boolean" if isinstance(field, fields.Boolean) else kind
    document: dict[str, Any] = {"schema": {"type": kind} | metadata}
    return document | ({"description": description} if description else {})


def _id_schema(converter: BaseConverter) -> dict[str, str]:
    return {"type": "string", "pattern": f"^{ID_PATTERN}$"}
