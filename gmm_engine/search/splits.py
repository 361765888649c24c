"""Splits of one component into two, and what they gain."""

from __future__ import annotations

import math
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from gmm_engine.covariance import CovarianceStructure, Moments
from gmm_engine.kernels.density import Parameters
from gmm_engine.kernels.dispatch import compiled_runs
from gmm_engine.search.changes import Change, kept_of, pooled_gain
from gmm_engine.search.posterior import LEAST_PART, Posterior
from gmm_engine.team import Team
from gmm_engine.types import FloatArray, IntArray

if TYPE_CHECKING:
    from gmm_engine.kernels.runs import Parts

# How many iterations a component's two halves are given to find their places.
_LOCAL_ITERATIONS = 6
# Components are split together while they take no more numbers than this, 16 MB: their
# rows, and some matrices for each.
_TOGETHER, _MATRICES = 1 << 21, 16
_GROUPS_EACH = 2
# Rows are not followed to squared distances, in variances, beyond this.
_FAR = 1e6
# A normal distribution's kurtosis; that of two heaps is less, and that of a core in a
# halo more. A thousand normal rows hardly ever leave these bounds.
_NORMAL, _TWO_HEAPS, _HEAVY_TAILS = 3.0, 2.6, 3.5
# Halves of a normal distribution lie 0.8 deviations from its centre.
_HALF = 0.8


def likely_splits(posterior: Posterior, team: Team) -> list[Change]:
    """Return the best way found to make two components of each, in their order."""
    mixture = posterior.parameters
    numbers = posterior.points.size + _MATRICES * mixture.n_features**2
    n_groups = math.ceil(mixture.n_components * numbers / _TOGETHER)
    # Components differ in their rows: so each thread has some groups.
    n_groups = max(n_groups, 1 if team.size == 1 else _GROUPS_EACH * team.size)
    groups = np.array_split(
        np.arange(mixture.n_components), min(mixture.n_components, n_groups)
    )
    return list(
        chain.from_iterable(team.map(lambda some: _splits(posterior, some), groups))
    )


def _splits(posterior: Posterior, components: IntArray) -> list[Change]:
    """Return the best split of each of some components that has rows enough."""
    mixture, structure = posterior.parameters, posterior.parameters.structure
    parts = _parts_of(posterior, components)
    # Each half has to hold enough rows for a covariance of its own.
    n_rows = parts.bounds[:, 1] - parts.bounds[:, 0]
    enough = n_rows >= 2 * (mixture.n_features + 2)
    components = components[enough]
    if not len(components):
        return []
    parts = parts._replace(
        bounds=parts.bounds[enough], log_likelihoods=parts.log_likelihoods[enough]
    )
    owners, means, matrices = _halves(mixture, components, parts)
    runs = compiled_runs().runs_on_parts(
        parts,
        owners,
        np.full((len(owners), 2), 0.5),
        means,
        _covariances(matrices, structure),
        structure,
        posterior.floor,
        _LOCAL_ITERATIONS,
    )
    best: dict[int, Change] = {}
    for owner, (ended, log_likelihood) in zip(owners.tolist(), runs, strict=True):
        k = int(components[owner])
        change = _change(posterior, k, parts, owner, ended, log_likelihood)
        if change.gain > (best[k].gain if k in best else -np.inf):
            best[k] = change
    return [best[k] for k in sorted(best)]


def _parts_of(posterior: Posterior, components: IntArray) -> Parts:
    parts: Parts = compiled_runs().parts_of(
        posterior.points,
        posterior.weights,
        posterior.responsibilities,
        posterior.log_densities,
        components,
        LEAST_PART,
    )
    return parts


def _change(
    posterior: Posterior,
    k: int,
    parts: Parts,
    owner: int,
    ended: Parameters,
    log_likelihood: float,
) -> Change:
    """Return the change of component k to what two in its place have become."""
    mixture, structure = posterior.parameters, posterior.parameters.structure
    begin, end = parts.bounds[owner]
    total = float(parts.weights[begin:end].sum())
    gain = log_likelihood
    if structure.moments is not Moments.POOLED:
        gain += total * math.log(mixture.weights[k]) - parts.log_likelihoods[owner]
    elif gain > -np.inf:
        gain = pooled_gain(posterior, ended.weights, ended.means, total)
    shares = Parameters(
        ended.weights * mixture.weights[k], ended.means, ended.covariances, structure
    )
    return Change((k,), shares, float(gain))


def _halves(
    mixture: Parameters, components: IntArray, parts: Parts
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return pairs that may take components' places.

    Side by side along its longest axis, and along that on which the rows look most like
    two heaps, by their kurtosis; and a core within a halo. Returns for each pair the
    place of its component, and means (S, 2, D) and covariances (S, 2, D, D).
    """
    structure = mixture.structure
    means = mixture.means[components]
    matrices = structure.expand(
        mixture.covariances, mixture.n_components, mixture.n_features
    )[components]
    eigenvalues, axes = np.linalg.eigh(matrices)
    lengths = np.sqrt(np.maximum(eigenvalues, 0.0))
    kurtosis = _kurtosis(parts, means, axes / np.maximum(lengths, 1e-300)[:, None, :])
    everyone = np.arange(len(components))
    flattest = kurtosis.argmin(axis=1)
    longest = np.full_like(flattest, mixture.n_features - 1)
    heaped = (kurtosis.min(axis=1) < _TWO_HEAPS) & (flattest != longest)
    cored = np.flatnonzero(kurtosis.mean(axis=1) > _HEAVY_TAILS)
    owners = np.concatenate([everyone, everyone[heaped]])
    axis = np.concatenate([longest, flattest[heaped]])
    offsets = _HALF * lengths[owners, axis, None] * axes[owners, :, axis]
    pair = np.array([-1.0, 1.0])[:, None]
    smaller = matrices[owners] - 0.9 * offsets[:, :, None] * offsets[:, None, :]
    widths = np.array([0.25, 2.0])[:, None, None]
    return (
        np.concatenate([owners, cored]),
        np.concatenate(
            [
                means[owners, None] + pair * offsets[:, None],
                np.repeat(means[cored, None], 2, axis=1),
            ]
        ),
        np.concatenate(
            [
                np.repeat(smaller[:, None], 2, axis=1),
                widths * matrices[cored, None],
            ]
        ),
    )


def _kurtosis(parts: Parts, means: FloatArray, axes: FloatArray) -> FloatArray:
    """Return the kurtosis of each component's rows along its axes, (C, D)."""
    squares, fourths = compiled_runs().axis_moments(parts, means, axes, _FAR)
    totals = np.array([parts.weights[first:last].sum() for first, last in parts.bounds])
    kurtosis = np.full(squares.shape, _NORMAL)
    wide = squares > 1e-100
    np.divide(totals[:, None] * fourths, squares * squares, out=kurtosis, where=wide)
    return kurtosis


def _covariances(matrices: FloatArray, structure: CovarianceStructure) -> FloatArray:
    """Return what the structure keeps of pairs of covariances, (S, 2, D, D)."""
    if structure.moments is Moments.POOLED:
        return np.asarray(matrices.mean(axis=1))
    return kept_of(matrices, structure)
