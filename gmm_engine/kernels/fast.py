"""The compiled kernels behind a mixture: packing their arguments, unpacking sums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gmm_engine.covariance import CovarianceStructure, Moments
from gmm_engine.covariance.full import lower_mask
from gmm_engine.frame import Frame
from gmm_engine.kernels import compiled
from gmm_engine.kernels.density import Density, Parameters, operations_per_row
from gmm_engine.statistics import SufficientStatistics
from gmm_engine.types import FloatArray, IntArray

_KINDS = {
    Moments.FULL: compiled.FULL,
    Moments.POOLED: compiled.POOLED,
    Moments.DIAGONAL: compiled.DIAGONAL,
    Moments.TRACE: compiled.TRACE,
}
# Whitened means farther from the origin than this leave too few digits to moments
# about it: the pooled covariance is then gathered component by component.
_FAR = 1e3
_NO_FLOATS = np.empty(0)
_NO_INTS = np.empty(0, dtype=np.int64)
_NO_ROWS = np.empty((0, 0))


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """What the kernel has added up over some rows, in its own layout."""

    log_likelihood: float
    counts: FloatArray
    first: FloatArray
    second: FloatArray

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.log_likelihood + other.log_likelihood,
            self.counts + other.counts,
            self.first + other.first,
            self.second + other.second,
        )


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
        return _KINDS[self.structure.moments]

    def _sizes(self, n_features: int) -> tuple[int, int, int]:
        return {
            compiled.FULL: (self.n_components, n_features, n_features),
            compiled.POOLED: (1, n_features, n_features),
            compiled.DIAGONAL: (self.n_components, 1, n_features),
            compiled.TRACE: (self.n_components, 1, 1),
        }[self.kind]

    def empty(self, *leading: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return room for weights, means and covariances, with zeros for padding."""
        padded = _padded(self.n_features)
        return (
            np.empty((*leading, self.n_components)),
            np.zeros((*leading, self.n_components, padded)),
            np.zeros((*leading, *self._sizes(padded))),
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


def _padded(n_features: int) -> int:
    return -(-n_features // 4) * 4


def _padded_floor(floor: FloatArray) -> FloatArray:
    result = np.zeros(_padded(len(floor)))
    result[: len(floor)] = floor
    return _read_only(result)


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

    Log-likelihoods are in the frame. For few rows this is many times faster than
    iterations one by one, and needs no lock of the interpreter.
    """
    layout = Layout(start.structure, start.n_components, start.n_features)
    packed = layout.packed(start.weights, start.means, start.covariances)
    log_likelihoods = np.empty(n_iter + 1)
    n_done = compiled.iterate(
        layout.kind,
        _tile_for(start.n_features),
        _read_only(rows),
        _read_only(_NO_FLOATS if weights is None else weights),
        _read_only(frame.center),
        _read_only(frame.scale),
        _padded_floor(floor),
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
        layout.kind, _read_only(points), _read_only(weights), labels, *packed
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
        _tile_for(n_features),
        _read_only(points),
        _read_only(scaled),
        _read_only(weights),
        uniforms,
        n_lloyd,
        _read_only(frame.center),
        _read_only(frame.scale),
        _padded_floor(floor),
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
        _read_only(points),
        _read_only(weights),
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
        _read_only(parts.points),
        _read_only(parts.weights),
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
        _tile_for(n_features),
        _read_only(parts.points),
        _read_only(parts.weights),
        parts.bounds[owners],
        _read_only(frame.center),
        _read_only(frame.scale),
        _padded_floor(floor),
        n_iter,
        *packed,
        log_likelihoods,
    )
    return [
        (layout.unpacked(*(array[s] for array in packed)), float(log_likelihoods[s]))
        for s in range(n_starts)
    ]


def ranges(rows: FloatArray) -> tuple[FloatArray, FloatArray, bool]:
    """Return the minima and maxima (D,) of rows, and whether all are finite."""
    minima, maxima = np.empty(rows.shape[1]), np.empty(rows.shape[1])
    is_finite = compiled.ranges(_read_only(rows), minima, maxima)
    return minima, maxima, is_finite


def power_sums(
    rows: FloatArray, weights: FloatArray | None, frame: Frame
) -> tuple[float, FloatArray, FloatArray]:
    """Return the total weight and the weighted sums of z and z², (D,), in a frame."""
    first, second = np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
    compiled.power_sums(
        _read_only(rows),
        _read_only(_NO_FLOATS if weights is None else weights),
        _read_only(frame.center),
        _read_only(frame.scale),
        first,
        second,
    )
    total = float(len(rows)) if weights is None else float(weights.sum())
    return total, first, second


def color(
    samples: FloatArray, labels: IntArray, means: FloatArray, factors: FloatArray
) -> None:
    """Turn standard normal rows into rows of their components, in place."""
    compiled.color(samples, labels, _read_only(means), factors)


def whiten(matrices: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    """Return inverse Cholesky factors of (K, D, D) and ln of their determinants.

    None where a matrix has none, or only just.
    """
    whiteners, log_determinants = np.zeros(matrices.shape), np.empty(len(matrices))
    contiguous = _read_only(np.ascontiguousarray(matrices))
    if compiled.whiten(contiguous, whiteners, log_determinants) >= 0:
        return None
    return whiteners, log_determinants


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
        _read_only(points), _read_only(weights), uniforms, n_iter, centers, labels
    )
    return labels, n_distinct


class Kernel:
    """A density packed for the compiled kernels."""

    def __init__(self, density: Density) -> None:
        self._density = density
        self._kind = _KINDS[density.moments]
        n_components, n_features = density.means.shape
        padded = _padded(n_features)
        means, whiteners = density.means, density.whiteners
        if self._kind == compiled.POOLED:
            whitened = means @ whiteners.T
            if np.abs(whitened).max() > _FAR:
                self._kind = compiled.FULL
                whiteners = np.broadcast_to(
                    whiteners, (n_components, n_features, n_features)
                )
            else:
                means, whiteners = whitened, whiteners[None]
        elif self._kind == compiled.DIAGONAL:
            whiteners = whiteners[:, None, :]
        elif self._kind == compiled.TRACE:
            whiteners = whiteners[:, None, None]
        self._means = np.zeros((n_components, padded))
        self._means[:, :n_features] = means
        shape = tuple(padded if n == n_features else n for n in whiteners.shape[1:])
        if self._kind == compiled.TRACE:
            shape = (1, 1)
        elif self._kind == compiled.DIAGONAL:
            shape = (1, padded)
        self._whiteners = np.zeros((len(whiteners), *shape))
        self._whiteners[:, : whiteners.shape[1], : whiteners.shape[2]] = whiteners
        self._tile = _tile_for(n_features)

    @property
    def cost_per_row(self) -> float:
        """Return about how many operations a row takes."""
        moments = self._density.moments
        if self._kind == compiled.FULL:
            moments = Moments.FULL
        return operations_per_row(moments, *self._means.shape)

    @property
    def result_numbers(self) -> int:
        """Return how many numbers the sums over a block take."""
        return self._means.size + self._whiteners.size

    def accumulate(self, rows: FloatArray, weights: FloatArray | None) -> Sums:
        """Return the E-step's sums over a block of rows."""
        frame = self._density.frame
        counts = np.zeros(len(self._means))
        first = np.zeros(self._means.shape)
        second = np.zeros(self._whiteners.shape)
        log_likelihood = compiled.accumulate(
            self._kind,
            self._tile,
            _read_only(rows),
            _read_only(_NO_FLOATS if weights is None else weights),
            _read_only(frame.center),
            _read_only(frame.scale),
            self._means,
            self._whiteners,
            self._density.log_constants,
            counts,
            first,
            second,
        )
        return Sums(log_likelihood, counts, first, second)

    def statistics(self, sums: Sums) -> SufficientStatistics:
        """Return the sums as statistics about the density's means."""
        n_features = self._density.n_features
        moments = self._density.moments
        first = sums.first[:, :n_features]
        second = sums.second[:, :n_features, :n_features]
        if moments is Moments.DIAGONAL:
            second = sums.second[:, 0, :n_features]
        elif moments is Moments.TRACE:
            second = sums.second[:, 0, 0]
        elif moments is Moments.FULL:
            second = _symmetric(second)
        elif self._kind == compiled.FULL:
            second = _symmetric(second).sum(axis=0)
        else:
            first, second = self._unwhitened(sums)
        return SufficientStatistics(sums.log_likelihood, sums.counts, first, second)

    def _unwhitened(self, sums: Sums) -> tuple[FloatArray, FloatArray]:
        """Return first and pooled second moments about the means, in the frame.

        With y whitened and ν its means: Σ r (y - ν)(y - ν)ᵀ
        = Σ w y yᵀ - Σ_k (N_k ν νᵀ + ν fᵀ + f νᵀ), f = Σ r (y - ν).
        """
        n = self._density.n_features
        about_means = sums.first[:, :n]
        nu = self._means[:, :n]
        cross = nu.T @ about_means
        about_origin = _symmetric(sums.second[:, :n, :n])[0]
        pooled = about_origin - (nu.T * sums.counts) @ nu - cross - cross.T
        unwhitener = np.linalg.inv(self._density.whiteners)
        return about_means @ unwhitener.T, unwhitener @ pooled @ unwhitener.T

    def log_densities(self, rows: FloatArray, out: FloatArray) -> None:
        """Fill the log density of each row in the frame, (n,)."""
        self._evaluate(rows, out, _NO_INTS, _NO_ROWS)

    def labels(self, rows: FloatArray, out: IntArray) -> None:
        """Fill the most probable component of each row, (n,)."""
        self._evaluate(rows, _NO_FLOATS, out, _NO_ROWS)

    def probabilities(self, rows: FloatArray, out: FloatArray) -> None:
        """Fill the responsibilities of each row, (n, K)."""
        self._evaluate(rows, _NO_FLOATS, _NO_INTS, out)

    def posterior(
        self, rows: FloatArray, densities: FloatArray, probabilities: FloatArray
    ) -> None:
        """Fill log densities (n,) and responsibilities (n, K) of rows."""
        self._evaluate(rows, densities, _NO_INTS, probabilities)

    def _evaluate(
        self,
        rows: FloatArray,
        densities: FloatArray,
        labels: IntArray,
        probabilities: FloatArray,
    ) -> None:
        compiled.evaluate(
            self._kind,
            self._tile,
            _read_only(rows),
            _read_only(self._density.frame.center),
            _read_only(self._density.frame.scale),
            self._means,
            self._whiteners,
            self._density.log_constants,
            densities,
            labels,
            probabilities,
        )


def _tile_for(n_features: int) -> int:
    """Return how many rows keep a tile in the cache that suits it, as measured.

    Few features: longer, against the cost of starting loops. Else so many that sixteen
    features fit the first-level cache; and an odd multiple of 32 rows, since the
    features of a group of rows would share a fraction of that cache's places if they
    lay a power of two apart.
    """
    return 544 if n_features <= compiled.FEW else 288


def _read_only(array: FloatArray) -> FloatArray:
    """Return a view that numba always sees as one type, whatever the caller's flags."""
    view = array.view()
    view.flags.writeable = False
    return view


def _symmetric(lower: FloatArray) -> FloatArray:
    """Return (K, D, D) matrices whose lower triangles are given."""
    mask = lower_mask(lower.shape[1])
    return np.asarray(lower * mask + lower.swapaxes(1, 2) * (1 - mask))
