"""Where the parts of a picture lie, in whole pixels."""

from __future__ import annotations

from dataclasses import dataclass

DESIGN_WIDTH, DESIGN_HEIGHT, DESIGN_DPI = 640, 480, 100.0


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle; `left` and `bottom` count from the lower left corner."""

    left: int
    bottom: int
    width: int
    height: int

    @property
    def top(self) -> int:
        return self.bottom + self.height

    @property
    def right(self) -> int:
        return self.left + self.width


@dataclass(frozen=True, slots=True)
class Layout:
    """A title line, the plot, a strip for progress and a footer, top to bottom.

    Sizes are those of the 640 × 480 design, scaled with the picture, text included.
    """

    width: int
    height: int

    @property
    def scale(self) -> float:
        return min(self.width / DESIGN_WIDTH, self.height / DESIGN_HEIGHT)

    @property
    def dpi(self) -> float:
        return DESIGN_DPI * self.scale

    @property
    def title_baseline(self) -> int:
        return self.height - self.scaled(22)

    @property
    def footer_baseline(self) -> int:
        return self.scaled(7)

    @property
    def plot(self) -> Box:
        left, right = self.scaled(62), self.scaled(16)
        below, above = self.scaled(128), self.scaled(36)
        return Box(left, below, self.width - left - right, self.height - below - above)

    @property
    def strip(self) -> Box:
        return Box(self.plot.left, self.scaled(39), self.plot.width, self.scaled(41))

    def scaled(self, length: float) -> int:
        """Return a length of the 640 × 480 design in pixels of this picture."""
        return round(length * self.scale)
