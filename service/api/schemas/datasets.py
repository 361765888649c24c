"""Schemas of datasets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from marshmallow import ValidationError, fields, post_load

from service.api.fields import ColumnNames, Rows, Timestamp, name_field
from service.api.options import ApiOptions
from service.api.schemas.base import (
    AnswerSchema,
    RequestSchema,
    page_example,
    page_schema,
)
from service.domain.wording import counted

ROWS_DESCRIPTION = "The rows of the table: lists of numbers, all equally long."


class NamedTableSchema(RequestSchema):
    """A request whose `data` come, or may come, with names of their columns."""

    columns = ColumnNames(
        metadata={
            "description": "A name for each feature, all different.",
            "body_only": True,
        }
    )

    @post_load
    def name_columns(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Make the names part of the table."""
        columns, table = data.pop("columns", None), data.get("data")
        if columns is None or table is None:
            return data
        n_features = table.rows.shape[1]
        if len(columns) != n_features or len(set(columns)) != n_features:
            raise ValidationError(
                f"The rows have {counted(n_features, 'feature')}; give "
                f"{counted(n_features, 'name')}, all different, or leave columns out.",
                "columns",
            )
        return data | {"data": replace(table, columns=tuple(columns))}


def dataset_request_schema(options: ApiOptions) -> RequestSchema:
    class DatasetRequestSchema(NamedTableSchema):
        data = Rows(
            options.table_limits,
            required=True,
            metadata={"description": ROWS_DESCRIPTION, "body_only": True},
        )
        name = name_field(metadata={"description": "A name for people."})

    return DatasetRequestSchema()


def table_request_schema(options: ApiOptions) -> RequestSchema:
    """Return the schema of a table that is asked about, and not stored."""

    class TableRequestSchema(RequestSchema):
        data = Rows(
            options.table_limits,
            required=True,
            metadata={"description": ROWS_DESCRIPTION, "body_only": True},
        )

    return TableRequestSchema()


class DatasetSchema(AnswerSchema):
    """What is known of a stored table."""

    id = fields.String()
    name = fields.String(allow_none=True)
    n_samples = fields.Integer()
    n_features = fields.Integer()
    columns = fields.List(fields.String(), allow_none=True)
    content_hash = fields.String(
        metadata={"description": "Equal for equal tables, in whatever format sent."}
    )
    size_bytes = fields.Integer()
    created_at = Timestamp()


DatasetPageSchema = page_schema(DatasetSchema, "Dataset")

DATASET_REQUEST_EXAMPLE = {
    "name": "two heaps",
    "columns": ["width", "height"],
    "data": [[0.1, 0.2], [0.3, 0.1], [4.9, 5.2], [5.1, 4.8]],
}
DATASET_EXAMPLE = {
    "id": "d4k2x7",
    "name": "two heaps",
    "n_samples": 4,
    "n_features": 2,
    "columns": ["width", "height"],
    "content_hash": "sha256:6f0c…",
    "size_bytes": 64,
    "created_at": "2026-01-31T12:00:00.000Z",
}
DATASET_PAGE_EXAMPLE = page_example(DATASET_EXAMPLE)
