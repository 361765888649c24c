"""From a request to the checked arguments of a view: query, JSON object or table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NoReturn

from flask import Request, request
from marshmallow import RAISE, Schema, ValidationError
from webargs.flaskparser import FlaskParser

from service.api.bodies import open_body, read_json_body
from service.api.current import current_request
from service.api.options import ApiOptions
from service.api.wording import unknown_name
from service.errors import (
    InvalidRequestError,
    Place,
    UnsupportedMediaTypeError,
)
from service.tables import parse_json, read_table

JSON = "application/json"

_PARAMETER = "query parameter"
_MAX_HINTS = 50


class RequestParser(FlaskParser):
    """Loads strictly: unknown names and mistyped values are refused with a place."""

    DEFAULT_UNKNOWN_BY_LOCATION = {"query": RAISE, "json": RAISE}  # noqa: RUF012

    def __init__(self, options: ApiOptions) -> None:
        super().__init__()
        self.options = options

    def load_querystring(self, req: Request, schema: Schema) -> dict[str, object]:
        return _typed_query(req, schema)

    def load_json(self, req: Request, schema: Schema) -> dict[str, object]:
        refuse_query(req, schema)
        if not _is_json(req):
            raise _unsupported(req, [JSON])
        return self._json_object(req)

    def parse_upload(self, schema: Schema) -> dict[str, Any]:
        """Return the checked fields of this request's upload.

        An upload is a table: a JSON object with `data`, or the table's bytes with the
        other fields as query parameters. webargs would do the same, and takes longer
        for it than a small table takes to be read and answered.
        """
        try:
            given = self._load_upload(current_request(), schema)
            is_table_alone = given.keys() == schema.fields.keys() == {"data"}
            # Where nothing else may come there is nothing to look for. That null is no
            # table only the schema says with the name of the field.
            if is_table_alone and given["data"] is not None:
                return {
                    "data": schema.fields["data"].deserialize(given["data"], "data")
                }
            loaded: dict[str, Any] = schema.load(given, unknown=RAISE)
        except ValidationError as error:
            raise _refused(error.messages_dict, schema) from error
        return loaded

    def _load_upload(self, req: Request, schema: Schema) -> dict[str, object]:
        query = _typed_query(req, schema)
        if _is_json(req):
            return _merged(self._json_object(req), query)
        body = open_body(req, self.options)
        table = read_table(body, req.content_type or "", self.options.table_limits)
        return query | {"data": table}

    def handle_error(
        self, error: ValidationError, req: Request, schema: Schema, **_: Any
    ) -> NoReturn:
        # webargs has put them under the name of the location.
        messages = next(iter(error.messages_dict.values()))
        raise _refused(messages, schema) from error

    def _json_object(self, req: Request) -> dict[str, object]:
        value = parse_json(read_json_body(req, self.options))
        if not isinstance(value, dict):
            detail = "The body is JSON, but no object; send an object {…}."
            raise InvalidRequestError(detail, [Place(detail, pointer="")])
        return value


def _is_json(req: Request) -> bool:
    # Nearly all send just this, and a parser would see no more in it.
    return req.environ.get("CONTENT_TYPE") == JSON or req.mimetype == JSON


def points_into_query(pointer: str) -> bool:
    """Tell whether a field came, or should have come, as a query parameter."""
    name = pointer.removeprefix("/")
    return "/" not in name and (name in request.args or request.mimetype != JSON)


def _typed_query(req: Request, schema: Schema) -> dict[str, object]:
    typed: dict[str, object] = {}
    if not req.query_string:
        return typed
    for name, values in req.args.lists():
        if len(values) > 1:
            raise ValidationError({name: [f"{name} is given twice; give it once."]})
        field = schema.fields.get(name)
        from_text = getattr(field, "from_text", str)
        if field is not None and field.metadata.get("body_only"):
            raise ValidationError({name: [f"{name} belongs into a JSON body."]})
        typed[name] = from_text(values[0])
    return typed


def refuse_query(req: Request, schema: Schema | None = None) -> None:
    """Refuse any query parameter; `schema` is that of the body."""
    if not req.query_string:
        return
    for name in req.args:
        if schema is not None and name in schema.fields:
            detail = f"{name} is no query parameter here; send it in the JSON body."
        else:
            detail = unknown_name(_PARAMETER, name, ())
        pointer = f"?{_escaped(name)[:200]}"
        raise InvalidRequestError(detail, [Place(detail, pointer)])


def _refused(messages: Any, schema: Schema) -> InvalidRequestError:
    places = list(_places(_named(messages, schema), ""))
    return InvalidRequestError(_summary(places), places)


def _named(messages: Any, schema: Schema) -> dict[str, Any]:
    """The messages by field; of unknown ones they say what they may be meant to be."""
    named = dict(messages)
    unknown = (name for name in messages if name not in schema.fields)
    # It takes a while for each, and there may be millions.
    for name in islice(unknown, _MAX_HINTS):
        if name == "_schema":
            continue
        in_query = points_into_query(f"/{name}")
        known = [
            field
            for field, declared in schema.fields.items()
            if not (in_query and declared.metadata.get("body_only"))
        ]
        kind = _PARAMETER if in_query else "field"
        named[name] = [unknown_name(kind, name, known)]
    return named


def _merged(body: dict[str, object], query: dict[str, object]) -> dict[str, object]:
    for name in query:
        if name in body and body[name] != query[name]:
            message = f"{name} differs in the body and in the query; give it once."
            raise ValidationError({name: [message]})
    return body | query


def _unsupported(req: Request, readable: Sequence[str]) -> UnsupportedMediaTypeError:
    got = f"is {req.mimetype[:60]!r}" if req.mimetype else "is missing"
    return UnsupportedMediaTypeError(
        f"The Content-Type {got}; send one of {', '.join(readable)}."
    )


def _places(messages: object, pointer: str) -> Iterator[Place]:
    if isinstance(messages, dict):
        for name, inner in messages.items():
            step = "" if name == "_schema" else f"/{_escaped(str(name))[:200]}"
            yield from _places(inner, pointer + step)
    elif isinstance(messages, list):
        for message in messages:
            yield Place(str(message), pointer)


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _summary(places: list[Place]) -> str:
    if len(places) == 1:
        return places[0].detail
    return f"{len(places)} fields are not allowed as they are; `errors` lists each."
