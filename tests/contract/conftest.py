"""Each repository twice: the fake, and the real one on each kind of server."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from service.ports import DatasetRepository, FitRepository, ModelRepository
from service.storage.connection import StoreClients
from service.storage.datasets import RedisDatasetRepository
from service.storage.fits import RedisFitRepository
from service.storage.models import RedisModelRepository
from tests.conftest import emptied
from tests.fakes import (
    InMemoryDatasetRepository,
    InMemoryFitRepository,
    InMemoryModelRepository,
)


@dataclass(frozen=True)
class Repositories:
    """The repositories of one store."""

    datasets: DatasetRepository
    fits: FitRepository
    models: ModelRepository


@pytest.fixture(params=["memory", "valkey", "redis"])
def repositories(request):
    if request.param == "memory":
        models = InMemoryModelRepository()
        yield Repositories(
            InMemoryDatasetRepository(), InMemoryFitRepository(models), models
        )
        return
    clients = StoreClients(
        emptied(request.getfixturevalue(f"{request.param}_store_url"))
    )
    yield Repositories(
        RedisDatasetRepository(clients),
        RedisFitRepository(clients),
        RedisModelRepository(clients),
    )
    clients.close()


@pytest.fixture
def datasets(repositories):
    return repositories.datasets


@pytest.fixture
def fits(repositories):
    return repositories.fits


@pytest.fixture
def models(repositories):
    return repositories.models
