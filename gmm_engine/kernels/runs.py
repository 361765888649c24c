"""Short runs of EM, and what leads to them, in one compiled call each.

For few rows that is many times faster than iterations one by one, and needs no lock of
the interpreter: threads run side by side.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gmm_engine.covariance import CovarianceStructure
from gmm_engine.frame import Frame
from gmm_engine.kernels import compiled
from gmm_engine.kernels.density import Parameters
from gmm_engine.kernels.layout import (
    NO_FLOATS,
    Layout,
    padded_floor,
    read_only,
    tile_for,
)
from gmm_engine.types import FloatArray, IntArray


class ShortRun(NamedTuple):
    """Where a run in compiled code ended; None where a component collapsed."""

    parameters: Parameters | None
    log_likelihoods: FloatArray


def short_run(
    start: Parameters,
    frame: Frame,
    floor: FloatArray,
    rows: FloatArray,
    weights: FloatArray | None,
    n_iter: int,
    tol: float,
) -> ShortRun:
    """Return where plain EM leads in n_iter iterations, or until it gains below tol.

    Log-likelihoods are in the frame.
    """
    layout = Layout(start.structure, start.n_components, start.n_features)
    packed = layout.packed(start.weights, start.means, start.covariances)
    log_likelihoods = np.empty(n_iter + 1)
    n_done = compiled.iterate(
        layout.kind,
        tile_for(start.n_features),
        read_only(rows),
        read_only(NO_FLOATS if weights is None else weights),
        read_only(frame.center),
        read_only(frame.scale),
        padded_floor(floor),
        n_iter,
        tol,
        *packed,
        log_likelihoods,
    )
    if n_done < 0:
        return ShortRun(None, log_likelihoods[:0])
    return ShortRun(layout.unpacked(*packed), log_likelihoods[:n_done])


def start_of_labels(
    points: FloatArray,
    weights: FloatArray,
    labels: IntArray,
    n_components: int,
    structure: CovarianceStructure,
) -> Parameters:
    """Return the parameters of labelled points; see `compiled.start_of_labels`."""
    layout = Layout(structure, n_components, points.shape[1])
    packed = layout.empty()
    compiled.start_of_labels(
        layout.kind, read_only(points), read_only(weights), labels, *packed
    )
    return layout.unpacked(*packed)


def runs_from_k_means(
    points: FloatArray,
    scaled: FloatArray,
    weights: FloatArray,
    uniforms: FloatArray,
    n_lloyd: int,
    structure: CovarianceStructure,
    floor: FloatArray,
    n_iter: int,
    tol: float,
) -> tuple[list[tuple[Parameters, ShortRun]], int]:
    """Return starts by k-means++ of the scaled points, and where short runs lead.

    Each has its `uniforms` (S, K, candidates). Also returns how many seeds are
    distinct; there are no starts if that is fewer than K.
    """
    n_starts, n_components, _ = uniforms.shape
    n_features = points.shape[1]
    layout = Layout(structure, n_components, n_features)
    frame = Frame.identity(n_features)
    starts, ends = layout.empty(n_starts), layout.empty(n_starts)
    log_likelihoods = np.empty((n_starts, n_iter + 1))
    n_done = np.empty(n_starts, dtype=np.int64)
    n_distinct: int = compiled.runs_from_k_means(
        layout.kind,
        tile_for(n_features),
        read_only(points),
        read_only(scaled),
        read_only(weights),
        uniforms,
        n_lloyd,
        read_only(frame.center),
        read_only(frame.scale),
        padded_floor(floor),
        n_iter,
        tol,
        starts,
        ends,
        log_likelihoods,
        n_done,
    )
    if n_distinct < n_components:
        return [], n_distinct
    runs = [
        (
            layout.unpacked(*(array[s] for array in starts)),
            ShortRun(
                layout.unpacked(*(array[s] for array in ends)) if n > 0 else None,
                log_likelihoods[s, : max(n, 0)],
            ),
        )
        for s, n in enumerate(n_done)
    ]
    return runs, n_distinct


class Parts(NamedTuple):
    """Rows of some components, one component after the other."""

    points: FloatArray
    """(n, D)"""
    weights: FloatArray
    """(n,): of the rows, times the component's part of them."""
    bounds: IntArray
    """(C, 2): where each component's rows begin and end."""
    log_likelihoods: FloatArray
    """(C,): what each component adds to the log-likelihood, nats."""


def parts_of(
    points: FloatArray,
    weights: FloatArray,
    responsibilities: FloatArray,
    log_densities: FloatArray,
    components: IntArray,
    least: float,
) -> Parts:
    """Return the rows of which each component has more than a `least` part."""
    n_rows = int((responsibilities[:, components] > least).sum())
    own_points, own_weights = np.empty((n_rows, points.shape[1])), np.empty(n_rows)
    ends = np.empty(len(components), dtype=np.int64)
    log_likelihoods = np.empty(len(components))
    compiled.rows_of(
        read_only(points),
        read_only(weights),
        responsibilities,
        log_densities,
        components,
        least,
        own_points,
        own_weights,
        ends,
        log_likelihoods,
    )
    bounds = np.stack([np.concatenate([[0], ends[:-1]]), ends], axis=1)
    return Parts(own_points, own_weights, bounds, log_likelihoods)


def axis_moments(
    parts: Parts, means: FloatArray, axes: FloatArray, most: float
) -> tuple[FloatArray, FloatArray]:
    """Return Σ w s² and Σ w s⁴ of s = (x - mean) @ axes; s² counts at most `most`.

    Means (C, D) and axes (C, D, D) to moments (C, D).
    """
    seconds, fourths = np.empty(means.shape), np.empty(means.shape)
    compiled.axis_moments(
        read_only(parts.points),
        read_only(parts.weights),
        parts.bounds,
        means,
        axes,
        most,
        seconds,
        fourths,
    )
    return seconds, fourths


def runs_on_parts(
    parts: Parts,
    owners: IntArray,
    weights: FloatArray,
    means: FloatArray,
    covariances: FloatArray,
    structure: CovarianceStructure,
    floor: FloatArray,
    n_iter: int,
) -> list[tuple[Parameters, float]]:
    """Return where short runs lead from mixtures of the parts' rows, and how high.

    The s-th start, of weights (S, K), means (S, K, D) and covariances (S, ...), has the
    rows of part owners[s]. The log-likelihood is minus infinity after a collapse.
    """
    n_starts, n_components, n_features = means.shape
    layout = Layout(structure, n_components, n_features)
    frame = Frame.identity(n_features)
    packed = layout.packed(weights, means, covariances)
    log_likelihoods = np.empty(n_starts)
    compiled.runs_on_parts(
        layout.kind,
        tile_for(n_features),
        read_only(parts.points),
        read_only(parts.weights),
        parts.bounds[owners],
        read_only(frame.center),
        read_only(frame.scale),
        padded_floor(floor),
        n_iter,
        *packed,
        log_likelihoods,
    )
    return [
        (layout.unpacked(*(array[s] for array in packed)), float(log_likelihoods[s]))
        for s in range(n_starts)
    ]


def k_means(
    points: FloatArray,
    weights: FloatArray,
    uniforms: FloatArray,
    n_iter: int,
) -> tuple[IntArray, int]:
    """Return labels by k-means++ and Lloyd's steps, and how many seeds are distinct.

    `uniforms` are (K, candidates).
    """
    centers = np.empty((len(uniforms), points.shape[1]))
    labels = np.zeros(len(points), dtype=np.int64)
    n_distinct = compiled.k_means(
        read_only(points), read_only(weights), uniforms, n_iter, centers, labels
    )
    return labels, n_distinct
