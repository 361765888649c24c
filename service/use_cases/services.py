"""The use cases of one tenant, as the composition root hands them to the API."""

from __future__ import annotations

from dataclasses import dataclass

from service.use_cases.datasets import DatasetService
from service.use_cases.fits import FitService
from service.use_cases.models import ModelService
from service.use_cases.renderings import RenderingService


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that can be asked for on behalf of one tenant."""

    datasets: DatasetService
    fits: FitService
    models: ModelService
    renderings: RenderingService
