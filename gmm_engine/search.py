"""Finding a good start: many short runs of EM, the best of them carried further."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from gmm_engine.covariance import CovarianceStructure
from gmm_engine.em import EmRun, Problem, as_start
from gmm_engine.frame import Frame
from gmm_engine.initialization import Initialization, k_means_plus_plus, start_from
from gmm_engine.sources import ArraySource
from gmm_engine.starts import within_variances
from gmm_engine.types import FloatArray

SEARCH_ROWS = 20_000
"""Starts are compared on this many rows, drawn at random where there are more."""
N_SHORT_RUNS = 8
N_SHORT_ITERATIONS = 12
N_LONG_RUNS = 3
# Two runs with mean log-likelihoods this close found the same optimum.
SAME_OPTIMUM = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Rows in memory, on which starts are made and compared."""

    source: ArraySource
    points: FloatArray
    """The rows in the frame."""
    metric: FloatArray
    """(D,): factors that bring the features to one spread, for distances."""
    is_everything: bool

    @property
    def weights(self) -> FloatArray:
        if self.source.weights is None:
            return np.ones(len(self.points))
        return self.source.weights


@dataclass(frozen=True, slots=True, eq=False)
class SearchResult:
    """The best run, and where all of them ended."""

    best: EmRun
    log_likelihoods: FloatArray

    @property
    def merit(self) -> tuple[bool, float]:
        return merit(self.best)


def merit(run: EmRun) -> tuple[bool, float]:
    """Return what makes one run better than another.

    A collapsed component inflates the likelihood, so such runs come last.
    """
    return (not run.degenerate, run.log_likelihood)


def draw_sample(
    source: ArraySource, frame: Frame, rng: np.random.Generator, *, isotropic: bool
) -> Sample:
    """Return a random sample of the rows, or all of them where they are few."""
    is_everything = source.n_samples <= SEARCH_ROWS
    if not is_everything:
        chosen = np.sort(
            rng.choice(source.n_samples, SEARCH_ROWS, replace=False, shuffle=False)
        )
        weights = None if source.weights is None else source.weights[chosen]
        if weights is None or weights.any():
            source = ArraySource(source.take(chosen), weights)
    points = frame.enter(source.take(np.arange(source.n_samples)))
    metric = np.ones(source.n_features)
    spread = points.std(axis=0)
    if not isotropic:
        metric[spread > 0] = 1 / spread[spread > 0]
    return Sample(source, points, metric, is_everything)


def first_within(
    sample: Sample,
    structure: CovarianceStructure,
    n_components: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Return the variances within components of one start, (D,)."""
    responsibilities = k_means_plus_plus(
        sample.points * sample.metric, sample.weights, n_components, rng
    )
    tiny = np.full(sample.points.shape[1], 1e-300)
    start = start_from(sample.points, responsibilities, structure, tiny)
    return within_variances(start)


def search(
    problem: Problem,
    sample: Sample,
    initialization: Initialization,
    n_components: int,
    tol: float,
    max_iter: int,
    accelerate: bool,
    rng: np.random.Generator,
    report: Callable[[EmRun], None],
) -> SearchResult:
    """Return the most likely of several runs of EM on the sample.

    All make a few iterations, the best of them go on until they converge. `report` is
    called after each iteration.
    """
    runs = []
    for _ in range(N_SHORT_RUNS if n_components > 1 else 1):
        responsibilities = initialization(
            sample.points * sample.metric, sample.weights, n_components, rng
        )
        start = start_from(
            sample.points, responsibilities, problem.structure, problem.floor
        )
        run = EmRun(problem, as_start(start), tol, accelerate=accelerate)
        run.advance(min(N_SHORT_ITERATIONS, max_iter), report)
        runs.append(run)
    runs.sort(key=merit, reverse=True)
    for run in runs[:N_LONG_RUNS]:
        run.advance(max_iter - run.iteration, report)
    runs.sort(key=merit, reverse=True)
    return SearchResult(runs[0], np.array([run.log_likelihood for run in runs]))


def n_at_best(found: Sequence[SearchResult]) -> int:
    """Return how many runs ended as high as the best one."""
    if not found:
        return 1
    best = max(found, key=lambda each: each.merit).best
    near = SAME_OPTIMUM * best.problem.source.total_weight
    return sum(
        int((np.abs(each.log_likelihoods - best.log_likelihood) <= near).sum())
        for each in found
    )
