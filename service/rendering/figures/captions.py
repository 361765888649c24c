"""The sentences in a picture that say what is shown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gmm_engine.types import FloatArray
from service.rendering.figures.clouds import MOST_MARKERS
from service.rendering.figures.text import axis_names, shortened
from service.rendering.snapshots import Story, View

ROOM = (75, 46)
"""For so many characters along the two axes."""
LONGEST_NAME_OF_MANY = 16


def axis_labels(view: View, columns: Sequence[str] | None) -> list[str]:
    """Return what the axes show: a feature, or a direction and what goes with it."""
    names = axis_names(columns, len(view.projection.center))
    if view.projection.is_identity:
        return names
    correlations = view.projection.correlations.T
    directions = _directions(view.projection.n_discriminants)
    return [
        _with_correlated(f"{direction}:  ", names, correlated, room)
        for direction, correlated, room in zip(
            directions, correlations, ROOM, strict=True
        )
    ]


def footer(story: Story, n_samples: int) -> str:
    """Return how to read the marks, and how the points are drawn."""
    marks = (
        "crosses: means · filled: 1σ, 2σ · black: their sum"
        if story.view.n_axes == 1
        else "crosses: means · rings: 1σ, 2σ"
    )
    parts = [marks, _points(story, n_samples)]
    if not story.view.projection.is_identity:
        parts.append("±: correlation")
    return " · ".join(parts)


def _points(story: Story, n_samples: int) -> str:
    n_shown = len(story.points)
    points = "1 point" if n_samples == 1 else f"{n_samples:,} points"
    if n_shown < n_samples:
        points = f"{n_shown:,} of {points}"
    if story.n_outside:
        points += f", {story.n_outside:,} outside{_with_components(story)}"
    is_shaded = n_shown > MOST_MARKERS and story.view.n_axes == 2
    return f"density of {points}" if is_shaded else points


def _with_components(story: Story) -> str:
    """Return which of the final means are out of the picture, too."""
    outside = story.components_outside
    if not len(outside):
        return ""
    return (
        f" with {len(outside)} means"
        if len(outside) > 1
        else f" with mean {outside[0]}"
    )


def _directions(n_discriminants: int) -> list[str]:
    discriminants = [f"discriminant {i + 1}" for i in range(n_discriminants)]
    components = [f"principal comp. {i + 1}" for i in range(2 - n_discriminants)]
    return discriminants + components


def _with_correlated(
    label: str, names: Sequence[str], correlations: FloatArray, room: int
) -> str:
    """Return the label and as many features as there is room for, strongest first."""
    strongest = np.argsort(-np.abs(correlations), kind="stable")
    for place, j in enumerate(strongest):
        sign = "−" if correlations[j] < 0 else "+"
        name = shortened(names[j], LONGEST_NAME_OF_MANY)
        feature = f"{name} {sign}{abs(correlations[j]):.2f}"
        if place and len(label) + len(feature) + 2 > room:
            break
        label += f", {feature}" if place else feature
    return label
