"""Which component of one frame is which of the frame before."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from gmm_engine.types import FloatArray, IntArray


def identities(means_by_frame: Iterable[FloatArray]) -> list[IntArray]:
    """Return for each frame the lasting number of each of its components.

    While their number stays, components stay in place. When it changes, each takes
    the number of the nearest one before, nearest pairs first; those that are left
    over get numbers not used so far.
    """
    result: list[IntArray] = []
    previous = np.empty((0, 0))
    n_known = 0
    for means in means_by_frame:
        if result and len(means) == len(previous):
            numbers = result[-1]
        else:
            known = result[-1] if result else np.empty(0, dtype=np.intp)
            numbers = _inherited(means, previous, known, n_known)
        n_known = max(n_known, int(numbers.max(initial=-1)) + 1)
        result.append(numbers)
        previous = means
    return result


def _inherited(
    means: FloatArray, previous: FloatArray, numbers: IntArray, n_known: int
) -> IntArray:
    inherited = np.full(len(means), -1, dtype=np.intp)
    if len(previous):
        free = np.ones(len(previous), dtype=bool)
        distances = np.linalg.norm(means[:, None] - previous[None], axis=2)
        for pair in np.argsort(distances, axis=None, kind="stable"):
            new, old = divmod(int(pair), len(previous))
            if inherited[new] < 0 and free[old]:
                inherited[new], free[old] = numbers[old], False
    fresh = inherited < 0
    inherited[fresh] = n_known + np.arange(np.count_nonzero(fresh))
    return inherited
