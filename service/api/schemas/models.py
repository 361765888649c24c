"""Schemas of models and of what is asked of them."""

from __future__ import annotations

from typing import Any

from marshmallow import fields

from gmm_engine.covariance import STRUCTURES
from service.api.fields import (
    Finite,
    Numbers,
    Timestamp,
    Whole,
    covariance_type_field,
    fit_status_field,
    name_field,
)
from service.api.options import ApiOptions
from service.api.schemas.base import (
    AnswerSchema,
    RequestSchema,
    page_example,
    page_schema,
)
from service.domain.models import FittedModel

_COVARIANCES = "full (K, D, D), tied (D, D), diag (K, D), spherical (K,)"
_PARAMETERS = ("weights", "means", "covariances")


def _array(kind: str | list[str], dimensions: int = 1) -> fields.Field[Any]:
    """Describe an array of a result; `service.tables` writes it."""
    schema: dict[str, Any] = {"type": kind}
    for _ in range(dimensions):
        schema = {"type": "array", "items": schema}
    return fields.Raw(metadata=schema)


class ModelRequestSchema(RequestSchema):
    """A mixture from given parameters."""

    weights = Numbers(
        1,
        required=True,
        metadata={"description": "(K,): positive, summing to one."},
    )
    means = Numbers(2, required=True, metadata={"description": "(K, D)."})
    covariances = Numbers(
        1, 2, 3, required=True, metadata={"description": f"{_COVARIANCES}."}
    )
    covariance_type = covariance_type_field()
    name = name_field()


class ModelChangesSchema(RequestSchema):
    """What can change of a model: its name."""

    name = name_field(
        required=True, metadata={"description": "The new name; null for none."}
    )


def sample_request_schema(options: ApiOptions) -> RequestSchema:
    class SampleRequestSchema(RequestSchema):
        n_samples = Whole(1, options.max_samples, load_default=1)
        random_state = Whole(
            0,
            2**32 - 1,
            allow_none=True,
            load_default=None,
            metadata={"description": "The seed; without it each answer differs."},
        )

    return SampleRequestSchema()


class ProvenanceSchema(AnswerSchema):
    """Where a fitted model came from: enough to fit it again."""

    dataset_id = fields.String()
    dataset_hash = fields.String()
    n_samples = fields.Integer()
    seed = fields.Integer()
    engine_version = fields.String()


class DiagnosticSchema(AnswerSchema):
    """What was noticed about a component or a feature."""

    kind = fields.String()
    detail = fields.String()
    component = fields.Integer(allow_none=True)
    feature = fields.Integer(allow_none=True)


class ModelSummarySchema(AnswerSchema):
    """A model without its parameters.

    The fields from `log_likelihood` on are null for a model from given parameters.
    """

    id = fields.String()
    name = fields.String(allow_none=True)
    n_components = fields.Integer()
    n_features = fields.Integer()
    covariance_type = fields.String(metadata={"enum": [s.name for s in STRUCTURES]})
    columns = fields.List(fields.String(), allow_none=True)
    created_at = Timestamp()
    log_likelihood = Finite(
        allow_none=True, metadata={"description": "Summed over the rows, in nats."}
    )
    bic = Finite(allow_none=True, metadata={"description": "Smaller is better."})
    aic = Finite(allow_none=True, metadata={"description": "Smaller is better."})
    n_iter = fields.Integer(allow_none=True)
    converged = fields.Boolean(allow_none=True)
    fit_status = fit_status_field("Why EM stopped.")
    diagnostics = fields.List(fields.Nested(DiagnosticSchema))
    fit_id = fields.String(allow_none=True)
    provenance = fields.Nested(ProvenanceSchema, allow_none=True)


ModelPageSchema = page_schema(ModelSummarySchema, "Model")


class ModelSchema(ModelSummarySchema):
    """A model with its parameters."""

    weights = Numbers(1, metadata={"description": "(K,): sum to one."})
    means = Numbers(2, metadata={"description": "(K, D)."})
    covariances = Numbers(1, 2, 3, metadata={"description": f"{_COVARIANCES}."})

    def get_attribute(self, obj: FittedModel, attr: str, default: Any) -> Any:
        """Read the parameters from the mixture, all else from the model."""
        owner = obj.mixture if attr in _PARAMETERS else obj.model
        return getattr(owner, attr, default)


class LabelsSchema(AnswerSchema):
    """The most probable component of each row, from 0."""

    labels = _array("integer")


class ProbabilitiesSchema(AnswerSchema):
    """How probable each component is for each row; each row sums to one."""

    probabilities = _array("number", 2)


class LogDensitiesSchema(AnswerSchema):
    """The log density of each row, in nats; null where it is minus infinity."""

    log_densities = _array(["number", "null"])


class ScoreSchema(AnswerSchema):
    """How likely the rows are, in nats; null where that is minus infinity."""

    score = Finite(allow_none=True, metadata={"description": "Mean over the rows."})
    log_likelihood = Finite(
        allow_none=True, metadata={"description": "Sum over the rows."}
    )
    n_samples = fields.Integer()


class SampleSchema(AnswerSchema):
    """Drawn rows, and the component that each came from."""

    samples = _array("number", 2)
    labels = _array("integer")


MODEL_REQUEST_EXAMPLE = {
    "name": "two heaps",
    "weights": [0.5, 0.5],
    "means": [[0.2, 0.15], [5.0, 5.0]],
    "covariances": [[[0.1, 0.0], [0.0, 0.1]], [[0.1, 0.0], [0.0, 0.1]]],
    "covariance_type": "full",
}
QUERY_EXAMPLE = {"data": [[0.1, 0.2], [4.9, 5.2]]}
MODEL_EXAMPLE = MODEL_REQUEST_EXAMPLE | {
    "id": "mf7m3q9",
    "n_components": 2,
    "n_features": 2,
    "columns": ["width", "height"],
    "created_at": "2026-01-31T12:00:01.000Z",
    "log_likelihood": -2.7,
    "bic": 20.6,
    "aic": 27.4,
    "n_iter": 3,
    "converged": True,
    "fit_status": "converged",
    "diagnostics": [],
    "fit_id": "f7m3q9",
    "provenance": {
        "dataset_id": "d4k2x7",
        "dataset_hash": "sha256:6f0c…",
        "n_samples": 4,
        "seed": 0,
        "engine_version": "0.1.0",
    },
}
MODEL_PAGE_EXAMPLE = page_example(
    {key: value for key, value in MODEL_EXAMPLE.items() if key not in _PARAMETERS}
)
