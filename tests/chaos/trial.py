"""One trial: fits are submitted and disturbed, and then each is looked at closely."""

from __future__ import annotations

import random
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

import gmm_engine
from service.domain.fits import FitEvent, FitEventKind
from service.storage.connection import StoreClients
from service.storage.fits import RedisFitRepository
from tests.chaos.clients import Client
from tests.chaos.faults import Mischief
from tests.chaos.leftovers import left_behind
from tests.chaos.town import Town, running_town

_TOLERANCE = 1e-9
_SLOW_SECONDS = 30.0
_CLIENTS = 16


@dataclass(frozen=True)
class Plan:
    """How much, how long, how bad."""

    n_fits: int
    seconds: float
    seed: int
    n_apis: int = 2
    n_workers: int = 3
    mean_seconds: float = 0.8
    longest_pause_seconds: float = 12.0
    settling_seconds: float = 300.0
    n_rows: int = 40_000
    max_iter: int = 250

    @cached_property
    def rows(self) -> np.ndarray[Any, Any]:
        rng = np.random.default_rng(self.seed)
        centers = rng.normal(scale=1.5, size=(5, 4))
        labels = rng.integers(5, size=self.n_rows)
        return centers[labels] + rng.normal(size=(self.n_rows, 4))

    def request(self, number: int) -> dict[str, Any]:
        """One of ten different fits: no more, as each is computed here as well."""
        return {
            "n_components": 6 + number % 5,
            "random_state": number % 10,
            "tol": 0,
            "max_iter": self.max_iter,
        }


@dataclass
class Outcome:
    """What came of a trial."""

    plan: Plan
    faults: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    restarts: dict[str, int] = field(default_factory=dict)
    attempts: Counter[int] = field(default_factory=Counter)
    mistakes: list[str] = field(default_factory=list)
    n_succeeded: int = 0
    seconds: float = 0.0
    settled_in_seconds: float = 0.0
    fit_seconds: list[float] = field(default_factory=list)
    n_resumed: int = 0
    slow: list[str] = field(default_factory=list)
    """The story of each fit that took long: what happened, and when."""

    @property
    def is_good(self) -> bool:
        return not self.mistakes and self.n_succeeded == self.plan.n_fits

    def __str__(self) -> str:
        lines = [
            f"seed {self.plan.seed}: {self.n_succeeded} of {self.plan.n_fits} succeeded"
            f" in {self.seconds:.0f} s, {self.settled_in_seconds:.0f} s of them after "
            "the last fault",
            "faults: " + _counted(self.faults),
            "clients: " + _counted(self.refusals),
            "starts: " + _counted(Counter(self.restarts)),
            "fits by attempts: " + _counted(self.attempts),
            f"attempts that went on from a checkpoint: {self.n_resumed}",
            f"seconds from start to end of a fit: median "
            f"{np.median(self.fit_seconds or [0]):.1f}, most "
            f"{max(self.fit_seconds or [0]):.1f}",
            *(f"slow: {story}" for story in self.slow),
            *(f"MISTAKE: {mistake}" for mistake in self.mistakes),
        ]
        return "\n".join(lines)


def try_out(plan: Plan) -> Outcome:
    """Run one trial; the logs of a bad one are kept in the temporary folder."""
    outcome = Outcome(plan)
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="gmm-chaos-"))
    with running_town(folder, plan.n_apis, plan.n_workers) as town:
        client = Client(town.api_urls)
        dataset = client.post("/v1/datasets", {"data": plan.rows.tolist()})
        expected = _undisturbed(plan)
        chance = random.Random(plan.seed)
        mischief = Mischief(town, chance, plan.mean_seconds, plan.longest_pause_seconds)
        with ThreadPoolExecutor(_CLIENTS + 1) as pool:
            misery = pool.submit(mischief.run, plan.seconds)
            fit_ids = list(
                pool.map(
                    lambda n: _submit(client, plan, dataset["id"], n),
                    range(plan.n_fits),
                )
            )
            misery.result()
        calm_at = time.monotonic()
        _wait(town, client, fit_ids, plan.settling_seconds)
        outcome.settled_in_seconds = time.monotonic() - calm_at
        outcome.faults, outcome.refusals = mischief.counts, client.counts
        outcome.restarts = {r.name: r.n_starts for r in town.everybody}
        _look(outcome, town, client, fit_ids, expected)
        outcome.seconds = time.monotonic() - began
    if outcome.is_good:
        _remove(folder)
    else:
        outcome.mistakes.append(f"the logs are in {folder}")
    return outcome


def _undisturbed(plan: Plan) -> list[gmm_engine.FitResult]:
    return [gmm_engine.fit(plan.rows, **plan.request(number)) for number in range(10)]


def _submit(client: Client, plan: Plan, dataset_id: str, number: int) -> str:
    # Spread over the time of the faults.
    time.sleep(plan.seconds * _CLIENTS / plan.n_fits * 0.6)
    request = plan.request(number) | {"dataset_id": dataset_id}
    return str(client.post("/v1/fits", request)["id"])


