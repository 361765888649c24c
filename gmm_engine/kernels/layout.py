"""How the compiled loops want their arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmm_engine.covariance import CovarianceStructure, Moments
from gmm_engine.kernels import compiled
from gmm_engine.kernels.density import Parameters
from gmm_engine.types import FloatArray

KINDS = {
    Moments.FULL: compiled.FULL,
    Moments.POOLED: compiled.POOLED,
    Moments.DIAGONAL: compiled.DIAGONAL,
    Moments.TRACE: compiled.TRACE,
}
# Stands for weights where there are none.
NO_FLOATS = np.empty(0)


@dataclass(frozen=True, slots=True)
class Layout:
    """How the compiled loops keep parameters: padded, and covariances as (., P, P).

    An array may have further axes in front, for several mixtures.
    """

    structure: CovarianceStructure
    n_components: int
    n_features: int

    @property
    def kind(self) -> int:
        return KINDS[self.structure.moments]

    def _sizes(self, n_features: int) -> tuple[int, int, int]:
        return {
            compiled.FULL: (self.n_components, n_features, n_features),
            compiled.POOLED: (1, n_features, n_features),
            compiled.DIAGONAL: (self.n_components, 1, n_features),
            compiled.TRACE: (self.n_components, 1, 1),
        }[self.kind]

    def empty(self, *leading: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return room for weights, means and covariances, with zeros for padding."""
        n_padded = padded(self.n_features)
        return (
            np.empty((*leading, self.n_components)),
            np.zeros((*leading, self.n_components, n_padded)),
            np.zeros((*leading, *self._sizes(n_padded))),
        )

    def packed(
        self, weights: FloatArray, means: FloatArray, covariances: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return copies of the arrays, padded."""
        leading = weights.shape[:-1]
        packed = self.empty(*leading)
        sizes = self._sizes(self.n_features)
        packed[0][:] = weights
        packed[1][..., : self.n_features] = means
        own = packed[2][..., : sizes[1], : sizes[2]]
        own[:] = covariances.reshape((*leading, *sizes))
        return packed

    def unpacked(
        self, weights: FloatArray, means: FloatArray, covariances: FloatArray
    ) -> Parameters:
        """Return copies of what the arrays of one mixture hold."""
        n = self.n_features
        sizes = self._sizes(n)
        own = np.array(covariances[:, : sizes[1], : sizes[2]], order="C")
        return Parameters(
            weights.copy(),
            np.array(means[:, :n], order="C"),
            own.reshape(self.structure.shape(self.n_components, n)),
            self.structure,
        )


def padded(n_features: int) -> int:
    """Return the next multiple of four."""
    return -(-n_features // 4) * 4


def padded_floor(floor: FloatArray) -> FloatArray:
    """Return the floor (P,), with zeros for padding."""
    result = np.zeros(padded(len(floor)))
    result[: len(floor)] = floor
    return read_only(result)


def tile_for(n_features: int) -> int:
    """Return how many rows keep a tile in the cache that suits it, as measured.

    Few features: longer, against the cost of starting loops. Else so many that sixteen
    features fit the first-level cache; and an odd multiple of 32 rows, since the
    features of a group of rows would share a fraction of that cache's places if they
    lay a power of two apart.
    """
    return 544 if n_features <= compiled.FEW else 288


def read_only(array: FloatArray) -> FloatArray:
    """Return a view that numba always sees as one type, whatever the caller's flags."""
    view = array.view()
    view.flags.writeable = False
    return view
