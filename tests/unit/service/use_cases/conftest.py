"""The use cases over in-memory repositories, with time and ids under control."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count

import numpy as np
import pytest

from service.domain.fits import FitRequest
from service.domain.tables import Table
from service.use_cases.datasets import DatasetService
from service.use_cases.fits import FitService
from service.use_cases.idempotency import IdempotencyService
from service.use_cases.models import ModelService
from service.use_cases.patience import Patience
from service.use_cases.renderings import RenderingService
from service.use_cases.reporting import Pace
from service.use_cases.running import FitRunner
from service.use_cases.services import Services
from tests.fakes import (
    InMemoryDatasetRepository,
    InMemoryFitRepository,
    InMemoryIdempotencyRepository,
    InMemoryModelRepository,
)


@dataclass
class RecordingQueue:
    """Implements `service.ports.FitQueue`: remembers what it was told."""

    waiting: list[str] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    error: Exception | None = None

    def enqueue(self, fit_id: str) -> None:
        if self.error is not None:
            raise self.error
        self.waiting.append(fit_id)

    def withdraw(self, fit_id: str) -> None:
        self.withdrawn.append(fit_id)

    def waiting_ids(self) -> list[str]:
        return self.waiting

    def n_workers(self) -> int:
        return 2


@dataclass
class RecordingRenderer:
    """Implements `service.ports.AnimationRenderer`."""

    asked: list[tuple] = field(default_factory=list)

    def render(self, trajectory, rows, columns) -> bytes:
        self.asked.append((trajectory, rows, columns))
        return b"GIF89a"


class Town:
    """All services over shared repositories."""

    def __init__(self) -> None:
        self.models = InMemoryModelRepository()
        self.fits = InMemoryFitRepository(self.models)
        self.datasets = InMemoryDatasetRepository()
        self.queue, self.renderer = RecordingQueue(), RecordingRenderer()
        numbers, seconds = count(1), count()

        def clock() -> datetime:
            start = datetime(2026, 1, 31, 12, tzinfo=UTC)
            return start + timedelta(seconds=next(seconds))

        def new_id() -> str:
            return f"id{next(numbers)}"

        self.clock = clock
        self.dataset_service = DatasetService(self.datasets, new_id, clock)
        self.fit_service = FitService(
            self.fits, self.datasets, self.queue, new_id, lambda: 42, clock
        )
        self.idempotency_service = IdempotencyService(
            InMemoryIdempotencyRepository(), new_id
        )
        self.model_service = ModelService(self.models, new_id, clock)
        self.rendering_service = RenderingService(
            self.models, self.datasets, self.renderer
        )
        self.services = Services(
            self.dataset_service,
            self.fit_service,
            self.model_service,
            self.rendering_service,
            self.idempotency_service,
        )
        self.runner = FitRunner(
            self.fits, self.datasets, clock, Pace(0.0, 0.0), Patience(0.0)
        )


def heaps(n_samples: int = 40) -> Table:
    """Two well-parted heaps of points."""
    rows = np.random.default_rng(0).normal(size=(n_samples, 2))
    rows[: n_samples // 2] += 10
    return Table(rows, ("width", "height"))


@pytest.fixture
def town() -> Town:
    return Town()


@pytest.fixture
def dataset(town):
    return town.dataset_service.create(heaps())


@pytest.fixture
def fit(town, dataset):
    return town.fit_service.submit(FitRequest(dataset.id, 2))
