"""The sentences in a picture that say what is shown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from service.rendering.figures.clouds import MOST_MARKERS
from service.rendering.snapshots import View
from service.rendering.text import axis_names

NAMED_FEATURES = 2
"""So many features, the most correlated ones, are named beside a projected axis."""


def axis_labels(view: View, columns: Sequence[str] | None) -> list[str]:
    """Return what the axes show: a feature, or a direction and what goes with it."""
    names = axis_names(columns, len(view.projection.center))
    if view.projection.is_identity:
        return names
    return [
        f"{_direction(axis, view.projection.n_discriminants)}: "
        + _correlated(view.projection.correlations[:, axis], names)
        for axis in range(2)
    ]


def _direction(axis: int, n_discriminants: int) -> str:
    if axis < n_discriminants:
        return f"discriminant {axis + 1}"
    return f"principal component {axis - n_discriminants + 1}"


def _correlated(correlations: np.ndarray, names: Sequence[str]) -> str:
    strongest = np.argsort(-np.abs(correlations), kind="stable")[:NAMED_FEATURES]
    return ", ".join(f"{names[j]} {correlations[j]:+.2f}" for j in strongest).replace(
        "-", "−"
    )


def footer(view: View, n_samples: int) -> str:
    """Return how to read the marks, and how the points are drawn."""
    is_line = view.projection.directions.shape[1] == 1
    marks = (
        "colored curves: components, filled within 1σ and 2σ; black: their sum"
        if is_line
        else "crosses: means; rings: 1σ and 2σ"
    )
    parts = [marks, _points(n_samples, is_line)]
    if not view.projection.is_identity:
        parts.append("±: correlation with the axis")
    return "   ·   ".join(parts)


def _points(n_samples: int, is_line: bool) -> str:
    count = "1 point" if n_samples == 1 else f"{n_samples:,} points"
    if n_samples > MOST_MARKERS and not is_line:
        return f"{count}, shaded by density"
    return count
