"""Splits of one component into two, and what they gain."""

from __future__ import annotations

import math
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from gmm_engine.covariance import CovarianceStructure, Moments
from gmm_engine.kernels.density import Parameters
from gmm_engine.kernels.dispatch import compiled_kernels
from gmm_engine.search.changes import Change, kept_of, pooled_gain
from gmm_engine.search.posterior import LEAST_PART, Posterior
from gmm_engine.team import Team
from gmm_engine.types import FloatArray, IntArray

if TYPE_CHECKING:
    from gmm_engine.kernels.fast import Parts

# How many iterations a component's two halves are given to find their places.
_LOCAL_ITERATIONS = 6
# Components are split together while their rows are no more numbers than this: 8 MB.
_TOGETHER = 1 << 20
# Rows are not followed to squared distances, in variances, beyond this.
_FAR = 1e6
# A normal distribution's kurtosis; that of two heaps is less, and that of a core in a
# halo more. A thousand normal rows hardly ever leave these bounds.
_NORMAL, _TWO_HEAPS, _HEAVY_TAILS = 3.0, 2.6, 3.5
# Halves of a normal distribution lie 0.8 deviations from its centre.
_HALF = 0.8


def likely_splits(posterior: Posterior, team: Team) -> list[Change]:
    """Return the best way found to make two components of each."""
    n_components = posterior.parameters.n_components
    n_groups = max(
        team.size, math.ceil(posterior.points.size * n_components / _TOGETHER)
    )
    groups = np.array_split(np.arange(n_components), min(n_components, n_groups))
    return list(
        chain.from_iterable(team.map(lambda some: _splits(posterior, some), groups))
    )


def _splits(posterior: Posterior, components: IntArray) -> list[Change]:
    """Return the best split of each of some components that has rows enough."""
    mixture, structure = posterior.parameters, posterior.parameters.structure
    parts: Parts = compiled_kernels().parts_of(
        posterior.points,
        posterior.weights,
        posterior.responsibilities,
        posterior.log_densities,
        components,
        LEAST_PART,
    )
    owners, means, matrices = _halves(mixture, components, parts)
    # Each half has to hold enough rows for a covariance of its own.
    n_rows = (parts.bounds[:, 1] - parts.bounds[:, 0])[owners]
    enough = n_rows >= 2 * (mixture.n_features + 2)
    owners, means, matrices = owners[enough], means[enough], matrices[enough]
    runs = compiled_kernels().runs_on_parts(
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
        if log_likelihood == -np.inf:
            continue
        k = int(components[owner])
        begin, end = parts.bounds[owner]
        total = float(parts.weights[begin:end].sum())
        if structure.moments is Moments.POOLED:
            gain = pooled_gain(posterior, ended.weights, ended.means, total)
        else:
            own = total * math.log(mixture.weights[k])
            gain = log_likelihood + own - float(parts.log_likelihoods[owner])
        if k not in best or gain > best[k].gain:
            shares = Parameters(
                ended.weights * mixture.weights[k],
                ended.means,
                ended.covariances,
                structure,
            )
            best[k] = Change((k,), shares, gain)
    return list(best.values())


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
    squares, fourths = compiled_kernels().axis_moments(parts, means, axes, _FAR)
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
