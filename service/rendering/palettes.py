"""Colors of clusters, and of everything that is not a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gmm_engine.types import FloatArray

PAPER = "#ffffff"
INK = "#1a1a1a"
QUIET_INK = "#595959"
GRID = "#ececec"
FRAME = "#b0b0b0"

PETROFF10 = (
    *("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6"),
    *("#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"),
)
"""Petroff (2021), Accessible color sequences for data visualization."""

DISTINCT24 = (
    *("#0072b2", "#d55e00", "#61313d", "#9e0000", "#243192", "#9e616d"),
    *("#8692b6", "#aa79ff", "#9e9261", "#55496d", "#5500ff", "#49613d"),
    *("#3d9e92", "#c2003d", "#c2249e", "#db6d92", "#0c550c", "#860055"),
    *("#8661e7", "#559231", "#610cc2", "#864961", "#6d86ce", "#9e5500"),
)
"""At least 3:1 on white, far apart in normal and in color-blind vision."""

LINE_CONTRAST = 3.0
"""WCAG 2.2, 1.4.11: the least contrast of graphics against what is behind them."""
MANY = 12
"""Above so many clusters color alone does not tell them apart."""

Dash = tuple[float, tuple[float, ...] | None]
"""Offset and lengths of strokes and gaps, in line widths; None is unbroken."""
DASHES: tuple[Dash, ...] = (
    (0, None),
    (0, (5, 1.5)),
    (0, (1.5, 1.5)),
    (0, (6, 1.5, 1.5, 1.5)),
)


@dataclass(frozen=True, slots=True)
class ClusterStyle:
    """How one cluster is drawn: its points in `fill`, its rings and cross in `line`."""

    fill: str
    line: str
    dash: Dash
    number: str
    """Written at the mean: the component's label in all answers of the service."""


def cluster_styles(n_clusters: int) -> tuple[ClusterStyle, ...]:
    """Return a style for each cluster; no two alike up to 96."""
    fills = PETROFF10 if n_clusters <= len(PETROFF10) else DISTINCT24
    is_many = n_clusters > MANY
    return tuple(
        ClusterStyle(
            fill=fills[k % len(fills)],
            line=darkened(fills[k % len(fills)]),
            dash=DASHES[(k + k // len(fills)) % len(DASHES)] if is_many else DASHES[0],
            number=str(k),
        )
        for k in range(n_clusters)
    )


def rgb(colors: Sequence[str]) -> FloatArray:
    """Return "#rrggbb" colors as numbers in [0, 1], (n, 3)."""
    return np.array([list(bytes.fromhex(color[1:])) for color in colors]) / 255


def contrast_on_white(color: str) -> float:
    """Return the contrast ratio of WCAG 2.2 against white: 1 to 21."""
    channels = rgb([color])[0]
    linear = np.where(
        channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
    )
    luminance = float(linear @ [0.2126, 0.7152, 0.0722])
    return 1.05 / (luminance + 0.05)


def darkened(color: str) -> str:
    """Return the color, darkened just as far as a line on white needs."""
    channels = rgb([color])[0]
    for share in np.linspace(1, 0, 101):
        candidate = _hex(channels * share)
        if contrast_on_white(candidate) >= LINE_CONTRAST:
            return candidate
    raise AssertionError("black has enough contrast")


def _hex(channels: FloatArray) -> str:
    return "#" + bytes(np.round(channels * 255).astype(int).tolist()).hex()
