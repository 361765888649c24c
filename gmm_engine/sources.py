"""Where EM gets its rows: a source adds up what a function returns of blocks of rows.

EM needs nothing but this from its data, so they may live in memory, in a file or on
other machines. A function given to `reduce` sees one block and returns something small.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from typing import Protocol, TypeVar

import numpy as np
from threadpoolctl import (  # type: ignore[import-untyped]  # no stubs
    threadpool_limits,
)

from gmm_engine.team import ALONE, Team
from gmm_engine.types import AnyArray, FloatArray

T = TypeVar("T")
# Work worth handing to another thread, in operations: a fraction of a millisecond.
_WORTH_A_THREAD = 1e7
# A block that has to be converted holds at most this many numbers: 4 MB.
_CONVERTED_NUMBERS = 1 << 19
_MOST_SHARES = 32
_FEATURES_FOR_BLAS_THREADS = 25
# All results together: 32 MB.
_RESULT_NUMBERS = 4_000_000
# Rows come in such numbers: some tiles of the kernels.
_ROWS = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Some consecutive rows: float64, C-contiguous, not to be written to."""

    start: int
    rows: FloatArray
    weights: FloatArray | None

    @property
    def stop(self) -> int:
        return self.start + len(self.rows)


class Source(Protocol):
    """Rows with optional weights, seen block by block."""

    @property
    def n_samples(self) -> int: ...

    @property
    def n_features(self) -> int: ...

    @property
    def total_weight(self) -> float:
        """Return the sum of the sample weights, n_samples without weights."""

    def reduce(
        self,
        function: Callable[[Block], T],
        combine: Callable[[T, T], T],
        *,
        cost_per_row: float = 50.0,
        result_numbers: int = 0,
    ) -> T:
        """Return function(block) of all blocks, combined in the order of the rows.

        What `function` costs, in operations for each row and in numbers that it
        returns, decides how large the blocks are; how many threads there are does not,
        so that results do not depend on it.
        """

    def take(self, indices: AnyArray | slice) -> FloatArray:
        """Return some rows by their numbers."""


@dataclass(frozen=True, slots=True, eq=False)
class ArraySource:
    """Rows of an array in memory; other dtypes and orders are converted by block."""

    rows: AnyArray
    weights: FloatArray | None = None
    block_size: int | None = None
    team: Team = ALONE

    @property
    def n_samples(self) -> int:
        return len(self.rows)

    @property
    def n_features(self) -> int:
        return int(self.rows.shape[1])

    @property
    def total_weight(self) -> float:
        if self.weights is None:
            return float(len(self.rows))
        return float(self.weights.sum())

    def reduce(
        self,
        function: Callable[[Block], T],
        combine: Callable[[T, T], T],
        *,
        cost_per_row: float = 50.0,
        result_numbers: int = 0,
    ) -> T:
        n_samples = len(self.rows)
        share = self.block_size or self._share(cost_per_row, result_numbers)
        size = share if self._is_ready else min(share, self._convertible)

        def on_share(start: int) -> T:
            """Return what a thread makes of its share; it keeps one result only."""
            stop = min(start + share, n_samples)
            blocks = (
                self._block(first, min(first + size, stop))
                for first in range(start, stop, size)
            )
            return reduce(combine, map(function, blocks))

        return reduce(combine, self.team.map(on_share, range(0, n_samples, share)))

    def _share(self, cost_per_row: float, result_numbers: int) -> int:
        """Return how many rows a thread takes at a time."""
        n_samples = len(self.rows)
        n_shares = min(
            n_samples * cost_per_row / _WORTH_A_THREAD,
            _RESULT_NUMBERS / max(1, result_numbers),
            _MOST_SHARES,
        )
        return _rounded(math.ceil(n_samples / max(1, round(n_shares))))

    @property
    def _convertible(self) -> int:
        """Return how many rows are converted at a time."""
        return _rounded(max(1, _CONVERTED_NUMBERS // self.n_features))

    @property
    def _is_ready(self) -> bool:
        """Whether blocks are views that need no conversion."""
        rows = self.rows
        return (
            rows.dtype == np.float64 and rows.flags.c_contiguous and rows.flags.aligned
        )

    def take(self, indices: AnyArray | slice) -> FloatArray:
        return np.ascontiguousarray(self.rows[indices], dtype=np.float64)

    def _block(self, start: int, stop: int) -> Block:
        rows = np.require(self.rows[start:stop], np.float64, ["C", "A"])
        weights = None if self.weights is None else self.weights[start:stop]
        return Block(start, rows, weights)


def _rounded(n_rows: int) -> int:
    return -(-n_rows // _ROWS) * _ROWS


@contextmanager
def one_blas_thread(n_features: int) -> Iterator[None]:
    """Keep BLAS to one thread, where the M-step's matrices are large enough for more.

    BLAS's threads wait busily for a while after each call, on the processors that the
    E-step's threads want.
    """
    if n_features < _FEATURES_FOR_BLAS_THREADS:
        yield
        return
    with threadpool_limits(1, user_api="blas"):
        yield
