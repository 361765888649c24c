"""Datasets over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import url_for

from service.api.blueprint import Blueprint
from service.api.idempotency import REPLAYED, idempotent
from service.api.options import ApiOptions
from service.api.pages import page_request, with_link
from service.api.schemas.datasets import (
    DATASET_EXAMPLE,
    DATASET_PAGE_EXAMPLE,
    DATASET_REQUEST_EXAMPLE,
    DatasetPageSchema,
    DatasetSchema,
    dataset_request_schema,
)
from service.api.schemas.pages import page_request_schema
from service.domain.datasets import Dataset
from service.domain.pages import Page
from service.use_cases.services import Services

Headers = dict[str, str]


def datasets_blueprint(
    services: Callable[[], Services], options: ApiOptions
) -> Blueprint:
    datasets = Blueprint(
        "datasets",
        options,
        url_prefix="/v1/datasets",
        description="Stored tables of numbers, for fits.",
    )

    @datasets.post("")
    @datasets.problems(507)
    @datasets.upload(dataset_request_schema(options), DATASET_REQUEST_EXAMPLE)
    @idempotent(datasets, services, options, lambda own, made: own.datasets.get(made))
    @datasets.response(
        201,
        DatasetSchema,
        description="Stored.",
        headers=["Location", REPLAYED],
        example=DATASET_EXAMPLE,
    )
    def create_dataset(
        upload: dict[str, Any], new_id: str | None
    ) -> tuple[Dataset, Headers]:
        """Store a table of numbers."""
        name = upload.get("name")
        dataset = services().datasets.create(upload["data"], name, new_id)
        location = url_for("datasets.show_dataset", dataset_id=dataset.id)
        return dataset, {"Location": location}

    @datasets.get("")
    @datasets.arguments(page_request_schema(options), location="query")
    @datasets.response(
        200,
        DatasetPageSchema,
        description="A page.",
        headers=["Link"],
        example=DATASET_PAGE_EXAMPLE,
    )
    def list_datasets(page: dict[str, Any]) -> tuple[Page[Dataset], Headers]:
        """List the datasets, newest first."""
        return with_link(services().datasets.list(page_request(page)))

    @datasets.get("/<id:dataset_id>")
    @datasets.problems(404)
    @datasets.response(
        200, DatasetSchema, description="The dataset.", example=DATASET_EXAMPLE
    )
    def show_dataset(dataset_id: str) -> Dataset:
        """Return what is known of a dataset."""
        return services().datasets.get(dataset_id)

    @datasets.delete("/<id:dataset_id>")
    @datasets.problems(404, 409)
    @datasets.response(204, description="Deleted.")
    def delete_dataset(dataset_id: str) -> None:
        """Delete a dataset that no fit waits for; the models fitted to it stay."""
        services().delete_dataset(dataset_id)

    return datasets
