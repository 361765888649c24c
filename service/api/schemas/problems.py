"""Problem documents, as openapi.yaml describes them; `service.api.problems` writes."""

from __future__ import annotations

from marshmallow import EXCLUDE, Schema, fields

from service.api.schemas.base import AnswerSchema


class ProblemPlaceSchema(Schema):
    """One mistake in the input."""

    class Meta:
        unknown = EXCLUDE

    pointer = fields.String(
        metadata={
            "description": "JSON pointer into the body, or `?name` for a parameter.",
            "example": "/n_components",
        }
    )
    detail = fields.String(required=True)
    row = fields.Integer(
        metadata={"description": "Row of the table, from 1, header not counted."}
    )
    column = fields.Integer(
        metadata={"description": "Column of the table, or of `line`; from 1."}
    )
    line = fields.Integer(
        metadata={"description": "Line of a body that is not JSON, from 1."}
    )


class ProblemSchema(Schema):
    """A problem document (RFC 9457); it may be extended."""

    class Meta:
        unknown = EXCLUDE

    type = fields.String(required=True, metadata={"format": "uri-reference"})
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    instance = fields.String(required=True, metadata={"format": "uri-reference"})
    code = fields.String(
        required=True, metadata={"description": "Stable: programs may rely on it."}
    )
    request_id = fields.String(required=True)
    errors = fields.List(fields.Nested(ProblemPlaceSchema))


class ProblemTypeSchema(AnswerSchema):
    """What a code means."""

    code = fields.String()
    title = fields.String()
    status = fields.Integer()
    description = fields.String()
