"""How long a fit stands still when a process under it is killed.

`python -m benchmarks.recovery` takes some minutes and writes `results/recovery.md`;
`--smoke` makes two tries of each and writes nothing.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import requests

from benchmarks.machine import write_table
from service.domain.fits import FitEventKind
from service.storage.connection import StoreClients
from service.storage.fits import RedisFitRepository
from tests.chaos.town import Resident, Town, running_town

N_TRIES = 20
# A short search, then half a minute of EM or more: enough to be killed in.
REQUEST = {"n_components": 16, "tol": 0, "max_iter": 400, "random_state": 1}


def seconds_to_next_iteration(
    town: Town, dataset_id: str, kill: Callable[[Resident], None]
) -> float:
    """From the kill to the next attempt's first iteration, as a watcher sees it."""
    url = town.api_urls[0]
    answer = requests.post(
        f"{url}/v1/fits", json=REQUEST | {"dataset_id": dataset_id}, timeout=60
    )
    fit_id = answer.json()["id"]
    clients = StoreClients(town.url)
    fits = RedisFitRepository(clients)
    try:
        while fits.checkpoint(fit_id) is None:
            time.sleep(0.05)
        (worker,) = [worker for worker in town.workers if worker.work_horses]
        killed_at = time.monotonic()
        kill(worker)
        _wait_for_iteration(fits, fit_id, attempt=2)
        return time.monotonic() - killed_at
    finally:
        requests.post(f"{url}/v1/fits/{fit_id}/cancel", timeout=60)
        clients.close()
        _wait_for_idleness(town)


def _wait_for_iteration(fits: RedisFitRepository, fit_id: str, attempt: int) -> None:
    after, n_states = "0", 0
    while True:
        for event in fits.events(fit_id, after, 1):
            after = event.id
            if event.kind is FitEventKind.STATUS:
                n_states += 1
            elif n_states > attempt:
                return


def _wait_for_idleness(town: Town) -> None:
    for worker in town.workers:
        worker.is_revived = True
    with town.client() as store:
        while (
            any(worker.work_horses for worker in town.workers)
            or not all(worker.is_alive() for worker in town.workers)
            or store.scard("rq:workers:fits") < len(town.workers)
        ):
            time.sleep(0.1)


def kill_work_horse(worker: Resident) -> None:
    (horse,) = worker.work_horses
    os.kill(horse, signal.SIGKILL)


def kill_worker(worker: Resident) -> None:
    worker.send(signal.SIGKILL)


def kill_worker_for_good(worker: Resident) -> None:
    worker.is_revived = False
    worker.send(signal.SIGKILL)


def measure(
    n_workers: int, kill: Callable[[Resident], None], n_tries: int
) -> list[float]:
    with (
        tempfile.TemporaryDirectory(prefix="gmm-") as folder,
        running_town(Path(folder), 1, n_workers) as town,
    ):
        dataset_id = _upload(town)
        return [
            seconds_to_next_iteration(town, dataset_id, kill) for _ in range(n_tries)
        ]


def _upload(town: Town) -> str:
    body = BytesIO()
    rng = np.random.default_rng(0)
    np.save(body, rng.normal(size=(300_000, 6)) + rng.integers(3, size=(300_000, 1)))
    while True:
        try:
            answer = requests.post(
                f"{town.api_urls[0]}/v1/datasets",
                data=body.getvalue(),
                headers={"Content-Type": "application/x-npy"},
                timeout=60,
            )
            return str(answer.json()["id"])
        except requests.ConnectionError:
            time.sleep(0.1)


def row(name: str, seconds: Sequence[float], goal: str) -> list[str]:
    print(name, *(f"{each:.2f}" for each in seconds), flush=True)
    return [
        name,
        f"{statistics.median(seconds):.2f}",
        f"{max(seconds):.2f}",
        goal,
        str(len(seconds)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recovery")
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    n_tries = 2 if options.smoke else N_TRIES
    rows = [
        row("work-horse", measure(1, kill_work_horse, n_tries), "≤ 2"),
        row("worker, another idle", measure(2, kill_worker_for_good, n_tries), "≤ 15"),
        row("worker, started again", measure(1, kill_worker, n_tries), "≤ 15"),
    ]
    write_table(
        "recovery",
        "From SIGKILL to the next iteration",
        ["killed", "median s", "most s", "goal s", "tries"],
        rows,
        [
            "300,000 × 6, 16 components; the fit had a checkpoint. Until the first "
            "iteration of the next attempt is seen in the stream of events. A worker "
            "is started again at most 0.3 s after its end.",
        ],
        keep=not options.smoke,
    )


if __name__ == "__main__":
    main()
