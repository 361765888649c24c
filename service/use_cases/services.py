"""The use cases of one tenant, as the composition root hands them to the API."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from service.domain.fits import Fit, FitRequest
from service.domain.tables import Table
from service.errors import (
    DatasetNotFoundError,
    FitNotFoundError,
    QueueFullError,
    StorageFullError,
    TooManyQueuedFitsError,
)
from service.use_cases.datasets import DatasetService, content_hash
from service.use_cases.fits import FitService, require_enough_samples
from service.use_cases.idempotency import IdempotencyService
from service.use_cases.models import ModelService
from service.use_cases.renderings import RenderingService


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that can be asked for on behalf of one tenant."""

    datasets: DatasetService
    fits: FitService
    models: ModelService
    renderings: RenderingService

    idempotency: IdempotencyService

    def submit_fit(
        self,
        table: Table | None,
        parameters: Mapping[str, Any],
        fit_id: str | None = None,
        *,
        reuse: bool = False,
    ) -> Fit:
        """Accept a fit of a table, which becomes a dataset, or of a stored dataset.

        `parameters` are the fields of `FitRequest`, and `webhook_url`. What can be
        refused is refused before the table is stored. With an id the fit is submitted
        once, however often this is called. With `reuse` an equal one that was accepted
        at the same moment is returned instead.
        """
        fields = dict(parameters)
        webhook_url = fields.pop("webhook_url", None)
        if table is None:
            request = FitRequest(**fields)
            return self.fits.submit(request, webhook_url, fit_id=fit_id, reuse=reuse)
        require_enough_samples(parameters["n_components"], len(table.rows))
        if fit_id is not None:
            with suppress(FitNotFoundError):
                return self.fits.get(fit_id)
        self.fits.line.require_room()
        # Derived: whoever sends the request again finds the dataset as well.
        dataset_id = None if fit_id is None else f"d{fit_id}"
        dataset = self.datasets.create(table, dataset_id=dataset_id)
        request = FitRequest(dataset_id=dataset.id, **fields)
        try:
            fit = self.fits.submit(request, webhook_url, fit_id=fit_id, reuse=reuse)
        except (TooManyQueuedFitsError, QueueFullError, StorageFullError):
            # Certainly not accepted, so nobody will use the dataset.
            self.datasets.delete(dataset.id)
            raise
        if fit.request.dataset_id != dataset.id:
            # An equal one, of its own dataset.
            with suppress(DatasetNotFoundError):
                self.datasets.delete(dataset.id)
        return fit

    def reuse_fit(
        self,
        table: Table | None,
        parameters: Mapping[str, Any],
        fit_id: str | None = None,
    ) -> tuple[Fit, bool]:
        """Return an equal fit, or accept this one, and whether it is this one.

        Of any number of equal requests at the same moment one is accepted.
        """
        own_id = fit_id or self.fits.new_id()
        fit = self.equal_fit(table, parameters)
        if fit is None:
            fit = self.submit_fit(table, parameters, own_id, reuse=True)
        return fit, fit.id == own_id

    def equal_fit(
        self, table: Table | None, parameters: Mapping[str, Any]
    ) -> Fit | None:
        """Return a fit that gives the same model as the one asked for, if any.

        With a webhook only one that is over: the end of another would not be told.
        """
        fields = dict(parameters)
        must_be_over = fields.pop("webhook_url", None) is not None
        if table is None:
            request = FitRequest(**fields)
            dataset = self.datasets.get(request.dataset_id)
            dataset_hash, columns = dataset.content_hash, dataset.columns
        else:
            request = FitRequest(dataset_id="", **fields)
            dataset_hash, columns = content_hash(table.rows), table.columns
        return self.fits.find_equal(
            request, dataset_hash, columns, must_be_over=must_be_over
        )

    def delete_dataset(self, dataset_id: str) -> None:
        """Delete a dataset, unless a fit of it waits or runs."""
        self.fits.require_unused(dataset_id)
        self.datasets.delete(dataset_id)
