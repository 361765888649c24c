"""Where EM gets its rows: a source maps a function over blocks of rows.

EM needs nothing but this from its data, so they may live in memory, in a file or on
other machines. A function given to `map` sees one block and returns something small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from gmm_engine.types import AnyArray, FloatArray

T = TypeVar("T")
BLOCK_NUMBERS = 65_536
"""How many numbers a block holds unless told otherwise: half a megabyte."""


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

    def map(self, function: Callable[[Block], T]) -> Iterator[T]:
        """Yield function(block) for each block, in the order of the rows."""

    def take(self, indices: AnyArray) -> FloatArray:
        """Return some rows by their numbers."""


@dataclass(frozen=True, slots=True, eq=False)
class ArraySource:
    """Rows of an array in memory; other dtypes and orders are converted by block."""

    rows: AnyArray
    weights: FloatArray | None = None
    block_size: int | None = None
    executor: Executor | None = None

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

    def map(self, function: Callable[[Block], T]) -> Iterator[T]:
        size = self.block_size or max(64, BLOCK_NUMBERS // self.n_features)
        starts = range(0, len(self.rows), size)

        def on_block(start: int) -> T:
            return function(self._block(start, start + size))

        if self.executor is None or len(starts) == 1:
            return map(on_block, starts)
        return self.executor.map(on_block, starts)

    def take(self, indices: AnyArray) -> FloatArray:
        return np.ascontiguousarray(self.rows[indices], dtype=np.float64)

    def _block(self, start: int, stop: int) -> Block:
        rows = np.ascontiguousarray(self.rows[start:stop], dtype=np.float64)
        weights = None if self.weights is None else self.weights[start:stop]
        return Block(start, rows, weights)