def _wait(town: Town, client: Client, fit_ids: list[str], seconds: float) -> None:
    """Until all fits are over and their jobs are cleared away, or time is up."""
    deadline = time.monotonic() + seconds
    waiting = list(fit_ids)
    while waiting and time.monotonic() < deadline:
        fits = [client.get(f"/v1/fits/{fit_id}") for fit_id in waiting]
        waiting = [f["id"] for f in fits if f["status"] in ("queued", "running")]
        time.sleep(0.5)
    with town.client() as store:
        while store.keys("rq:job:*") and time.monotonic() < deadline:
            time.sleep(0.2)


def _look(
    outcome: Outcome,
    town: Town,
    client: Client,
    fit_ids: list[str],
    expected: list[gmm_engine.FitResult],
) -> None:
    clients = StoreClients(town.url)
    fits = RedisFitRepository(clients)
    if len(set(fit_ids)) != len(fit_ids):
        outcome.mistakes.append("two requests were answered with one fit")
    for number, fit_id in enumerate(fit_ids):
        fit = client.get(f"/v1/fits/{fit_id}")
        if fit["status"] != "succeeded":
            outcome.mistakes.append(f"fit {fit_id}: {fit['status']}, {fit['error']}")
            continue
        outcome.n_succeeded += 1
        outcome.attempts[fit["attempt"]] += 1
        record = fits.get(fit_id)
        assert record.started_at is not None
        assert record.finished_at is not None
        outcome.fit_seconds.append(
            (record.finished_at - record.started_at).total_seconds()
        )
        events = fits.events(fit_id, "0", 0)
        outcome.mistakes += _wrong_events(outcome, events, fit)
        if outcome.fit_seconds[-1] > _SLOW_SECONDS:
            outcome.slow.append(_story(fit_id, events))
        model = client.get(f"/v1/models/{fit['model_id']}")
        outcome.mistakes += _differences(model, expected[number % 10])
    n_listed = len(_listed(client))
    if n_listed != len(fit_ids):
        outcome.mistakes.append(f"{len(fit_ids)} fits were asked for, {n_listed} made")
    outcome.mistakes += [f"left behind: {k}" for k in left_behind(clients.ordinary)]
    outcome.mistakes += [
        f"a trace in {resident.log}"
        for resident in [*town.apis, *town.workers]
        if "Traceback" in resident.log.read_text()
    ]
    clients.close()


def _listed(client: Client) -> list[str]:
    ids, path = [], "/v1/fits?limit=100"
    while path:
        page = client.get(path)
        ids += [fit["id"] for fit in page["items"]]
        path = f"/v1/fits?limit=100&cursor={page['next']}" if page["next"] else ""
    return ids


def _story(fit_id: str, events: Sequence[FitEvent]) -> str:
    """When it was queued, began each time, and ended, in seconds."""
    states = [e for e in events if e.kind is FitEventKind.STATUS]
    times = [int(event.id.partition("-")[0]) / 1000 for event in states]
    return f"{fit_id} " + ", ".join(f"{time - times[0]:.1f}" for time in times)


def _wrong_events(
    outcome: Outcome, events: Sequence[FitEvent], fit: dict[str, Any]
) -> list[str]:
    """One event when it was queued, one for each attempt, one for its only end."""
    kinds = [event.kind.value for event in events]
    n_states = kinds.count("status")
    if n_states != fit["attempt"] + 2 or kinds[-1] != "status":
        return [f"fit {fit['id']}: {n_states} states in {fit['attempt']} attempts"]
    outcome.n_resumed += sum(map(_goes_on, _later_attempts(events)))
    return []


def _later_attempts(events: Sequence[FitEvent]) -> list[list[FitEvent]]:
    """The iterations of each attempt but the first."""
    attempts: list[list[FitEvent]] = []
    for event in events:
        if event.kind is FitEventKind.STATUS:
            attempts.append([])
        else:
            attempts[-1].append(event)
    return attempts[2:]


def _goes_on(iterations: list[FitEvent]) -> bool:
    """Whether an attempt began neither with a search nor with the first iteration."""
    first = iterations[0].payload if iterations else {"iteration": 0}
    return first.get("phase", "full") == "full" and int(str(first["iteration"])) > 1


def _differences(model: dict[str, Any], expected: gmm_engine.FitResult) -> list[str]:
    mixture = expected.mixture
    found = []
    for name in ("weights", "means", "covariances"):
        gap = np.max(np.abs(np.array(model[name]) - getattr(mixture, name)))
        if not gap <= _TOLERANCE:
            found.append(f"model {model['id']}: {name} differ by {gap:.1e}")
    return found


def _counted(counts: Counter[Any]) -> str:
    return ", ".join(f"{name}: {n}" for name, n in sorted(counts.items())) or "none"


def _remove(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
    folder.rmdir()
