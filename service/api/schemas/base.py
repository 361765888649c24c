"""What all schemas of requests, and all of answers, have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import EXCLUDE, Schema, fields


class RequestSchema(Schema):
    """A request: unknown fields are refused; `service.api.parsing` says what is known.

    A field with `body_only` in its metadata cannot come as a query parameter.
    """

    class Meta:
        register = False

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        messages = field_obj.error_messages
        messages["required"] = f"{field_name} is missing; give it."
        messages["null"] = f"{field_name} is null; give a value, or leave it out."


class AnswerSchema(Schema):
    """An answer: every field is always there, null where it has no value.

    It is open: fields may be added, and a client must not stumble over them.
    """

    class Meta:
        register = False
        unknown = EXCLUDE

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        field_obj.required = True


def page_example(item: Mapping[str, object]) -> dict[str, object]:
    """Return a page of one such item."""
    return {"items": [item], "next": None}


def page_schema(item: type[Schema], name: str) -> type[Schema]:
    """Return the schema of a page of such items."""
    return type(
        f"{name}PageSchema",
        (AnswerSchema,),
        {
            "items": fields.List(fields.Nested(item)),
            "next": fields.String(
                allow_none=True,
                metadata={
                    "description": "The cursor of the next page; null on the last."
                },
            ),
        },
    )
