"""What splitting a component or merging two of them gains, on the rows concerned alone.

Let g be some components, w_n their part of row n's density, and S_n that part before
and S'_n after a change; then

    ln(1 - w_n + w_n S'_n / S_n) >= w_n ln(S'_n / S_n),

since the logarithm is concave. So what changes gain on their own rows, weighted by w_n,
the whole mixture gains at least, and changes to different components add up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gmm_engine.covariance import Moments
from gmm_engine.frame import Frame
from gmm_engine.kernels.density import LOG_TWO_PI, Parameters, prepare
from gmm_engine.kernels.dispatch import compiled_kernels, kernel_for
from gmm_engine.search.samples import spread_indices
from gmm_engine.types import FloatArray, IntArray

# Rows of which a component has less than this part do not concern it.
_LEAST_PART = 1e-3
# How many iterations a component's two halves are given to find their places.
_LOCAL_ITERATIONS = 6
# Rows for each parameter that are looked at, and the fewest.
_ROWS_PER_PARAMETER, _FEWEST_ROWS = 10, 2_000
# Rows are not followed to squared distances, in variances, beyond this.
_FAR = 1e6
# A normal distribution's kurtosis; that of two heaps is less, and that of a core in a
# halo more. A thousand normal rows hardly ever leave these bounds.
_NORMAL, _TWO_HEAPS, _HEAVY_TAILS = 3.0, 2.6, 3.5
# Halves of a normal distribution lie 0.8 deviations from its centre.
_HALF = 0.8


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
        kernel = kernel_for(prepare(parameters, _identity(parameters.n_features)))
        kernel.posterior(points, log_densities, responsibilities)
        return cls(parameters, floor, points, weights, responsibilities, log_densities)

    def log_likelihood_of(self, parts: FloatArray, rows: IntArray) -> float:
        """Return Σ w ln S over some rows, of components that have `parts` of them."""
        terms = np.log(np.maximum(parts, 1e-300)) + self.log_densities[rows]
        return float((self.weights[rows] * parts) @ terms)


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """Components to be replaced by others, and what that gains, in nats."""

    replaced: tuple[int, ...]
    parameters: Parameters
    """Weights are shares of the whole mixture."""
    gain: float


def best_split(posterior: Posterior, k: int) -> Change | None:
    """Return the best way found to make two components of one."""
    mixture = posterior.parameters
    parts = posterior.responsibilities[:, k]
    rows = np.flatnonzero(parts > _LEAST_PART)
    weights = posterior.weights[rows] * parts[rows]
    # Each half has to hold enough rows for a covariance of its own.
    if (weights > 0).sum() < 2 * (mixture.n_features + 2):
        return None
    points = posterior.points[rows]
    before = posterior.log_likelihood_of(parts[rows], rows)
    frame = _identity(mixture.n_features)
    changes = []
    for start in _halves(mixture, k, points, weights):
        run = compiled_kernels().short_run(
            start, frame, posterior.floor, points, weights, _LOCAL_ITERATIONS, 0.0
        )
        if run.parameters is None:
            continue
        ended = run.parameters
        if mixture.structure.moments is Moments.POOLED:
            gain = _pooled_gain(posterior, ended.weights, ended.means, weights.sum())
        else:
            own = weights.sum() * np.log(mixture.weights[k])
            gain = float(run.log_likelihoods[-1] + own - before)
        shares = Parameters(
            ended.weights * mixture.weights[k],
            ended.means,
            ended.covariances,
            ended.structure,
        )
        changes.append(Change((k,), shares, gain))
    return max(changes, key=lambda each: each.gain, default=None)


def _halves(
    mixture: Parameters, k: int, points: FloatArray, weights: FloatArray
) -> list[Parameters]:
    """Return pairs of components in the place of component k.

    Side by side along its longest axis, and along that on which the rows look most like
    two heaps, by their kurtosis; and a core within a halo.
    """
    one = selected(mixture, [k])
    matrix = mixture.structure.expand(one.covariances, 1, mixture.n_features)[0]
    eigenvalues, axes = np.linalg.eigh(matrix)
    lengths = np.sqrt(np.maximum(eigenvalues, 0.0))
    scores = (points - one.means[0]) @ axes / np.maximum(lengths, 1e-300)
    squares = np.minimum(scores * scores, _FAR)
    spreads = weights @ squares
    kurtosis = np.full(len(lengths), _NORMAL)
    wide = spreads > 1e-100
    kurtosis[wide] = (
        weights.sum() * (weights @ (squares * squares))[wide] / spreads[wide] ** 2
    )
    starts = []
    chosen = [len(lengths) - 1]
    if kurtosis.min() < _TWO_HEAPS and kurtosis.argmin() != chosen[0]:
        chosen.append(int(kurtosis.argmin()))
    for axis in chosen:
        offset = _HALF * lengths[axis] * axes[:, axis]
        smaller = matrix - 0.9 * np.outer(offset, offset)
        starts.append(
            (np.stack([one.means[0] - offset, one.means[0] + offset]), [smaller] * 2)
        )
    if kurtosis.mean() > _HEAVY_TAILS:
        starts.append((np.repeat(one.means, 2, axis=0), [matrix / 4, 2 * matrix]))
    halves = np.array([0.5, 0.5])
    return [
        Parameters(
            halves, means, _as_covariances(pair, halves, mixture), mixture.structure
        )
        for means, pair in starts
    ]


def likely_merges(posterior: Posterior) -> list[Change]:
    """Return the merges of pairs that share most rows, and what each loses."""
    parts, weights = posterior.responsibilities, posterior.weights
    overlaps = parts.T @ (parts * weights[:, None])
    sizes = np.sqrt(np.maximum(np.diagonal(overlaps), 1e-300))
    overlaps = overlaps / sizes[:, None] / sizes
    first, second = np.triu_indices(len(overlaps), 1)
    order = np.argsort(-overlaps[first, second])[: len(overlaps)]
    return [_merge(posterior, int(first[p]), int(second[p])) for p in order]


def _merge(posterior: Posterior, i: int, j: int) -> Change:
    mixture = posterior.parameters
    parts = posterior.responsibilities[:, i] + posterior.responsibilities[:, j]
    rows = np.flatnonzero(parts > _LEAST_PART)
    before = posterior.log_likelihood_of(parts[rows], rows)
    total = float(posterior.weights[rows] @ parts[rows])
    pair = selected(mixture, [i, j])
    weight = pair.weights.sum()
    shares = pair.weights / weight
    mean = shares @ pair.means
    matrices = mixture.structure.expand(pair.covariances, 2, mixture.n_features)
    apart = pair.means - mean
    matrix = np.einsum("k,kij->ij", shares, matrices) + (apart.T * shares) @ apart
    one = Parameters(
        np.array([weight]),
        mean[None],
        _as_covariances([matrix], np.array([1.0]), mixture),
        mixture.structure,
    )
    if mixture.structure.moments is Moments.POOLED:
        gain = -_pooled_gain(posterior, shares, pair.means, total, sign=-1)
        return Change((i, j), one, gain)
    # At the moments of the rows the mean squared distance is the number of features.
    squares = mixture.n_features * (LOG_TWO_PI + 1) + _log_determinant(one)
    after = total * (np.log(weight) - 0.5 * squares)
    return Change((i, j), one, after - before)


def _pooled_gain(
    posterior: Posterior,
    shares: FloatArray,
    means: FloatArray,
    count: float,
    sign: int = 1,
) -> float:
    """Return about what two components are better than one, if all share a covariance.

    That covariance loses the spread between the two (or, with sign -1, has gained it
    when they are merged); each of the `count` rows is taken to know its component.
    """
    total = float(posterior.weights.sum())
    apart = means[0] - means[1]
    spread = (count / total) * shares.prod() * np.outer(apart, apart)
    covariance = posterior.parameters.covariances
    before, after = (
        np.linalg.slogdet(covariance),
        np.linalg.slogdet(covariance - sign * spread),
    )
    if after[0] <= 0:
        return -np.inf
    entropy = -float(shares @ np.log(np.maximum(shares, 1e-300)))
    return 0.5 * sign * total * float(before[1] - after[1]) - count * entropy


def _log_determinant(parameters: Parameters) -> float:
    _, halves = parameters.structure.whiten(
        parameters.covariances, parameters.n_features
    )
    return -2 * float(np.ravel(halves)[0])


def selected(mixture: Parameters, components: list[int]) -> Parameters:
    """Return some components; where all share a covariance they still do."""
    covariances = mixture.covariances
    if mixture.structure.moments is not Moments.POOLED:
        covariances = covariances[components]
    return Parameters(
        mixture.weights[components],
        mixture.means[components],
        covariances,
        mixture.structure,
    )


def _as_covariances(
    matrices: Sequence[FloatArray], weights: FloatArray, like: Parameters
) -> FloatArray:
    """Return what the structure keeps of (D, D) covariances."""
    scatter = np.stack(matrices) * weights[:, None, None]
    structure = like.structure
    if structure.moments is Moments.POOLED:
        scatter = scatter.sum(axis=0)
    elif structure.moments is not Moments.FULL:
        scatter = np.diagonal(scatter, axis1=1, axis2=2)
        if structure.moments is Moments.TRACE:
            scatter = scatter.sum(axis=1)
    return structure.estimate(scatter, weights, like.n_features)


def _identity(n_features: int) -> Frame:
    """Return the frame of points that are in their frame already."""
    return Frame(np.zeros(n_features), np.ones(n_features))
