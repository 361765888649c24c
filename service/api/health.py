"""Is the process up, can it serve; for those who run it."""

from __future__ import annotations

from marshmallow import fields

from service.api.blueprint import Blueprint
from service.api.options import ApiOptions
from service.api.schemas.base import AnswerSchema
from service.ports import Readiness


class HealthSchema(AnswerSchema):
    """A word on the health of the service."""

    status = fields.String(metadata={"enum": ["ok", "ready"]})


def health_blueprint(readiness: Readiness, options: ApiOptions) -> Blueprint:
    health = Blueprint("health", options, description="For those who run the service.")

    @health.get("/healthz")
    @health.response(200, HealthSchema, description="The process is up.")
    def show_health() -> dict[str, str]:
        """Tell that the process is up; the store is not asked."""
        return {"status": "ok"}

    @health.get("/readyz")
    @health.response(200, HealthSchema, description="Requests can be served.")
    def show_readiness() -> dict[str, str]:
        """Tell whether the store answers and has the right schema version."""
        readiness.check()
        return {"status": "ready"}

    return health
