"""Rows under a mixture: which component has which part of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmm_engine.frame import Frame
from gmm_engine.kernels.density import Parameters, prepare
from gmm_engine.kernels.dispatch import kernel_for
from gmm_engine.search.samples import spread_indices
from gmm_engine.types import FloatArray

# Rows of which a component has less than this part do not concern it.
LEAST_PART = 1e-3
# Rows for each parameter that are looked at, and the fewest.
_ROWS_PER_PARAMETER, _FEWEST_ROWS = 10, 2_000


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """Rows under a mixture, in its frame."""

    parameters: Parameters
    floor: FloatArray
    points: FloatArray
    """(n, D)"""
    weights: FloatArray
    """(n,)"""
    responsibilities: FloatArray
    """(n, K)"""
    log_densities: FloatArray
    """(n,)"""

    @classmethod
    def of(
        cls,
        parameters: Parameters,
        floor: FloatArray,
        points: FloatArray,
        weights: FloatArray,
        rng: np.random.Generator,
    ) -> Posterior:
        """Return some of the rows under `parameters`, all where they are not many."""
        n_parameters = parameters.means.size + parameters.covariances.size
        most = max(_FEWEST_ROWS, _ROWS_PER_PARAMETER * n_parameters)
        n_rows = len(points) // -(-len(points) // most)
        # Not every so-manieth: rows may come in turns.
        chosen = spread_indices(len(points), n_rows, rng)
        points, weights = points[chosen], weights[chosen]
        responsibilities = np.empty((len(points), parameters.n_components))
        log_densities = np.empty(len(points))
        # The points are in their frame already.
        frame = Frame.identity(parameters.n_features)
        kernel = kernel_for(prepare(parameters, frame))
        kernel.posterior(points, log_densities, responsibilities)
        return cls(parameters, floor, points, weights, responsibilities, log_densities)
