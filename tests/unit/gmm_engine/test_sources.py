"""A source adds up what blocks give, and keeps few of their results at a time."""

from __future__ import annotations

import gc
import weakref
from operator import add
from typing import ClassVar

import numpy as np
import pytest

from gmm_engine import sources
from gmm_engine.sources import ArraySource, Block
from gmm_engine.team import team_of


class Result:
    """A sum that can be counted."""

    alive: ClassVar[weakref.WeakSet[Result]] = weakref.WeakSet()
    most: ClassVar[int] = 0

    def __init__(self, value: float) -> None:
        self.value = value
        Result.alive.add(self)
        Result.most = max(Result.most, len(Result.alive))

    def __add__(self, other: Result) -> Result:
        return Result(self.value + other.value)


@pytest.mark.parametrize("n_threads", [1, 3])
def test_of_many_converted_blocks_few_results_are_kept(n_threads, monkeypatch):
    monkeypatch.setattr(sources, "_CONVERTED_NUMBERS", 1)
    monkeypatch.setattr(sources, "_ROWS", 10)
    X = np.arange(20_000, dtype=np.float32).reshape(-1, 2)
    Result.most = 0
    n_blocks = 0

    def summed(block: Block) -> Result:
        nonlocal n_blocks
        n_blocks += 1
        assert block.rows.dtype == np.float64
        return Result(block.rows.sum())

    with team_of(n_threads) as team:
        total = ArraySource(X, team=team).reduce(summed, add, cost_per_row=1e6)
    gc.collect()
    assert total.value == X.sum(dtype=float)
    assert n_blocks == 1_000
    assert Result.most <= sources._MOST_SHARES + 3 * n_threads


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("block_size", [None, 7, 1_000])
def test_every_row_is_in_one_block(order, block_size):
    X = np.asarray(np.arange(6_000.0).reshape(-1, 2), order=order)
    seen = ArraySource(X, weights=X[:, 0], block_size=block_size).reduce(
        lambda block: [(block.start, block.rows, block.weights)], add
    )
    assert [start for start, _, _ in seen] == sorted(start for start, _, _ in seen)
    assert (np.concatenate([rows for _, rows, _ in seen]) == X).all()
    assert (np.concatenate([weights for _, _, weights in seen]) == X[:, 0]).all()
