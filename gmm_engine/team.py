"""Threads that share work, the caller's among them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Team:
    """The caller, and the threads that help it.

    To wake a thread takes as long as a short run of EM. So each is woken once for all
    items, of which it takes one after the other, and the caller begins at once.
    """

    helpers: Executor | None = None
    n_helpers: int = 0

    @property
    def size(self) -> int:
        return 1 + self.n_helpers

    def map(self, function: Callable[[S], T], items: Iterable[S]) -> list[T]:
        """Return function(item) for each item, in their order."""
        waiting = deque(enumerate(items))
        if self.helpers is None or len(waiting) < 2:
            return [function(item) for _, item in waiting]
        n_items = len(waiting)
        done: dict[int, T] = {}
        failed: dict[int, BaseException] = {}

        def take_turns() -> None:
            while (turn := _first_of(waiting)) is not None:
                place, item = turn
                try:
                    done[place] = function(item)
                except BaseException as error:  # raised below
                    failed[place] = error
                    # Nobody is to begin another.
                    waiting.clear()

        helping = []
        try:
            for _ in range(min(self.n_helpers, n_items - 1)):
                helping.append(self.helpers.submit(take_turns))
            take_turns()
        finally:
            waiting.clear()
            # Who has not begun yet comes too late; the others are waited for.
            for one in [one for one in helping if not one.cancel()]:
                one.exception()
        if failed:
            raise failed[min(failed)]
        return [done[place] for place in range(n_items)]


def _first_of(waiting: deque[S]) -> S | None:
    """Take the first of a queue that others take from too."""
    try:
        return waiting.popleft()
    except IndexError:
        return None


ALONE = Team()


@contextmanager
def team_of(n_threads: int) -> Iterator[Team]:
    """Let threads help that live only as long as they are needed.

    So nothing of them is left in a process that forks.
    """
    if n_threads == 1:
        yield ALONE
        return
    with ThreadPoolExecutor(n_threads - 1) as executor:
        yield Team(executor, n_threads - 1)


def n_processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
