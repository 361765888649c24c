"""What stands still around the data: frames, ticks, grids and labels."""

from __future__ import annotations

from typing import Literal

from matplotlib.axes import Axes

from service.rendering.figures.text import FONT
from service.rendering.geometry.ticks import Ticks
from service.rendering.palettes import FRAME, GRID, INK, QUIET_INK

TICK_SIZE = 7.5
LABEL_SIZE = 8.5


def style_frame(axes: Axes) -> None:
    """Leave the left and the lower line, and put everything still behind the data."""
    axes.set_axisbelow(True)
    axes.patch.set_visible(False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set(color=FRAME, linewidth=0.8)
    axes.tick_params(
        color=FRAME,
        width=0.8,
        length=3,
        pad=2.5,
        labelcolor=QUIET_INK,
        labelsize=TICK_SIZE,
        labelfontfamily=FONT,
    )


def label_axis(axes: Axes, which: Literal["x", "y"], name: str, ticks: Ticks) -> None:
    """Write the ticks and the name, which never is read as TeX, along one side."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_ticks(list(ticks.positions), list(ticks.labels))
    axis.grid(visible=True, color=GRID, linewidth=0.8)
    title = f"{name}  ({ticks.note})" if ticks.note else name
    axis.set_label_text(
        title, size=LABEL_SIZE, color=INK, family=FONT, parse_math=False
    )
    axis.labelpad = 3
