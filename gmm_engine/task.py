"""One fit from its checked inputs to its result: search, EM, and what they say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from gmm_engine.covariance import CovarianceStructure
from gmm_engine.em import EmRun, MStep, Problem, as_start, repaired
from gmm_engine.initialization import Initialization
from gmm_engine.kernels.density import Parameters
from gmm_engine.mixture import leave_frame
from gmm_engine.results import (
    Diagnostic,
    DiagnosticKind,
    FitResult,
    FitStatus,
    IterationState,
)
from gmm_engine.search import (
    SearchResult,
    draw_sample,
    first_within,
    n_at_best,
    search,
)
from gmm_engine.sources import ArraySource
from gmm_engine.starts import floor_for, given_start, within_variances
from gmm_engine.survey import Survey
from gmm_engine.types import FloatArray

OnIteration = Callable[[IterationState], object]
# While starts are searched, on_iteration is called once for so many operations
# (a fraction of a second), so that a fit can be stopped there too.
_OPERATIONS_BETWEEN_REPORTS = 5e8


class _StoppedError(Exception):
    """on_iteration returned False while starts were searched."""

    def __init__(self, run: EmRun) -> None:
        super().__init__()
        self.run = run


@dataclass(frozen=True, slots=True, eq=False)
class FitTask:
    """The inputs of a fit, checked."""

    source: ArraySource
    seen: Survey
    structure: CovarianceStructure
    tol: float
    max_iter: int
    reg_covar: float
    accelerate: bool
    on_iteration: OnIteration | None

    def from_given(self, initial: object, n_components: int | None) -> FitResult:
        """Return the fit from a start that the caller gives."""
        loose = self._problem(self.seen.resolution)
        start = given_start(loose, initial, n_components)
        problem = self._problem(self._floor(within_variances(start.parameters)))
        run = self._run(problem, repaired(start, problem.floor))
        return self._carry_on(run, 0, 1)

    def from_search(
        self,
        n_components: int,
        initialization: Initialization,
        n_init: int,
        seed: np.random.SeedSequence,
    ) -> FitResult:
        """Return the fit from the best start that a search finds."""
        first, *seeds = seed.spawn(n_init + 1)
        rng = np.random.default_rng(first)
        sample = draw_sample(
            self.source, self.seen.frame, rng, isotropic=self.structure.isotropic
        )
        within = first_within(sample, self.structure, n_components, rng)
        problem = self._problem(self._floor(within))
        searched = Problem(
            sample.source, problem.frame, problem.structure, problem.floor
        )
        found: list[SearchResult] = []
        for k, child in enumerate(seeds):
            try:
                found.append(
                    search(
                        searched,
                        sample,
                        initialization,
                        n_components,
                        self.tol,
                        self.max_iter,
                        self.accelerate,
                        np.random.default_rng(child),
                        self._search_reporter(searched, k, n_init),
                    )
                )
            except _StoppedError as stopped:
                run = self._run(problem, as_start(stopped.run.parameters))
                return self._result(run, FitStatus.CANCELLED, found)
        chosen = max(range(n_init), key=lambda k: found[k].merit)
        best = found[chosen].best
        if sample.is_everything:
            return self._carry_on(best, chosen, n_init, found)
        run = self._run(problem, as_start(best.parameters))
        return self._carry_on(run, chosen, n_init, found)

    def _problem(self, floor: FloatArray) -> Problem:
        return Problem(self.source, self.seen.frame, self.structure, floor)

    def _run(self, problem: Problem, start: MStep) -> EmRun:
        return EmRun(problem, start, self.tol, accelerate=self.accelerate)

    def _floor(self, within: FloatArray) -> FloatArray:
        return floor_for(within, self.seen, self.reg_covar)

    def _search_reporter(
        self, problem: Problem, start: int, n_starts: int
    ) -> Callable[[EmRun], None]:
        operations = 0.0

        def report(run: EmRun) -> None:
            nonlocal operations
            operations += problem.source.n_samples * run.parameters.covariances.size
            if operations >= _OPERATIONS_BETWEEN_REPORTS:
                operations = 0.0
                state = self._state(
                    *run.recorder.newest(), start, n_starts, phase="search"
                )
                if not self._goes_on(state):
                    raise _StoppedError(run)

        return report

    def _carry_on(
        self,
        run: EmRun,
        start: int,
        n_starts: int,
        found: Sequence[SearchResult] = (),
    ) -> FitResult:
        """Return the result of EM carried on until it converges or has to stop."""
        # What the search has already run on all the rows is part of this run.
        for iteration, log_likelihood, parameters in run.recorder.entries():
            state = self._state(iteration, log_likelihood, parameters, start, n_starts)
            if not self._goes_on(state):
                return self._result(run, FitStatus.CANCELLED, found)
        while run.iteration < self.max_iter and not run.converged:
            run.step()
            state = self._state(*run.recorder.newest(), start, n_starts)
            if not self._goes_on(state):
                return self._result(run, FitStatus.CANCELLED, found)
        if run.degenerate:
            return self._result(run, FitStatus.DEGENERATE, found)
        if run.converged:
            return self._result(run, FitStatus.CONVERGED, found)
        return self._result(run, FitStatus.MAX_ITER_REACHED, found)

    def _state(
        self,
        iteration: int,
        log_likelihood: float,
        parameters: Parameters,
        start: int,
        n_starts: int,
        phase: str = "full",
    ) -> IterationState:
        frame = self.seen.frame
        return IterationState(
            iteration,
            start,
            n_starts,
            log_likelihood,
            phase,
            lambda: leave_frame(parameters, frame),
        )

    def _goes_on(self, state: IterationState) -> bool:
        return self.on_iteration is None or self.on_iteration(state) is not False

    def _result(
        self, run: EmRun, status: FitStatus, found: Sequence[SearchResult]
    ) -> FitResult:
        constant = [
            Diagnostic(DiagnosticKind.CONSTANT_FEATURE, feature=int(j))
            for j in np.flatnonzero(self.seen.constant)
        ]
        ended = np.concatenate(
            [each.log_likelihoods for each in found] or [np.empty(0)]
        )
        return FitResult(
            mixture=leave_frame(run.parameters, self.seen.frame),
            status=status,
            converged=run.converged,
            n_iter=run.iteration,
            log_likelihoods=np.array(run.log_likelihoods),
            trajectory=run.recorder.trajectory(
                lambda parameters: leave_frame(parameters, self.seen.frame)
            ),
            diagnostics=tuple(constant + run.diagnostics()),
            start_log_likelihoods=ended,
            n_starts_at_best=n_at_best(found),
        )
