"""Questions to a model. Tables come in any readable format, arrays go out by Accept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from service.api.blueprint import Blueprint, Decorator
from service.api.options import ApiOptions
from service.api.schemas.datasets import table_request_schema
from service.api.schemas.models import (
    QUERY_EXAMPLE,
    LabelsSchema,
    LogDensitiesSchema,
    ProbabilitiesSchema,
    SampleSchema,
    ScoreSchema,
    sample_request_schema,
)
from service.domain.tables import ArrayResult
from service.use_cases.models import Score
from service.use_cases.services import Services


def queries_blueprint(
    services: Callable[[], Services], options: ApiOptions
) -> Blueprint:
    queries = Blueprint(
        "queries",
        options,
        url_prefix="/v1/models/<id:model_id>",
        description="What can be asked of a model.",
    )
    table = table_request_schema(options)

    def about_a_table(rule: str) -> Decorator:
        """Let the view answer a question about the rows that are sent."""

        def decorator(view: Callable[..., Any]) -> Callable[..., Any]:
            reading = queries.upload(table, QUERY_EXAMPLE)(view)
            return queries.post(rule)(queries.problems(404)(reading))

        return decorator

    @about_a_table("/predict")
    @queries.array_response(LabelsSchema, "A label for each row.")
    def predict(upload: dict[str, Any], model_id: str) -> ArrayResult:
        """Return the most probable component of each row."""
        return services().models.predict(model_id, upload["data"])

    @about_a_table("/predict_proba")
    @queries.array_response(ProbabilitiesSchema, "Probabilities for each row.")
    def predict_proba(upload: dict[str, Any], model_id: str) -> ArrayResult:
        """Return how probable each component is for each row."""
        return services().models.predict_proba(model_id, upload["data"])

    @about_a_table("/score")
    @queries.response(200, ScoreSchema, description="The score.")
    def score(upload: dict[str, Any], model_id: str) -> Score:
        """Return the mean and the summed log density of the rows."""
        return services().models.score(model_id, upload["data"])

    @about_a_table("/score_samples")
    @queries.array_response(LogDensitiesSchema, "A log density for each row.")
    def score_samples(upload: dict[str, Any], model_id: str) -> ArrayResult:
        """Return the log density of each row."""
        return services().models.score_samples(model_id, upload["data"])

    @queries.post("/sample")
    @queries.problems(404)
    @queries.arguments(
        sample_request_schema(options), example={"n_samples": 5, "random_state": 0}
    )
    @queries.array_response(SampleSchema, "The drawn rows.")
    def sample(body: dict[str, Any], model_id: str) -> ArrayResult:
        """Draw rows from the model, with the component each came from."""
        return services().models.sample(model_id, **body)

    return queries
