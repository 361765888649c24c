"""Where EM starts: points of a sample chosen as centres, and what follows from them.

All of this happens on rows in memory, in the frame's coordinates: a sample of the
data where they are many.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gmm_engine.covariance import CovarianceStructure
from gmm_engine.errors import InvalidArgumentError
from gmm_engine.kernels.density import Parameters
from gmm_engine.kernels.dispatch import compiled_runs
from gmm_engine.kernels.reference import moments_about
from gmm_engine.statistics import scatter_about_means
from gmm_engine.types import AnyArray, FloatArray, IntArray
from gmm_engine.validation import require_enough_rows

LLOYD_ITERATIONS = 3

Initialization = Callable[[FloatArray, FloatArray, int, np.random.Generator], AnyArray]
"""(points, sample weights, n_components, rng) → labels (n,) or responsibilities (K, n),
the latter times the weights."""


def k_means_plus_plus(
    points: FloatArray, weights: FloatArray, n_components: int, rng: np.random.Generator
) -> AnyArray:
    """Return labels from k-means++ seeds and a few Lloyd iterations.

    References
    ----------
    Arthur & Vassilvitskii (2007), k-means++: the advantages of careful seeding; with
    the best of a few candidates for each seed, as in scikit-learn.
    """
    labels, n_distinct = compiled_runs().k_means(
        points, weights, k_means_uniforms(n_components, rng), LLOYD_ITERATIONS
    )
    if n_distinct < n_components:
        require_enough_rows(n_components, n_distinct, distinct=True)
    return np.asarray(labels)


def k_means_uniforms(n_components: int, rng: np.random.Generator) -> FloatArray:
    """Return the random numbers of k-means++, (K, candidates for each seed)."""
    return rng.random((n_components, 2 + int(np.log(n_components))))


def random_points(
    points: FloatArray, weights: FloatArray, n_components: int, rng: np.random.Generator
) -> AnyArray:
    """Return labels of the rows nearest to randomly drawn rows."""
    chosen: list[int] = []
    available = weights.copy()
    while len(chosen) < n_components:
        if not available.sum() > 0:
            require_enough_rows(n_components, len(chosen), distinct=True)
        index = int(_draw(available, 1, rng)[0])
        chosen.append(index)
        # Equal rows would make equal components, which EM can never part.
        available[(points == points[index]).all(axis=1)] = 0.0
    distances = np.stack([((points - points[i]) ** 2).sum(axis=1) for i in chosen])
    return np.asarray(distances.argmin(axis=0))


def random_responsibilities(
    points: FloatArray, weights: FloatArray, n_components: int, rng: np.random.Generator
) -> AnyArray:
    """Return responsibilities drawn uniformly from the simplex for each row."""
    drawn = rng.standard_exponential((n_components, len(points)))
    return np.asarray(drawn / drawn.sum(axis=0) * weights)


INITIALIZATIONS: dict[str, Initialization] = {
    "k-means++": k_means_plus_plus,
    "random_points": random_points,
    "random_responsibilities": random_responsibilities,
}


def initialization_of(init: object) -> Initialization:
    """Return the initialization called `init`."""
    if isinstance(init, str) and init in INITIALIZATIONS:
        return INITIALIZATIONS[init]
    raise InvalidArgumentError(
        f"expected init to be one of {', '.join(INITIALIZATIONS)}; got {init!r}",
        argument="init",
    )


def start_from(
    points: FloatArray,
    weights: FloatArray,
    assignment: AnyArray,
    n_components: int,
    structure: CovarianceStructure,
    floor: FloatArray,
) -> Parameters:
    """Return parameters for an automatic start from what an initialization returns.

    From labels, components with few rows borrow from the others; from responsibilities
    each has its part of all rows.
    """
    if assignment.ndim == 1:
        start = compiled_runs().start_of_labels(
            points, weights, assignment, n_components, structure
        )
    else:
        counts = assignment.sum(axis=1)
        means = assignment @ points / counts[:, None]
        statistics = moments_about(points, assignment, means, structure.moments)
        scatter = scatter_about_means(statistics, counts, structure.moments)
        covariances = structure.estimate(scatter, counts, points.shape[1])
        start = Parameters(counts / counts.sum(), means, covariances, structure)
    return above_floor(start, floor)


def above_floor(start: Parameters, floor: FloatArray) -> Parameters:
    """Return the start with covariances not below diag(floor)."""
    covariances, _ = start.structure.repair(start.covariances, floor)
    return replace(start, covariances=covariances)


def hard_responsibilities(labels: IntArray, n_components: int) -> FloatArray:
    """Return (K, n) with a one where the label is."""
    return np.asarray(labels == np.arange(n_components)[:, None], dtype=np.float64)


def _draw(weights: FloatArray, size: int, rng: np.random.Generator) -> IntArray:
    """Return indices drawn with probability proportional to weights."""
    cumulative = np.cumsum(weights)
    drawn = rng.random(size) * cumulative[-1]
    indices = np.searchsorted(cumulative, drawn, side="right")
    return np.asarray(np.minimum(indices, len(weights) - 1), dtype=np.int64)
