"""A store that goes away while workers are at work, or are told to stop."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import RedisError

from tests.chaos.clients import Client
from tests.chaos.town import Town, running_town
from tests.integration.processes import eventually
from tests.integration.running import cloud

LIMIT_SECONDS = 8.0
# A second or two of work, in a time in which the store can be stopped.
SHORT = {"n_components": 8, "tol": 0, "max_iter": 300, "random_state": 1}
ENDLESS = SHORT | {"max_iter": 100_000, "n_components": 16}


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    limit = {"GMM_FIT_TIME_LIMIT_SECONDS": str(LIMIT_SECONDS)}
    with running_town(tmp_path, n_apis=1, n_workers=1, **limit) as town:
        yield town


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_what_a_fit_waits_for_the_store_does_not_count_as_its_time(
    town: Town, number: signal.Signals
):
    """Where it stands still, each try without an answer takes seconds."""
    fit_id = running_fit(town, SHORT)
    town.store.is_revived = False
    town.store.send(number)
    # More than the limit, and than the worker allows beyond it.
    time.sleep(2 * LIMIT_SECONDS)
    town.store.send(signal.SIGCONT)
    town.store.is_revived = True
    fit = ended(town, fit_id)
    assert fit["status"] == "succeeded", fit
    assert fit["attempt"] == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_stop_while_the_store_is_away_is_no_death_of_the_fit(
    town: Town, number: signal.Signals
):
    """It was killed, or stands still: then nothing at all is answered."""
    fit_id = running_fit(town, ENDLESS)
    (worker,) = town.workers
    assert worker.process is not None
    process, worker.is_revived, town.store.is_revived = worker.process, False, False
    town.store.send(number)
    began = time.monotonic()
    worker.send(signal.SIGTERM)
    assert process.wait(15) == 0
    assert time.monotonic() - began < 10
    town.store.send(signal.SIGCONT)
    worker.is_revived = town.store.is_revived = True
    eventually(lambda: attempts(town, fit_id) == 2, 40, "a second attempt")
    with town.client() as store:
        assert store.hget(f"rq:job:{fit_id}", "retries_left") == b"2"
    assert not list((town.folder / "state" / "handed-back").iterdir())


def running_fit(town: Town, request: dict[str, Any]) -> str:
    rows = cloud(100_000, 4).tolist()
    fit_id = Client(town.api_urls).post("/v1/fits", request | {"data": rows})["id"]
    eventually(lambda: attempts(town, fit_id) == 1, 30, "the first attempt")
    return str(fit_id)


def attempts(town: Town, fit_id: str) -> int:
    """How often it was begun; 0 while the store is away."""
    try:
        with town.client() as store:
            record = store.get(f"gmm:default:fit:{fit_id}")
    except RedisError:
        return 0
    assert record is not None
    return int(json.loads(record)["attempt"])


def ended(town: Town, fit_id: str) -> dict[str, Any]:
    client = Client(town.api_urls)

    def final() -> dict[str, Any] | None:
        fit = client.get(f"/v1/fits/{fit_id}")
        return fit if fit["status"] not in ("queued", "running") else None

    found = eventually(final, 60, "the end of the fit")
    assert found is not None
    return found
