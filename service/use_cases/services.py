"""The use cases of one tenant, as the composition root hands them to the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.domain.fits import Fit, FitRequest
from service.domain.tables import Table
from service.use_cases.datasets import DatasetService
from service.use_cases.fits import FitService, require_enough_samples
from service.use_cases.models import ModelService
from service.use_cases.renderings import RenderingService


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that can be asked for on behalf of one tenant."""

    datasets: DatasetService
    fits: FitService
    models: ModelService
    renderings: RenderingService

    def submit_fit(self, table: Table | None, parameters: Mapping[str, Any]) -> Fit:
        """Accept a fit of a table, which becomes a dataset, or of a stored dataset.

        `parameters` are the fields of `FitRequest`, and `webhook_url`. What can be
        refused is refused before the table is stored.
        """
        fields = dict(parameters)
        webhook_url = fields.pop("webhook_url", None)
        if table is None:
            return self.fits.submit(FitRequest(**fields), webhook_url)
        require_enough_samples(parameters["n_components"], len(table.rows))
        dataset = self.datasets.create(table)
        request = FitRequest(dataset_id=dataset.id, **fields)
        return self.fits.submit(request, webhook_url)
