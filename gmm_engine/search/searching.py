"""Finding a good start: many short runs on few rows, the best of them on more.

What a start is worth shows on a few thousand rows; where exactly its optimum lies, on
four times as many, and so on, so that EM on all rows begins where little is left to do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gmm_engine.em import EmRun, Problem, as_start
from gmm_engine.initialization import (
    LLOYD_ITERATIONS,
    Initialization,
    above_floor,
    k_means_plus_plus,
    k_means_uniforms,
    start_from,
)
from gmm_engine.kernels.density import Parameters, operations_per_row
from gmm_engine.kernels.dispatch import compiled_runs
from gmm_engine.search.candidates import (
    SAME_OPTIMUM,
    Candidate,
    SearchResult,
    Standing,
)
from gmm_engine.search.moves import split_and_merge
from gmm_engine.search.posterior import Posterior
from gmm_engine.search.samples import Sample, metric_of
from gmm_engine.team import Team
from gmm_engine.types import FloatArray
from gmm_engine.validation import require_enough_rows

if TYPE_CHECKING:
    from gmm_engine.kernels.runs import ShortRun

N_STARTS, N_STARTS_COSTLY = 8, 3
# A stage of more operations than this, some tenths of a second, is made shorter.
_COSTLY = 2e10
_SHORT, _LONG = 8, 150
N_FINALISTS = 2
# At most so many rounds of split-and-merge moves.
_MOST_MOVES = 4
# On samples EM comes closer to its end than asked for: an iteration there is cheap.
_SAMPLE_TOL_SHARE = 0.25
_FINALISTS_ITERATIONS = 10


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """How to look for starts of one problem."""

    problem: Problem
    samples: Sequence[Sample]
    initialization: Initialization
    n_components: int
    tol: float
    max_iter: int
    accelerate: bool
    team: Team
    report: Callable[[EmRun, Standing | None], None]
    """Called after each iteration on a larger sample; may raise to stop the search."""

    def run(
        self, seed: np.random.SeedSequence, standing: Standing | None = None
    ) -> SearchResult:
        """Return the best of several starts, or go on from where a search stood."""
        if standing is None:
            standing = self._best_start(seed)
        for sample in self.samples[standing.next_sample :]:
            best = standing.best
            if best.end is not None:
                best = self._climb(sample, standing)
            standing = Standing(best, standing.log_likelihoods, standing.n_climbed + 1)
        return SearchResult(standing.best, standing.log_likelihoods)

    def _best_start(self, seed: np.random.SeedSequence) -> Standing:
        """Return the best of several starts, each with its own random numbers."""
        first = self.samples[0]
        *seeds, moving = seed.spawn(self._n_starts + 1)
        candidates = self._candidates(first, seeds)
        candidates.sort(key=lambda each: each.merit, reverse=True)
        if self._is_cheap and not first.is_everything:
            # Those in the lower half are not worth more iterations.
            half = candidates[: (len(candidates) + 1) // 2]
            candidates = self._all_compiled(first, half, _SHORT // 2)
            candidates.sort(key=lambda each: each.merit, reverse=True)
        stage = self._stage_of_finalists
        if stage is first:
            finalists = candidates if first.is_everything else candidates[:1]
        else:
            finalists = candidates[:N_FINALISTS]
        if len(finalists) == 1:
            ends = [self._carried_on(stage, finalists[0])]
        else:
            ends = self._all_compiled(stage, finalists, self._finalists_iterations)
        ends.sort(key=lambda each: each.merit, reverse=True)
        best = ends[0]
        if len(ends) == 1 or (
            ends[1].log_likelihood < best.log_likelihood - SAME_OPTIMUM
        ):
            best = self._moved(stage, best, np.random.default_rng(moving))
        ended = [best, *ends[1:]]
        return Standing(best, np.array([each.log_likelihood for each in ended]))

    @property
    def _stage_of_finalists(self) -> Sample:
        """Return the second sample, or the first where that costs too much."""
        first, *more = self.samples
        if not more:
            return first
        operations = self._operations(more[0], N_FINALISTS * _FINALISTS_ITERATIONS)
        return more[0] if operations <= _COSTLY else first

    @property
    def _finalists_iterations(self) -> int:
        if self.samples[0].is_everything:
            return _LONG
        return _FINALISTS_ITERATIONS if self._is_cheap else _SHORT // 2

    @property
    def _is_cheap(self) -> bool:
        return self._operations(self.samples[0], N_STARTS * _SHORT) < _COSTLY

    @property
    def _n_starts(self) -> int:
        if self.n_components == 1:
            return 1
        return N_STARTS if self._is_cheap else N_STARTS_COSTLY

    @property
    def _sample_tol(self) -> float:
        return _SAMPLE_TOL_SHARE * self.tol

    def _operations(self, sample: Sample, n_iter: int) -> float:
        """Return about how many operations iterations on a sample take."""
        per_row = operations_per_row(
            self.problem.structure.moments, self.n_components, sample.source.n_features
        )
        return n_iter * sample.n_samples * per_row

    def _candidates(
        self, sample: Sample, seeds: Sequence[np.random.SeedSequence]
    ) -> list[Candidate]:
        scaled = sample.points * metric_of(sample, self.problem.structure)
        if self.initialization is k_means_plus_plus:
            # All the way in compiled code, once for each thread.
            size = math.ceil(len(seeds) / self.team.size)
            found = self.team.map(
                lambda first: self._from_k_means(
                    sample, scaled, seeds[first : first + size]
                ),
                range(0, len(seeds), size),
            )
            return [one for group in found for one in group]

        def fresh(seed: np.random.SeedSequence) -> Candidate:
            assignment = self.initialization(
                scaled, sample.weights, self.n_components, np.random.default_rng(seed)
            )
            start = start_from(
                sample.points,
                sample.weights,
                assignment,
                self.n_components,
                self.problem.structure,
                self.problem.floor,
            )
            return self._compiled(sample, Candidate(start, start, -np.inf), _SHORT // 2)

        return self.team.map(fresh, seeds)

    def _from_k_means(
        self,
        sample: Sample,
        scaled: FloatArray,
        seeds: Sequence[np.random.SeedSequence],
    ) -> list[Candidate]:
        rngs = [np.random.default_rng(seed) for seed in seeds]
        runs, n_distinct = compiled_runs().runs_from_k_means(
            sample.points,
            scaled,
            sample.weights,
            np.stack([k_means_uniforms(self.n_components, rng) for rng in rngs]),
            LLOYD_ITERATIONS,
            self.problem.structure,
            self.problem.floor,
            min(_SHORT // 2, self.max_iter),
            self._sample_tol,
        )
        require_enough_rows(self.n_components, n_distinct, distinct=True)
        return [self._ended(sample, start, run) for start, run in runs]

    def _compiled(self, sample: Sample, candidate: Candidate, n_iter: int) -> Candidate:
        """Return where compiled EM leads, or the candidate with its end given up."""
        if candidate.end is None:
            return candidate
        run = compiled_runs().short_run(
            candidate.end,
            self.problem.frame,
            self.problem.floor,
            sample.rows,
            sample.source.weights,
            min(n_iter, self.max_iter),
            self._sample_tol,
        )
        return self._ended(sample, candidate.start, run)

    def _ended(self, sample: Sample, start: Parameters, run: ShortRun) -> Candidate:
        if run.parameters is None:
            return Candidate(above_floor(start, self.problem.floor), None, -np.inf)
        mean = run.log_likelihoods[-1] / sample.source.total_weight
        return Candidate(start, run.parameters, mean)

    def _all_compiled(
        self, sample: Sample, candidates: Sequence[Candidate], n_iter: int
    ) -> list[Candidate]:
        return self.team.map(
            lambda each: self._compiled(sample, each, n_iter), candidates
        )

    def _moved(
        self, sample: Sample, best: Candidate, rng: np.random.Generator
    ) -> Candidate:
        """Return the best after split-and-merge moves, while they gain."""
        for _ in range(_MOST_MOVES):
            if best.end is None:
                return best
            posterior = Posterior.of(
                best.end, self.problem.floor, sample.points, sample.weights, rng
            )
            # Of the rows that are looked at, not of all in the sample.
            least_gain = SAME_OPTIMUM * float(posterior.weights.sum())
            moved = split_and_merge(posterior, self.team, least_gain)
            if moved is None:
                return best
            fresh = Candidate(moved, moved, -np.inf)
            better = self._carried_on(sample, fresh)
            if better.end is None or (
                better.log_likelihood <= best.log_likelihood + SAME_OPTIMUM
            ):
                return best
            best = better
        return best

    def _carried_on(self, sample: Sample, candidate: Candidate) -> Candidate:
        """Return where some more iterations lead, on all threads where they cost."""
        n_iter = self._finalists_iterations
        if self._is_cheap or candidate.end is None:
            return self._compiled(sample, candidate, n_iter)
        run = self._run_on(sample, candidate.end)
        return self._advanced(run, candidate, n_iter, None)

    def _climb(self, sample: Sample, standing: Standing) -> Candidate:
        """Return where EM on a sample converges."""
        run = standing.run
        if run is None:
            assert standing.best.end is not None
            run = self._run_on(sample, standing.best.end)
        return self._advanced(run, standing.best, self.max_iter, standing)

    def _run_on(self, sample: Sample, start: Parameters) -> EmRun:
        problem = replace(self.problem, source=sample.source)
        tol, accelerate = self._sample_tol, self.accelerate
        return EmRun(problem, as_start(start), tol, accelerate=accelerate)

    def _advanced(
        self, run: EmRun, candidate: Candidate, n_iter: int, standing: Standing | None
    ) -> Candidate:
        n_left = min(n_iter, self.max_iter) - run.iteration
        run.advance(n_left, lambda run: self.report(run, standing))
        mean = run.log_likelihood_in_frame
        if run.degenerate:
            return Candidate(candidate.start, None, -np.inf)
        return Candidate(candidate.start, run.parameters, mean)
