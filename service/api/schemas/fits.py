"""Schemas of fits."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import ValidationError, fields, validates_schema

from gmm_engine.initialization import INITIALIZATIONS
from service.api.fields import (
    COVARIANCE_TYPES,
    Choice,
    Finite,
    Flag,
    Number,
    Numbers,
    Rows,
    Timestamp,
    Whole,
    covariance_type_field,
    fit_status_field,
    id_field,
    name_field,
)
from service.api.options import ApiOptions
from service.api.schemas.base import (
    AnswerSchema,
    RequestSchema,
    page_example,
    page_schema,
)
from service.api.schemas.datasets import ROWS_DESCRIPTION, NamedTableSchema
from service.api.webhook_urls import WebhookUrl
from service.domain.fits import FitRequest, FitState
from service.domain.webhooks import WebhookState

# The defaults are written once, in the domain.
_DEFAULTS = {field.name: field.default for field in dataclasses.fields(FitRequest)}


def _described(name: str, description: str) -> dict[str, Any]:
    return {"description": description, "default": _DEFAULTS[name]}


def fit_request_schema(options: ApiOptions) -> RequestSchema:
    class FitRequestSchema(NamedTableSchema):
        class Meta(NamedTableSchema.Meta):
            json_schema: ClassVar[dict[str, object]] = {
                "description": "Exactly one of `data` and `dataset_id` says what to "
                "fit to.",
                # Not oneOf: generators of clients would take it for two types.
                "if": {"required": ["data"]},
                "then": {"not": {"required": ["dataset_id"]}},
                "else": {"required": ["dataset_id"]},
                "dependentRequired": {"columns": ["data"]},
            }

        data = Rows(
            options.table_limits,
            metadata={
                "description": f"{ROWS_DESCRIPTION} Stored as a dataset.",
                "body_only": True,
            },
        )
        dataset_id = id_field(
            metadata={"description": "A stored dataset.", "body_only": True}
        )
        n_components = Whole(
            1,
            options.max_components,
            required=True,
            metadata={"description": "How many Gaussians; at most one per row."},
        )
        covariance_type = covariance_type_field()
        init = Choice(
            tuple(INITIALIZATIONS),
            metadata=_described("init", "How a start is chosen."),
        )
        n_init = Whole(
            1,
            options.max_starts,
            metadata=_described("n_init", "Starts tried; the best is kept."),
        )
        tol = Number(
            0,
            1e6,
            metadata=_described(
                "tol",
                "EM ends when an iteration gains less mean log-likelihood per row.",
            ),
        )
        max_iter = Whole(
            1,
            options.max_iterations,
            metadata=_described("max_iter", "Iterations of a start at most."),
        )
        reg_covar = Number(
            0,
            1e300,
            metadata=_described(
                "reg_covar",
                "The smallest variance that a component may have, as a fraction of "
                "the variance within components at the start.",
            ),
        )
        random_state = Whole(
            0,
            2**32 - 1,
            allow_none=True,
            metadata={"description": "The seed; one is chosen where there is none."},
        )
        model_name = name_field(metadata={"description": "A name for the model."})
        reuse = Flag(
            metadata={
                "description": "Answer with an equal fit where there is one: of equal "
                "rows, columns and parameters, by the same engine, with the same seed; "
                "with any seed where none is given.",
                "default": False,
            }
        )
        webhook_url = WebhookUrl(options.webhook_rules)

        @validates_schema(skip_on_field_errors=False)
        def one_source(self, data: Mapping[str, Any], **_: Any) -> None:
            if "data" in data and "dataset_id" in data:
                raise ValidationError(
                    "Both data and dataset_id are given; give one of them.",
                    "dataset_id",
                )

        @validates_schema(skip_on_field_errors=False)
        def columns_of_data(self, data: Mapping[str, Any], **_: Any) -> None:
            if "columns" in data and "dataset_id" in data and "data" not in data:
                raise ValidationError(
                    "columns name the features of data; a stored dataset has its own: "
                    "leave columns out.",
                    "columns",
                )

        @validates_schema
        def some_source(self, data: Mapping[str, Any], **_: Any) -> None:
            if "data" not in data and "dataset_id" not in data:
                raise ValidationError(
                    "Neither data nor dataset_id is given; give one of them.", "data"
                )

    return FitRequestSchema()


def wait_schema(options: ApiOptions) -> RequestSchema:
    class WaitSchema(RequestSchema):
        wait = Number(
            0,
            options.max_wait_seconds,
            load_default=0.0,
            metadata={
                "description": "Seconds to wait for the end of the fit; "
                "the answer comes as soon as it ended."
            },
        )

    return WaitSchema()


class FitParametersSchema(AnswerSchema):
    """What was asked for."""

    dataset_id = fields.String()
    n_components = fields.Integer()
    covariance_type = fields.String(metadata={"enum": COVARIANCE_TYPES})
    init = fields.String(metadata={"enum": list(INITIALIZATIONS)})
    n_init = fields.Integer()
    tol = fields.Float()
    max_iter = fields.Integer()
    reg_covar = fields.Float()
    random_state = fields.Integer(allow_none=True)
    model_name = fields.String(allow_none=True)


class FitProgressSchema(AnswerSchema):
    """How far EM is."""

    iteration = fields.Integer()
    log_likelihood = Finite(
        allow_none=True, metadata={"description": "Summed over the rows, in nats."}
    )
    start = fields.Integer(metadata={"description": "Which start this is, from 1."})
    n_starts = fields.Integer()
    phase = fields.String(
        metadata={
            "description": "In `search` starts are compared on some of the rows, and "
            "`iteration` and `log_likelihood` speak of those; in `full` of all.",
            "enum": ["search", "full"],
        }
    )


class FitIterationSchema(FitProgressSchema):
    """One iteration, as an event tells it; of small mixtures with the parameters."""

    class Meta(AnswerSchema.Meta):
        json_schema: ClassVar[dict[str, object]] = {
            "required": ["iteration", "log_likelihood", "n_starts", "phase", "start"]
        }

    weights = Numbers(1, metadata={"description": "(K,): sum to one."})
    means = Numbers(2, metadata={"description": "(K, D)."})
    covariances = Numbers(
        1, 2, 3, metadata={"description": "Of the shape that a model's have."}
    )


class FitFailureSchema(AnswerSchema):
    """Why the fit failed: a problem document."""

    type = fields.Function(
        lambda failure: f"/problems/{failure.code}", metadata={"type": "string"}
    )
    title = fields.String()
    status = fields.Integer()
    detail = fields.String()
    code = fields.String()


class FitWebhookSchema(AnswerSchema):
    """Where the end of the fit is told, and what became of it."""

    url = fields.String()
    status = fields.Enum(WebhookState, by_value=fields.String)
    attempts = fields.Integer()
    last_error = fields.String(
        allow_none=True, metadata={"description": "Why the last attempt failed."}
    )


class FitSchema(AnswerSchema):
    """The record of a fit."""

    id = fields.String()
    status = fields.Enum(FitState, by_value=fields.String)
    request = fields.Nested(FitParametersSchema)
    progress = fields.Nested(FitProgressSchema, allow_none=True)
    queue_position = fields.Integer(
        allow_none=True,
        metadata={
            "description": "Its place among the fits that wait for a worker, 1 for the "
            "next; null for others, and in events."
        },
    )
    attempt = fields.Integer(
        metadata={"description": "How often a worker has started it."}
    )
    model_id = fields.String(
        allow_none=True, metadata={"description": "Set once it succeeded."}
    )
    fit_status = fit_status_field(
        "Why EM stopped, as the model has it; null until the fit succeeded, and for "
        "fits of earlier versions. After `degenerate` see the model's `diagnostics`."
    )
    error = fields.Nested(FitFailureSchema, allow_none=True)
    created_at = Timestamp()
    started_at = Timestamp(allow_none=True)
    finished_at = Timestamp(allow_none=True)
    content_hash = fields.String(
        allow_none=True,
        metadata={"description": "Equal for fits that give the same model."},
    )
    webhook = fields.Nested(FitWebhookSchema, allow_none=True)


FitPageSchema = page_schema(FitSchema, "Fit")

# With its data: a reader of the contract may send it as it stands.
FIT_REQUEST_EXAMPLE = {
    "data": [[0.1, 0.2], [0.3, 0.1], [0.2, 0.4], [4.9, 5.2], [5.1, 4.8], [5.3, 5.1]],
    "columns": ["width", "height"],
    "n_components": 2,
    "covariance_type": "full",
    "random_state": 0,
    "model_name": "two heaps",
}
FIT_EXAMPLE = {
    "id": "f7m3q9",
    "status": "running",
    "request": {
        "dataset_id": "d4k2x7",
        "n_components": 2,
        "covariance_type": "full",
        "init": "k-means++",
        "n_init": 1,
        "tol": 1e-4,
        "max_iter": 500,
        "reg_covar": 1e-6,
        "random_state": 0,
        "model_name": "two heaps",
    },
    "progress": {
        "iteration": 3,
        "log_likelihood": -12.5,
        "start": 1,
        "n_starts": 1,
        "phase": "full",
    },
    "queue_position": None,
    "attempt": 1,
    "model_id": None,
    "fit_status": None,
    "error": None,
    "created_at": "2026-01-31T12:00:00.000Z",
    "started_at": "2026-01-31T12:00:00.010Z",
    "finished_at": None,
    "content_hash": "sha256:91ab…",
    "webhook": None,
}
QUEUED_FIT_EXAMPLE = FIT_EXAMPLE | {
    "status": "queued",
    "progress": None,
    "queue_position": 1,
    "attempt": 0,
    "started_at": None,
}
CANCELLED_FIT_EXAMPLE = FIT_EXAMPLE | {
    "status": "cancelled",
    "finished_at": "2026-01-31T12:00:00.450Z",
}
SUCCEEDED_FIT_EXAMPLE = FIT_EXAMPLE | {
    "status": "succeeded",
    "model_id": "mf7m3q9",
    "fit_status": "converged",
    "finished_at": "2026-01-31T12:00:00.450Z",
}
FIT_PAGE_EXAMPLE = page_example(SUCCEEDED_FIT_EXAMPLE)
