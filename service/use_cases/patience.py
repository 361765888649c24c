"""Waiting for a store that is away: work that is done must not be lost for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TypeVar

from service.errors import StorageFullError, StorageUnavailableError

Answer = TypeVar("Answer")

_FIRST_DELAY_SECONDS = 0.1
_LONGEST_DELAY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Patience:
    """For how long, and how, to wait for a store that is away or full."""

    seconds: float = 600.0
    monotonic: Callable[[], float] = time.monotonic
    pause: Callable[[float], object] = time.sleep
    """May raise, to end the waiting."""
    waiting: Callable[[], AbstractContextManager[object]] = nullcontext
    """Around the time from a try without an answer to the one that has one."""

    def insist(self, ask: Callable[[], Answer]) -> Answer:
        """Ask until the store answers; after all patience its last error is raised.

        What a failed try asked for may have happened: only its answer is lost.
        """
        deadline = self.monotonic() + self.seconds
        try:
            return ask()
        except (StorageUnavailableError, StorageFullError):
            if self.monotonic() + _FIRST_DELAY_SECONDS > deadline:
                raise
        with self.waiting():
            return self._ask_again(ask, deadline)

    def _ask_again(self, ask: Callable[[], Answer], deadline: float) -> Answer:
        delay = _FIRST_DELAY_SECONDS
        while True:
            self.pause(delay)
            try:
                return ask()
            except (StorageUnavailableError, StorageFullError):
                delay = min(2 * delay, _LONGEST_DELAY_SECONDS)
                if self.monotonic() + delay > deadline:
                    raise
