"""The log-likelihood over the iterations, as a curve in a strip."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gmm_engine.types import FloatArray

MARGIN = 0.14
"""Free above the highest point, as a share of the strip's height."""
MOST_SKIPPED = 3


def progress_curve(
    iterations: Sequence[int], log_likelihoods: Sequence[float]
) -> FloatArray:
    """Return the curve, (n, 2); the strip is the unit square.

    The first steps of EM often gain more than all that follow and would press the
    rest of the curve flat; such a start lies below the strip. A log-likelihood that
    is not finite leaves a gap; equal ones lie in the middle.
    """
    x = np.asarray(iterations, dtype=np.float64)
    y = np.asarray(log_likelihoods, dtype=np.float64)
    y = np.where(np.isfinite(y), y, np.nan)
    heights = MARGIN + (1 - 2 * MARGIN) * _in_unit(y, y[_n_skipped(y) :])
    return np.stack([_in_unit(x, x), heights], axis=1)


def _n_skipped(values: FloatArray) -> int:
    """Return how many first steps gain more than twice what all after them gain."""
    at_most = max(0, min(MOST_SKIPPED, len(values) - 3))
    gains, left = np.diff(values), values[-1] - values[1:]
    dwarfing = gains[:at_most] > 2 * left[:at_most]
    return at_most if dwarfing.all() else int(dwarfing.argmin())


def _in_unit(values: FloatArray, shown: FloatArray) -> FloatArray:
    """Return the values scaled such that the finite shown ones fill [0, 1]."""
    finite = shown[np.isfinite(shown)]
    low, high = finite.min(initial=np.inf), finite.max(initial=-np.inf)
    if not low < high:
        return np.asarray(values * 0 + 0.5)
    return np.asarray((values - low) / (high - low))
