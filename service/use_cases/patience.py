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
    """Around the time in which the store is asked, and waited for."""

    def insist(self, ask: Callable[[], Answer]) -> Answer:
        """Ask until the store answers; after all patience its last error is raised.

        What a failed try asked for may have happened: only its answer is lost.
        """
        deadline = self.monotonic() + self.seconds
        delay = _FIRST_DELAY_SECONDS
        # The first try as well: a store that stands still takes seconds to fail it.
        with self.waiting():
            while True:
                try:
                    return ask()
                except (StorageUnavailableError, StorageFullError):
                    if self.monotonic() + delay > deadline:
                        raise
                self.pause(delay)
                delay = min(2 * delay, _LONGEST_DELAY_SECONDS)
