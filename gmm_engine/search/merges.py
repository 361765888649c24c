"""Merges of two components into one, and what they lose."""

from __future__ import annotations

import numpy as np

from gmm_engine.covariance import Moments
from gmm_engine.kernels.density import LOG_TWO_PI, Parameters
from gmm_engine.search.changes import Change, kept_of, pooled_gain
from gmm_engine.search.posterior import LEAST_PART, Posterior
from gmm_engine.types import FloatArray, IntArray

# Pairs are looked at together where they and their rows are no more numbers: 1 MB.
_PAIRED_NUMBERS = 1 << 17


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
            -pooled_gain(posterior, shares[p], pairs[p], totals[p], sign=-1)
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
        merged = kept_of(matrices, structure)
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
    parts[parts <= LEAST_PART] = 0.0
    terms = np.log(np.maximum(parts, LEAST_PART))
    terms += posterior.log_densities[:, None]
    terms *= parts
    return posterior.weights @ terms, posterior.weights @ parts
