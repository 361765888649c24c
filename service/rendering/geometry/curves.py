"""Densities of one-dimensional mixtures, and the histogram they are held against."""

from __future__ import annotations

import numpy as np

from gmm_engine.types import FloatArray

SINGLE_BAR = 0.5
"""Width of the only bar where all values are equal, in a window of width one."""


def component_densities(
    x: FloatArray, weights: FloatArray, means: FloatArray, variances: FloatArray
) -> FloatArray:
    """Return π_k 𝒩(x | μ_k, σ_k²), (n_components, n_points).

    A standard deviation below the spacing of `x` is drawn as that spacing: the spike
    stays visible wherever it stands.
    """
    narrowest = float(np.min(np.diff(x)))
    deviations = np.sqrt(np.maximum(variances, narrowest**2))[:, None]
    z = (x - means[:, None]) / deviations
    # Beyond 38 deviations the density is below the smallest float64.
    densities = np.exp(-0.5 * np.minimum(np.abs(z), 38.0) ** 2)
    return np.asarray(weights[:, None] * densities / (deviations * np.sqrt(2 * np.pi)))


def histogram(x: FloatArray, at_most: int = 60) -> tuple[FloatArray, FloatArray]:
    """Return the heights, of area one in all, and the edges of equal bins.

    The bin width is that of Freedman and Diaconis (1981), 2 IQR / n^(1/3), but there
    are at least √n bins: quartiles in clusters far apart say nothing of their width.
    """
    low, high = float(x.min()), float(x.max())
    if high <= low:
        return np.array([1 / SINGLE_BAR]), low + SINGLE_BAR * np.array([-0.5, 0.5])
    quartiles = np.quantile(x, [0.25, 0.75])
    width = 2 * float(quartiles[1] - quartiles[0]) / np.cbrt(len(x))
    n_bins = at_most if width <= 0 else int(np.ceil((high - low) / width))
    fewest = min(int(np.ceil(np.sqrt(len(x)))), at_most)
    edges = np.linspace(low, high, int(np.clip(n_bins, fewest, at_most)) + 1)
    counts, _ = np.histogram(x, edges)
    return counts / (len(x) * np.diff(edges)), edges


def curves_above(lowest: float, x: FloatArray, heights: FloatArray) -> list[FloatArray]:
    """Return each curve, (n, 2), where it is at least so high; densities have one
    such stretch at most."""
    curve_points = (np.column_stack([x, height]) for height in heights)
    return [curve[curve[:, 1] >= lowest] for curve in curve_points]


def area(x: FloatArray, heights: FloatArray) -> FloatArray:
    """Return the outline of the area between a curve and the axis, (n, 2)."""
    if not len(x):
        return np.zeros((1, 2))
    return np.column_stack(
        [np.r_[x[:1], x, x[-1:]], np.r_[0.0, heights, 0.0]],
    )
