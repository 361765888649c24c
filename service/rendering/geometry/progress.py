"""The log-likelihood over the iterations, as a curve in a strip."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gmm_engine.types import FloatArray

MARGIN = 0.14
"""Free above the highest point, as a share of the strip's height."""
MOST_SKIPPED = 3
FEWEST_SHOWN = 8
"""Steps: a shorter rest would say less than the start that hides it."""
LEAST_SHOWN = 1e-3
"""Of the whole gain: a smaller rest is of no interest, if it is not rounding."""
ROUNDING = 1e-12
"""Of a log-likelihood: a sum over many rows has no more digits than this."""


def progress_curve(
    iterations: Sequence[int], log_likelihoods: Sequence[float]
) -> FloatArray:
    """Return the curve, (n, 2); the strip is the unit square.

    In a long fit the first steps of EM often gain more than all that follow and would
    press the rest of the curve flat; such a start lies on the strip's lower edge. A
    log-likelihood that is not finite leaves a gap; equal ones lie in the middle, also
    if rounding makes them differ.
    """
    x = np.asarray(iterations, dtype=np.float64)
    y = np.asarray(log_likelihoods, dtype=np.float64)
    y = np.where(np.isfinite(y), y, np.nan)
    heights = MARGIN + (1 - 2 * MARGIN) * _in_unit(y, y[_n_skipped(y) :], ROUNDING)
    return np.stack([_in_unit(x, x), np.maximum(heights, 0)], axis=1)


def _n_skipped(values: FloatArray) -> int:
    """Return how many first steps gain more than twice what all after them gain.

    They are none where after them too little is left to be seen, in steps or in gain.
    """
    at_most = max(0, min(MOST_SKIPPED, len(values) - 1 - FEWEST_SHOWN))
    gains, left = np.diff(values)[:at_most], values[-1] - values[1 : at_most + 1]
    dwarfing = (gains > 2 * left) & (left > LEAST_SHOWN * (values[-1] - values[0]))
    return at_most if dwarfing.all() else int(dwarfing.argmin())


def _in_unit(
    values: FloatArray, shown: FloatArray, rounding: float = 0.0
) -> FloatArray:
    """Return the values scaled such that the finite shown ones fill [0, 1]."""
    finite = shown[np.isfinite(shown)]
    low, high = finite.min(initial=np.inf), finite.max(initial=-np.inf)
    if not high - low > rounding * max(abs(low), abs(high)):
        return np.asarray(values * 0 + 0.5)
    return np.asarray((values - low) / (high - low))
