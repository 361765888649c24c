"""Models over HTTP; what they are asked is in `queries`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import url_for

from service.api.blueprint import Blueprint
from service.api.idempotency import REPLAYED, idempotent
from service.api.options import ApiOptions
from service.api.pages import page_request, with_link
from service.api.schemas.models import (
    MODEL_EXAMPLE,
    MODEL_PAGE_EXAMPLE,
    MODEL_REQUEST_EXAMPLE,
    ModelChangesSchema,
    ModelPageSchema,
    ModelRequestSchema,
    ModelSchema,
)
from service.api.schemas.pages import page_request_schema
from service.domain.models import FittedModel, Model
from service.domain.pages import Page
from service.use_cases.models import Parameters
from service.use_cases.services import Services

Headers = dict[str, str]


def models_blueprint(
    services: Callable[[], Services], options: ApiOptions
) -> Blueprint:
    models = Blueprint(
        "models",
        options,
        url_prefix="/v1/models",
        description="Stored mixtures, fitted here or made from parameters.",
    )

    @models.post("")
    @models.problems(507)
    @models.arguments(ModelRequestSchema, example=MODEL_REQUEST_EXAMPLE)
    @idempotent(models, services, options, lambda own, made: own.models.get(made))
    @models.response(
        201,
        ModelSchema,
        description="Stored.",
        headers=["Location", REPLAYED],
        example=MODEL_EXAMPLE,
    )
    def create_model(
        body: dict[str, Any], new_id: str | None
    ) -> tuple[FittedModel, Headers]:
        """Store a mixture of given parameters; no fit is needed."""
        name = body.pop("name", None)
        fitted = services().models.create(Parameters(**body), name, new_id)
        location = url_for("models.show_model", model_id=fitted.model.id)
        return fitted, {"Location": location}

    @models.get("")
    @models.arguments(page_request_schema(options), location="query")
    @models.response(
        200,
        ModelPageSchema,
        description="A page.",
        headers=["Link"],
        example=MODEL_PAGE_EXAMPLE,
    )
    def list_models(page: dict[str, Any]) -> tuple[Page[Model], Headers]:
        """List the models, newest first, without their parameters."""
        return with_link(services().models.list(page_request(page)))

    @models.get("/<id:model_id>")
    @models.problems(404)
    @models.response(200, ModelSchema, description="The model.", example=MODEL_EXAMPLE)
    def show_model(model_id: str) -> FittedModel:
        """Return a model with its parameters."""
        return services().models.get(model_id)

    @models.patch("/<id:model_id>")
    @models.problems(404, 507)
    @models.arguments(ModelChangesSchema, example={"name": "three heaps"})
    @models.response(200, ModelSchema, description="The model.", example=MODEL_EXAMPLE)
    def rename_model(body: dict[str, Any], model_id: str) -> FittedModel:
        """Give a model another name; nothing else of it can change."""
        return services().models.rename(model_id, body["name"])

    @models.delete("/<id:model_id>")
    @models.problems(404)
    @models.response(204, description="Deleted.")
    def delete_model(model_id: str) -> None:
        """Delete a model with its trajectory."""
        services().models.delete(model_id)

    return models
