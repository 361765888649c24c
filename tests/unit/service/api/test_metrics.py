from __future__ import annotations

from dataclasses import dataclass

import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.api.access import Access
from service.api.app import create_app
from service.domain.api_keys import Client, Scope
from service.domain.census import Census
from service.domain.fits import FitState
from service.errors import NotAuthenticatedError, StorageUnavailableError
from tests.unit.service.api.conftest import OPTIONS

CENSUS = Census(
    n_queued=4,
    n_running=2,
    n_ended={FitState.SUCCEEDED: 9, FitState.FAILED: 1, FitState.CANCELLED: 0},
    n_workers=3,
)


@dataclass
class Town:
    """Implements `service.ports.CensusTaker`."""

    is_away: bool = False

    def take_census(self):
        if self.is_away:
            raise StorageUnavailableError("The store is away.")
        return CENSUS


@pytest.fixture
def town():
    return Town()


@pytest.fixture
def client(stage, world, town):
    return create_app(stage.services, stage, OPTIONS, census=town).test_client()


def scraped(client):
    """The samples by name and labels."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_fits_workers_and_the_store_are_measured(client):
    samples = scraped(client)
    assert samples[("gmm_store_up",)] == 1
    assert samples[("gmm_fits_queued",)] == 4
    assert samples[("gmm_fits_running",)] == 2
    assert samples[("gmm_fits_ended_total", "succeeded")] == 9
    assert samples[("gmm_fits_ended_total", "failed")] == 1
    assert samples[("gmm_fits_ended_total", "cancelled")] == 0
    assert samples[("gmm_workers",)] == 3


def test_while_the_store_is_away_only_requests_are_measured(client, town):
    town.is_away = True
    samples = scraped(client)
    assert samples[("gmm_store_up",)] == 0
    assert {name for name, *_ in samples if name.startswith("gmm_fits")} == set()
    assert ("gmm_http_requests_in_flight",) in samples


def test_who_was_let_in_last_sees_that_the_store_is_away(stage, world, town):
    def admit(key):
        if town.is_away:
            raise StorageUnavailableError("The store is away.")
        if key != "gmm_good":
            raise NotAuthenticatedError("No.")
        return Client("default", frozenset({Scope.METRICS}), "k1")

    access = Access(admit=admit)
    client = create_app(stage.services, stage, OPTIONS, access, town).test_client()

    def status(path, key):
        headers = {"Authorization": f"Bearer {key}"}
        return client.get(path, headers=headers).status_code

    assert status("/metrics", "gmm_good") == 200
    assert status("/metrics", "gmm_other") == 401
    town.is_away = True
    assert status("/metrics", "gmm_good") == 200
    assert status("/metrics", "gmm_other") == 503
    assert status("/v1/fits", "gmm_good") == 503


def test_no_gauge_tells_when_a_counter_was_made(client):
    client.get("/healthz")
    names = {name for name, *_ in scraped(client)}
    assert "gmm_http_requests_total" in names
    assert not any(name.endswith("_created") for name in names)


def test_every_metric_is_described_in_the_contract(client):
    described = client.get("/openapi.yaml").text
    client.get("/healthz")
    for name in {name for name, *_ in scraped(client)}:
        stem = name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
        assert f"`{stem}`" in described
