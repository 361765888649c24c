"""Finding a good start: many short runs on few rows, the best of them on more.

What a start is worth shows on a few thousand rows; where exactly its optimum lies, on
four times as many, and so on, so that EM on all rows begins where little is left to do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from gmm_engine.covariance import CovarianceStructure
from gmm_engine.em import EmRun, Problem, as_start
from gmm_engine.frame import Frame
from gmm_engine.initialization import Initialization, k_means_plus_plus, start_from
from gmm_engine.kernels.density import Parameters
from gmm_engine.kernels.dispatch import compiled_kernels
from gmm_engine.moves import split_and_merge
from gmm_engine.sources import ArraySource
from gmm_engine.starts import within_variances
from gmm_engine.types import FloatArray

S = TypeVar("S")
# Rows for each free parameter on which starts are compared, and their bounds.
_ROWS_PER_PARAMETER = 5
_FEWEST_ROWS, _MOST_ROWS = 1_000, 20_000
_GROWTH = 4
N_STARTS = 8
# A stage of more operations than this, some tenths of a second, is made shorter.
_COSTLY = 1e10
_SHORT, _LONG = 8, 150
N_FINALISTS = 3
_FINALISTS_ITERATIONS = 10
# Two runs with mean log-likelihoods this close found the same optimum.
SAME_OPTIMUM = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Some rows, on which starts are made or compared."""

    source: ArraySource
    points: FloatArray
    """The rows in the frame."""
    is_everything: bool

    @property
    def weights(self) -> FloatArray:
        if self.source.weights is None:
            return np.ones(len(self.points))
        return self.source.weights


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A start, and where EM led from it; None where a component collapsed."""

    start: Parameters
    end: Parameters | None
    log_likelihood: float
    """Mean, nats, in the frame; of the rows it was searched on."""

    @property
    def merit(self) -> tuple[bool, float]:
        """Return what makes one better than another.

        A collapsed component inflates the likelihood, so such runs come last. Rounded,
        so that of equals the first wins, whatever rounding says.
        """
        return (self.end is not None, round(self.log_likelihood, 9))


@dataclass(frozen=True, slots=True, eq=False)
class SearchResult:
    """The best candidate, and where those that were carried to an end ended."""

    best: Candidate
    log_likelihoods: FloatArray


class Found(NamedTuple):
    """What all searches found."""

    log_likelihoods: FloatArray
    n_at_best: int

    @classmethod
    def nothing(cls) -> Found:
        """Return what is known of a start that was given."""
        return cls(np.empty(0), 1)

    @classmethod
    def by(cls, results: Sequence[SearchResult]) -> Found:
        """Return where runs ended, and how many of them as high as the best."""
        if not results:
            return cls.nothing()
        best = max(results, key=lambda each: each.best.merit).best.log_likelihood
        ended = np.concatenate([each.log_likelihoods for each in results])
        ended = ended[np.isfinite(ended)]
        at_best = np.abs(ended - best) <= SAME_OPTIMUM
        return cls(ended, max(1, int(at_best.sum())))


def sample_sizes(n_samples: int, n_parameters: int) -> list[int]:
    """Return on how many rows to search, one size after the other.

    >>> sample_sizes(500, 50), sample_sizes(5_000, 50), sample_sizes(100_000, 50)
    ([500], [1000, 5000], [1000, 4000, 16000])
    """
    size = min(max(_ROWS_PER_PARAMETER * n_parameters, _FEWEST_ROWS), _MOST_ROWS)
    if n_samples <= 2 * size:
        return [n_samples]
    sizes = []
    while size <= n_samples // 2:
        sizes.append(size)
        size *= _GROWTH
    # Which of the finalists is best shows on the second sample.
    return sizes if len(sizes) > 1 else [*sizes, n_samples]


def draw_samples(
    source: ArraySource, frame: Frame, sizes: Sequence[int], rng: np.random.Generator
) -> list[Sample]:
    """Return samples of these sizes, each part of the next."""
    n_samples = source.n_samples
    if sizes[0] == n_samples:
        everything = source.take(np.arange(n_samples))
        return [Sample(source, frame.enter(everything), True)]
    drawn = rng.choice(n_samples, min(sizes[-1], n_samples), replace=False)
    samples = []
    for size in sizes:
        chosen = np.sort(drawn[:size])
        rows = source.take(chosen)
        weights = None if source.weights is None else source.weights[chosen]
        if weights is not None and not weights.any():
            weights = None
        part = ArraySource(rows, weights, executor=source.executor)
        samples.append(Sample(part, frame.enter(rows), False))
    return samples


def metric_of(sample: Sample, structure: CovarianceStructure) -> FloatArray:
    """Return factors (D,) that bring the features to one spread, for distances."""
    metric = np.ones(sample.points.shape[1])
    spread = sample.points.std(axis=0)
    if not structure.isotropic:
        metric[spread > 0] = 1 / spread[spread > 0]
    return metric


def first_within(
    sample: Sample,
    structure: CovarianceStructure,
    n_components: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Return the variances within components of one start, (D,)."""
    metric = metric_of(sample, structure)
    labels = k_means_plus_plus(
        sample.points * metric, sample.weights, n_components, rng
    )
    tiny = np.full(sample.points.shape[1], 1e-300)
    start = start_from(
        sample.points, sample.weights, labels, n_components, structure, tiny
    )
    return within_variances(start)


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """How to look for starts of one problem."""

    problem: Problem
    samples: Sequence[Sample]
    initialization: Initialization
    n_components: int
    tol: float
    max_iter: int
    n_moves: int
    """At most how many split-and-merge moves are made."""
    executor: Executor | None
    report: Callable[[EmRun], None]
    """Called now and then; may raise to stop the search."""

    def run(self, seed: np.random.SeedSequence) -> SearchResult:
        """Return the best of several starts, each with its own random numbers."""
        first = self.samples[0]
        candidates = self._candidates(first, seed.spawn(self._n_starts))
        candidates.sort(key=lambda each: each.merit, reverse=True)
        if first.is_everything:
            ends = self._all_compiled(first, candidates, _LONG)
        else:
            second = self.samples[1]
            finalists = candidates[:N_FINALISTS]
            if self._operations(second, N_FINALISTS * _FINALISTS_ITERATIONS) > _COSTLY:
                finalists = candidates[:1]
            if len(finalists) > 1:
                ends = self._all_compiled(second, finalists, _FINALISTS_ITERATIONS)
            else:
                ends = finalists
        ends.sort(key=lambda each: each.merit, reverse=True)
        best = ends[0]
        if (
            len(ends) > 1
            and ends[1].log_likelihood < best.log_likelihood - SAME_OPTIMUM
        ):
            best = self._moved(first, best)
        for sample in self.samples[2:]:
            if best.end is not None:
                best = self._climb(sample, best, self.max_iter)
        return SearchResult(best, np.array([each.log_likelihood for each in ends]))

    @property
    def _n_starts(self) -> int:
        if self.n_components == 1:
            return 1
        operations = self._operations(self.samples[0], N_STARTS * _SHORT)
        return N_STARTS if operations < _COSTLY else N_STARTS // 4

    def _operations(self, sample: Sample, n_iter: int) -> float:
        """Return about how many operations iterations on a sample take."""
        n_rows, n_features = sample.points.shape
        per_row = self.n_components * (n_features * (n_features + 4) + 20)
        return float(n_iter * n_rows * per_row)

    def _candidates(
        self, sample: Sample, seeds: Sequence[np.random.SeedSequence]
    ) -> list[Candidate]:
        metric = metric_of(sample, self.problem.structure)
        scaled = sample.points * metric

        def candidate(seed: np.random.SeedSequence) -> Candidate:
            rng = np.random.default_rng(seed)
            assignment = self.initialization(
                scaled, sample.weights, self.n_components, rng
            )
            start = start_from(
                sample.points,
                sample.weights,
                assignment,
                self.n_components,
                self.problem.structure,
                self.problem.floor,
            )
            fresh = Candidate(start, start, -np.inf)
            return self._compiled(sample, fresh, _SHORT)

        return self._mapped(candidate, seeds)

    def _compiled(self, sample: Sample, candidate: Candidate, n_iter: int) -> Candidate:
        """Return where compiled EM leads, or the candidate with its end given up."""
        if candidate.end is None:
            return candidate
        source = sample.source
        run = compiled_kernels().short_run(
            candidate.end,
            self.problem.frame,
            self.problem.floor,
            source.take(np.arange(source.n_samples)),
            source.weights,
            min(n_iter, self.max_iter),
            self.tol / 4,
        )
        if run.parameters is None:
            return Candidate(candidate.start, None, -np.inf)
        mean = run.log_likelihoods[-1] / source.total_weight
        return Candidate(candidate.start, run.parameters, mean)

    def _all_compiled(
        self, sample: Sample, candidates: Sequence[Candidate], n_iter: int
    ) -> list[Candidate]:
        return self._mapped(
            lambda each: self._compiled(sample, each, n_iter), candidates
        )

    def _mapped(
        self, function: Callable[[S], Candidate], items: Sequence[S]
    ) -> list[Candidate]:
        if self.executor is None:
            return [function(item) for item in items]
        return list(self.executor.map(function, items))

    def _moved(self, first: Sample, best: Candidate) -> Candidate:
        """Return the best after split-and-merge moves, where starts do not agree.

        Moves are tried on the first sample; the most likely goes on as a finalist does.
        """
        if best.end is None:
            return best
        second = first if first.is_everything else self.samples[1]
        if self._operations(second, N_FINALISTS * _FINALISTS_ITERATIONS) > _COSTLY:
            return best
        n_iter = _LONG if first.is_everything else _FINALISTS_ITERATIONS
        for _ in range(self.n_moves):
            assert best.end is not None
            fresh = [
                Candidate(each, each, -np.inf) for each in split_and_merge(best.end)
            ]
            tried = self._all_compiled(first, fresh, _SHORT)
            tried.sort(key=lambda each: each.merit, reverse=True)
            ended = self._all_compiled(second, tried[:2], n_iter)
            better = max(ended, key=lambda each: each.merit, default=best)
            if better.end is None or (
                better.log_likelihood <= best.log_likelihood + SAME_OPTIMUM
            ):
                return best
            best = better
        return best

    def _climb(self, sample: Sample, candidate: Candidate, n_iter: int) -> Candidate:
        assert candidate.end is not None
        problem = Problem(
            sample.source,
            self.problem.frame,
            self.problem.structure,
            self.problem.floor,
        )
        run = EmRun(problem, as_start(candidate.end), self.tol, accelerate=True)
        run.advance(min(n_iter, self.max_iter), self.report)
        mean = run.statistics.log_likelihood / sample.source.total_weight
        if run.degenerate:
            return Candidate(candidate.start, None, mean)
        return Candidate(candidate.start, run.parameters, mean)
