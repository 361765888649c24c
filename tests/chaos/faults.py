"""What befalls the processes, at random.

A fit that kills its process three times is given up: that is a promise too. So a fit
in its third attempt is spared what would be one more death; nothing else is spared.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Thread

from redis.exceptions import RedisError

from service import processes
from tests.chaos.town import Resident, Town

_LAST_ATTEMPT = 3


@dataclass
class Mischief:
    """Does something to somebody every now and then, until told to stop."""

    town: Town
    chance: random.Random
    mean_seconds: float
    longest_pause_seconds: float
    counts: Counter[str] = field(default_factory=Counter)
    _stop: Event = field(default_factory=Event)
    _threads: list[Thread] = field(default_factory=list)

    def run(self, seconds: float) -> None:
        kinds: dict[Callable[[], str | None], int] = {
            self.kill_work_horse: 8,
            self.kill_worker: 4,
            self.pause_worker: 2,
            self.stop_worker: 3,
            self.kill_api: 3,
            self.stop_api: 2,
            self.pause_api: 1,
            self.kill_store: 3,
            self.stop_store: 2,
            self.pause_store: 2,
        }
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            time.sleep(self.chance.expovariate(1 / self.mean_seconds))
            (kind,) = self.chance.choices(list(kinds), list(kinds.values()))
            if done := kind():
                self.counts[done] += 1
        for thread in self._threads:
            thread.join()

    def kill_work_horse(self) -> str | None:
        worker = self._vulnerable_worker()
        if worker is None or not (horses := worker.work_horses):
            return None
        try:
            os.kill(horses[0], signal.SIGKILL)
        except ProcessLookupError:
            return None
        return "work-horse killed"

    def kill_worker(self) -> str | None:
        return self._send(self._vulnerable_worker(), signal.SIGKILL, "worker killed")

    def stop_worker(self) -> str | None:
        worker = self.chance.choice(self.town.workers)
        return self._send(worker, signal.SIGTERM, "worker stopped")

    def pause_worker(self) -> str | None:
        return self._pause(self._vulnerable_worker(), "worker paused")

    def kill_api(self) -> str | None:
        return self._send(self._api(), signal.SIGKILL, "API killed")

    def stop_api(self) -> str | None:
        return self._send(self._api(), signal.SIGTERM, "API stopped")

    def pause_api(self) -> str | None:
        return self._pause(self._api(), "API paused")

    def kill_store(self) -> str | None:
        return self._send(self.town.store, signal.SIGKILL, "store killed")

    def stop_store(self) -> str | None:
        return self._send(self.town.store, signal.SIGTERM, "store restarted")

    def pause_store(self) -> str | None:
        return self._pause(self.town.store, "store paused")

    def _api(self) -> Resident:
        return self.chance.choice(self.town.apis)

    def _send(
        self, victim: Resident | None, number: signal.Signals, name: str
    ) -> str | None:
        if victim is None or not victim.is_alive() or victim.busy.locked():
            return None
        victim.send(number)
        return name

    def _pause(self, victim: Resident | None, name: str) -> str | None:
        if victim is None or not victim.is_alive():
            return None
        if not victim.busy.acquire(blocking=False):
            return None
        seconds = self.chance.uniform(0.5, self.longest_pause_seconds)
        victim.send(signal.SIGSTOP)

        def wake() -> None:
            time.sleep(seconds)
            victim.send(signal.SIGCONT)
            victim.busy.release()

        thread = Thread(target=wake)
        thread.start()
        self._threads.append(thread)
        return name

    def _vulnerable_worker(self) -> Resident | None:
        """A worker whose fit, if it has one, may lose one more process."""
        worker = self.chance.choice(self.town.workers)
        if not worker.is_alive() or worker.busy.locked():
            return None
        name = processes.process_name(worker.pid)
        try:
            with self.town.client() as client:
                fit_id = client.hget(f"rq:worker:{name}", "current_job")
                if fit_id is None:
                    return worker
                record = client.get(f"gmm:default:fit:{fit_id.decode()}")
        except RedisError:
            return None
        if record is None or json.loads(record)["attempt"] >= _LAST_ATTEMPT:
            return None
        return worker
