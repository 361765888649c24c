"""Results cut into blocks of rows, so that they are written in pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gmm_engine.types import FloatArray, IntArray

_NUMBERS_PER_BLOCK = 1 << 17


def row_blocks(n_rows: int, n_columns: int) -> Iterator[tuple[int, int]]:
    """Yield the bounds of blocks of about a megabyte each."""
    size = max(1, _NUMBERS_PER_BLOCK // max(1, n_columns))
    for start in range(0, n_rows, size):
        yield start, min(start + size, n_rows)


def side_by_side(
    arrays: Sequence[FloatArray | IntArray], start: int, stop: int
) -> FloatArray:
    """Return some rows of all arrays as one float64 matrix."""
    return np.column_stack([array[start:stop] for array in arrays]).astype("<f8")


def columns_of(
    arrays: Sequence[FloatArray | IntArray], start: int, stop: int
) -> Iterator[FloatArray | IntArray]:
    """Yield some rows of each column of all arrays, contiguous and of its own type."""
    for array in arrays:
        yield from np.ascontiguousarray(np.atleast_2d(array[start:stop].T))
