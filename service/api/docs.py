"""The contract itself, and what the codes of problems mean."""

from __future__ import annotations

import inspect
from functools import cache

from flask import Response, current_app

from service.api.blueprint import Blueprint
from service.api.openapi import spec_yaml
from service.api.options import ApiOptions
from service.api.problems import problem_types
from service.api.schemas.problems import ProblemTypeSchema
from service.errors import NotFoundError


def docs_blueprint(options: ApiOptions) -> Blueprint:
    docs = Blueprint("docs", options, description="The contract, and help with it.")

    @cache
    def contract() -> str:
        return spec_yaml(current_app)

    @docs.get("/openapi.yaml")
    @docs.response(
        200,
        # What it says once it is read, as the schemas of JSON do.
        {"type": "object"},
        content_type="application/yaml",
        description="OpenAPI 3.1.",
    )
    def show_contract() -> Response:
        """Return this contract."""
        return Response(contract(), mimetype="application/yaml")

    @docs.get("/problems/<code>")
    @docs.problems(404)
    @docs.response(200, ProblemTypeSchema, description="What the code means.")
    def show_problem_type(code: str) -> dict[str, object]:
        """Explain the code of a problem document."""
        kind = problem_types().get(code)
        if kind is None:
            raise NotFoundError(f"No problem has the code {code[:60]!r}.")
        return {
            "code": code,
            "title": kind.title,
            "status": kind.status,
            "description": inspect.getdoc(kind) or kind.title,
        }

    return docs
