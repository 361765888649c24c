"""Which component of one frame is which of the frame after."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gmm_engine.types import FloatArray, IntArray


def identities(means_by_frame: Sequence[FloatArray]) -> list[IntArray]:
    """Return for each frame the lasting number of each of its components.

    Those of the last frame are numbered in order: it is the model that is asked, and
    its answers count so. While their number stays, components stay in place. When it
    changes, each takes the number of the nearest one after, nearest pairs first;
    those that are left over get numbers not used so far.
    """
    result: list[IntArray] = []
    later = np.empty((0, 0))
    n_known = 0
    for means in reversed(means_by_frame):
        if result and len(means) == len(later):
            numbers = result[-1]
        else:
            known = result[-1] if result else np.empty(0, dtype=np.intp)
            numbers = _inherited(means, later, known, n_known)
        n_known = max(n_known, int(numbers.max(initial=-1)) + 1)
        result.append(numbers)
        later = means
    return result[::-1]


def _inherited(
    means: FloatArray, later: FloatArray, numbers: IntArray, n_known: int
) -> IntArray:
    inherited = np.full(len(means), -1, dtype=np.intp)
    if len(later):
        free = np.ones(len(later), dtype=bool)
        distances = np.linalg.norm(means[:, None] - later[None], axis=2)
        for pair in np.argsort(distances, axis=None, kind="stable"):
            here, there = divmod(int(pair), len(later))
            if inherited[here] < 0 and free[there]:
                inherited[here], free[there] = numbers[there], False
    fresh = inherited < 0
    inherited[fresh] = n_known + np.arange(np.count_nonzero(fresh))
    return inherited
