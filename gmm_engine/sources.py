"""Where EM gets its rows: a source maps a function over blocks of rows.

EM needs nothing but this from its data, so they may live in memory, in a file or on
other machines. A function given to `map` sees one block and returns something small.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from threadpoolctl import (  # type: ignore[import-untyped]  # no stubs
    threadpool_limits,
)

from gmm_engine.team import ALONE, Team
from gmm_engine.types import AnyArray, FloatArray

T = TypeVar("T")
# Work worth handing to another thread, in operations: a fraction of a millisecond.
_WORTH_A_BLOCK = 1e7
# A block that has to be converted holds at most this many numbers: 4 MB.
_CONVERTED_NUMBERS = 1 << 19
_MOST_BLOCKS = 32
_FEATURES_FOR_BLAS_THREADS = 25
# All results together: 32 MB.
_RESULT_NUMBERS = 4_000_000
# Blocks are whole tiles of the kernels, where those are longest.
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

    def map(
        self,
        function: Callable[[Block], T],
        *,
        cost_per_row: float = 50.0,
        result_numbers: int = 0,
    ) -> Iterable[T]:
        """Return function(block) for each block, in the order of the rows.

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

    def map(
        self,
        function: Callable[[Block], T],
        *,
        cost_per_row: float = 50.0,
        result_numbers: int = 0,
    ) -> Iterable[T]:
        size = self.block_size or self._block_size(cost_per_row, result_numbers)
        starts = range(0, len(self.rows), size)

        def on_block(start: int) -> T:
            return function(self._block(start, start + size))

        return self.team.map(on_block, starts)

    def _block_size(self, cost_per_row: float, result_numbers: int) -> int:
        n_samples = len(self.rows)
        n_blocks = min(
            n_samples * cost_per_row / _WORTH_A_BLOCK,
            _RESULT_NUMBERS / max(1, result_numbers),
            _MOST_BLOCKS,
        )
        size = math.ceil(n_samples / max(1, round(n_blocks)))
        if not self._is_ready:
            size = min(size, max(_ROWS, _CONVERTED_NUMBERS // self.n_features))
        return -(-size // _ROWS) * _ROWS

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
