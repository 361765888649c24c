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
# Pairs are looked at together where they and their rows are no more numbers: 1 MB.
_PAIRED_NUMBERS = 1 << 17
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


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """Components to be replaced by others, and what that gains, in nats."""

    replaced: tuple[int, ...]
    parameters: Parameters
    """Weights are shares of the whole mixture."""
    gain: float


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A component, the rows that concern it, and pairs that may take its place."""

    posterior: Posterior
    component: int
    points: FloatArray
    weights: FloatArray
    """Of the rows, times the component's part of them."""
    before: float
    """What the component adds to the log-likelihood, nats."""
    starts: list[Parameters]


def cut_of(posterior: Posterior, k: int) -> Cut | None:
    """Return what splitting component k needs, None where it has too few rows."""
    mixture = posterior.parameters
    points, weights, before = compiled_kernels().rows_of(
        posterior.points,
        posterior.weights,
        posterior.responsibilities,
        posterior.log_densities,
        k,
        _LEAST_PART,
    )
    # Each half has to hold enough rows for a covariance of its own.
    if len(points) < 2 * (mixture.n_features + 2):
        return None
    starts = _halves(mixture, k, points, weights)
    return Cut(posterior, k, points, weights, before, starts)


def best_split(cut: Cut) -> Change | None:
    """Return the best way found to make two components of one."""
    posterior, k = cut.posterior, cut.component
    mixture, weights = posterior.parameters, cut.weights
    frame = _identity(mixture.n_features)
    changes = []
    for start in cut.starts:
        run = compiled_kernels().short_run(
            start, frame, posterior.floor, cut.points, weights, _LOCAL_ITERATIONS, 0.0
        )
        if run.parameters is None:
            continue
        ended = run.parameters
        if mixture.structure.moments is Moments.POOLED:
            gain = _pooled_gain(posterior, ended.weights, ended.means, weights.sum())
        else:
            own = weights.sum() * np.log(mixture.weights[k])
            gain = float(run.log_likelihoods[-1] + own - cut.before)
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
    squares, fourths = compiled_kernels().axis_moments(
        points, weights, one.means[0], axes / np.maximum(lengths, 1e-300), _FAR
    )
    kurtosis = np.full(len(lengths), _NORMAL)
    wide = squares > 1e-100
    kurtosis[wide] = weights.sum() * fourths[wide] / squares[wide] ** 2
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
    first, second = first[order], second[order]
    # Some pairs at a time, so that it takes little memory.
    n_numbers = len(parts) + posterior.parameters.n_features**2
    size = max(1, _PAIRED_NUMBERS // n_numbers)
    changes = []
    for start in range(0, len(order), size):
        some = slice(start, start + size)
        changes += _merges(posterior, first[some], second[some])
    return changes


def _merges(posterior: Posterior, first: IntArray, second: IntArray) -> list[Change]:
    """Return the merges of some pairs; arrays below have an entry for each."""
    mixture, structure = posterior.parameters, posterior.parameters.structure
    before, totals = _before_merging(posterior, first, second)
    weights = np.stack([mixture.weights[first], mixture.weights[second]], axis=1)
    weight = weights.sum(axis=1)
    shares = weights / weight[:, None]
    pairs = np.stack([mixture.means[first], mixture.means[second]], axis=1)
    means = np.einsum("pk,pki->pi", shares, pairs)
    if structure.moments is Moments.POOLED:
        covariances = [mixture.covariances] * len(first)
        gains = [
            -_pooled_gain(posterior, shares[p], pairs[p], totals[p], sign=-1)
            for p in range(len(first))
        ]
    else:
        apart = pairs - means[:, None]
        matrices = np.einsum("pk,pki,pkj->pij", shares, apart, apart)
        for place, side in enumerate((first, second)):
            theirs = structure.expand(
                mixture.covariances[side], len(side), mixture.n_features
            )
            matrices += shares[:, place, None, None] * theirs
        merged = _as_covariances(matrices, np.ones(len(first)), mixture)
        covariances = list(merged[:, None])
        # At the moments of the rows the mean squared distance is the number of
        # features.
        _, halves = structure.whiten(merged, mixture.n_features)
        squares = mixture.n_features * (LOG_TWO_PI + 1) - 2 * halves
        gains = list(totals * (np.log(weight) - 0.5 * squares) - before)
    return [
        Change(
            (int(first[p]), int(second[p])),
            Parameters(weight[p : p + 1], means[p : p + 1], covariances[p], structure),
            float(gains[p]),
        )
        for p in range(len(first))
    ]


def _before_merging(
    posterior: Posterior, first: IntArray, second: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return what each pair adds to the log-likelihood, and how many rows it has."""
    parts = posterior.responsibilities[:, first] + posterior.responsibilities[:, second]
    parts[parts <= _LEAST_PART] = 0.0
    terms = np.log(np.maximum(parts, _LEAST_PART))
    terms += posterior.log_densities[:, None]
    terms *= parts
    return posterior.weights @ terms, posterior.weights @ parts


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
