"""The coordinates in which EM works: near the origin, with a spread near one.

EM on X + c or X · s is EM on X in another frame, so that squares neither cancel
against a far origin nor overflow. Blocks of rows are brought into the frame one by
one, where they are used; the data are never copied as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmm_engine.types import FloatArray

# Farther out than this a row counts as infinitely far: its square would overflow.
FARTHEST = 1e140


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """The map z = (x - center) / scale; both (n_features,).

    Scales are powers of two, so that dividing by them is exact.
    """

    center: FloatArray
    scale: FloatArray

    @classmethod
    def identity(cls, n_features: int) -> Frame:
        """Return the frame of points that are in their frame already."""
        return cls(np.zeros(n_features), np.ones(n_features))

    def enter(self, rows: FloatArray) -> FloatArray:
        """Return rows of the data in the frame's coordinates."""
        return np.clip((rows - self.center) / self.scale, -FARTHEST, FARTHEST)

    def leave(self, points: FloatArray) -> FloatArray:
        """Return points of the frame in the data's units."""
        return np.asarray(points * self.scale + self.center)

    @property
    def log_volume(self) -> float:
        """Return ln of the data's volume for a unit volume of the frame."""
        return float(np.log(self.scale).sum())


def powers_of_two(spread: FloatArray) -> FloatArray:
    """Return the power of two next to each spread, and one where there is none."""
    _, exponents = np.frexp(np.where(spread > 0, spread, 1.0))
    return np.ldexp(1.0, exponents)
