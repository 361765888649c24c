"""The app over in-memory repositories, with a worker that runs when told to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from gmm_engine.types import FloatArray
from service.api.app import create_app
from service.api.options import ApiOptions
from service.domain.fits import Fit
from service.domain.models import Trajectory
from service.tables import TableLimits
from service.use_cases.datasets import DatasetService
from service.use_cases.fits import FitService
from service.use_cases.idempotency import IdempotencyService
from service.use_cases.models import ModelService
from service.use_cases.renderings import RenderingService
from service.use_cases.running import FitRunner
from service.use_cases.services import Services
from tests.fakes import (
    InMemoryDatasetRepository,
    InMemoryFitRepository,
    InMemoryIdempotencyRepository,
    InMemoryModelRepository,
)

POINTS = [[0.1, 0.2], [0.3, 0.1], [0.2, 0.4], [4.9, 5.2], [5.1, 4.8], [5.3, 5.1]]


@dataclass
class RecordingQueue:
    """Implements `service.ports.FitQueue`: remembers what it was told."""

    waiting: list[str] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)

    def enqueue(self, fit_id: str) -> None:
        self.waiting.append(fit_id)

    def withdraw(self, fit_id: str) -> None:
        self.withdrawn.append(fit_id)

    def waiting_ids(self) -> list[str]:
        return self.waiting

    def n_workers(self) -> int:
        return 2


@dataclass
class OnePixel:
    """Implements `service.ports.AnimationRenderer`."""

    rendered: int = 0

    def render(
        self, trajectory: Trajectory, rows: FloatArray, columns: Sequence[str] | None
    ) -> bytes:
        self.rendered += 1
        return b"GIF89a"


@dataclass
class Ready:
    """Implements `service.ports.Readiness`."""

    error: Exception | None = None

    def check(self) -> None:
        if self.error is not None:
            raise self.error


class SteppingClock:
    """Implements `service.ports.Clock`: a second later each time."""

    def __init__(self) -> None:
        self._now = datetime(2026, 1, 31, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        self._now += timedelta(seconds=1)
        return self._now


class World:
    """Everything behind the app."""

    def __init__(self) -> None:
        self.models = InMemoryModelRepository()
        self.fits = InMemoryFitRepository(self.models)
        self.datasets = InMemoryDatasetRepository()
        self.reservations = InMemoryIdempotencyRepository()
        self.queue, self.renderer, self.readiness = (
            RecordingQueue(),
            OnePixel(),
            Ready(),
        )
        self.clock, numbers = SteppingClock(), count(1)

        def new_id() -> str:
            return f"id{next(numbers)}"

        self.services = Services(
            DatasetService(self.datasets, new_id, self.clock),
            FitService(
                self.fits, self.datasets, self.queue, new_id, lambda: 42, self.clock
            ),
            ModelService(self.models, new_id, self.clock),
            RenderingService(self.models, self.datasets, self.renderer),
            IdempotencyService(self.reservations, new_id),
        )

    def work(self) -> list[Fit | None]:
        """Run every queued fit, as a worker would."""
        runner = FitRunner(self.fits, self.datasets, self.clock)
        waiting, self.queue.waiting = self.queue.waiting, []
        return [runner.run(fit_id) for fit_id in waiting]


OPTIONS = ApiOptions(
    max_body_bytes=100_000,
    max_inflated_bytes=200_000,
    max_json_bytes=80_000,
    max_drained_bytes=1_000_000,
    table_limits=TableLimits(max_rows=1000, max_columns=20),
    max_samples=500,
    max_wait_seconds=2.0,
    heartbeat_seconds=0.01,
    max_event_streams=2,
    max_rendering_wait_seconds=0.01,
)


@dataclass
class Stage:
    """Holds the world of the running test: making an app takes longer than a test."""

    world: World = field(default_factory=World)

    def services(self) -> Services:
        return self.world.services

    def check(self) -> None:
        self.world.readiness.check()


@pytest.fixture(scope="session")
def stage() -> Stage:
    return Stage()


@pytest.fixture(scope="session")
def app(stage: Stage) -> Flask:
    return create_app(stage.services, stage, OPTIONS)


@pytest.fixture
def world(stage: Stage) -> World:
    stage.world = World()
    return stage.world


@pytest.fixture
def client(app: Flask, world: World) -> Iterator[FlaskClient]:
    with app.test_client() as client:
        yield client


@pytest.fixture
def dataset_id(client: FlaskClient) -> str:
    answer = client.post("/v1/datasets", json={"data": POINTS})
    assert answer.status_code == 201, answer.text
    return str(answer.json["id"])


@pytest.fixture
def model_id(client: FlaskClient, world: World, dataset_id: str) -> str:
    request = {"dataset_id": dataset_id, "n_components": 2, "random_state": 0}
    fit_id = client.post("/v1/fits", json=request).json["id"]
    world.work()
    return str(client.get(f"/v1/fits/{fit_id}").json["model_id"])


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    """Check that the answer is a problem of that code; return its document."""
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/problem+json"
    document: dict[str, Any] = answer.json
    assert document["code"] == code
    assert document["type"] == f"/problems/{code}"
    assert document["status"] == status
    assert document["request_id"] == answer.headers["X-Request-Id"]
    assert "Traceback" not in answer.text
    return document
