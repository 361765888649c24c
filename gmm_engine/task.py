"""One fit from its checked inputs to its result: search, EM, and what they say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gmm_engine.checkpoint import Checkpoint, resumed, take
from gmm_engine.covariance import CovarianceStructure
from gmm_engine.em import EmRun, MStep, Problem, as_start, repaired
from gmm_engine.errors import InvalidArgumentError
from gmm_engine.initialization import Initialization
from gmm_engine.mixture import leave_frame
from gmm_engine.results import (
    Diagnostic,
    DiagnosticKind,
    FitResult,
    FitStatus,
    IterationState,
)
from gmm_engine.samples import (
    NEAR_SHARE,
    draw_samples,
    first_within,
    sample_sizes,
    shortfall,
)
from gmm_engine.search import SAME_OPTIMUM, Found, Search, SearchResult
from gmm_engine.sources import ArraySource
from gmm_engine.starts import floor_for, given_start, within_variances
from gmm_engine.survey import Survey
from gmm_engine.trajectory import Entry
from gmm_engine.types import FloatArray

OnIteration = Callable[[IterationState], object]
# While starts are searched, on_iteration is called once for so many operations
# (a fraction of a second), so that a fit can be stopped there too.
_OPERATIONS_BETWEEN_REPORTS = 5e8
# Where several searches are asked for, or cost nothing, each makes so many
# split-and-merge moves.
N_MOVES = 4
# The tol of a fit that is searched on all its rows, as a share of the one given.
SMALL_TOL_SHARE = 0.25


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
        return self._go_on(run, 0, 1, Found.nothing())

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
        k, d = n_components, self.source.n_features
        n_parameters = k + k * d + self.structure.n_parameters(k, d)
        sizes = sample_sizes(self.source.n_samples, n_parameters, self.tol)
        samples = draw_samples(self.source, self.seen.frame, sizes, rng)
        within = first_within(samples[0], self.structure, n_components, rng)
        problem = self._problem(self._floor(within))
        found: list[SearchResult] = []
        for number, child in enumerate(seeds):
            looking = Search(
                problem,
                samples,
                initialization,
                n_components,
                self.tol,
                self.max_iter,
                N_MOVES,
                self.source.executor,
                self._search_reporter(problem, number, n_init),
            )
            try:
                found.append(looking.run(child))
            except _StoppedError as stopped:
                run = self._run(problem, as_start(stopped.run.parameters))
                return self._result(run, FitStatus.CANCELLED, Found.by(found))
        chosen = max(range(n_init), key=lambda number: found[number].best.merit)
        best = found[chosen].best
        is_small = samples[0].is_everything
        # Few rows: once more from where it started, to show the way.
        start = best.start if is_small or best.end is None else best.end
        run = self._run(problem, as_start(start))
        missing = shortfall(n_parameters, self.source.n_samples, sizes[-1])
        run.is_near = len(sizes) > 2 and missing <= NEAR_SHARE * self.tol
        if is_small:
            # Few rows cost nothing: come closer to the optimum than asked for.
            run.tol *= SMALL_TOL_SHARE
        result = self._go_on(run, chosen, n_init, Found.by(found))
        lost = best.log_likelihood - self._mean_in_frame(result)
        if is_small and best.end is not None and lost > SAME_OPTIMUM:
            if result.status is FitStatus.CANCELLED:
                return result
            # Extrapolation has led elsewhere than EM had.
            run = self._run(problem, as_start(best.end))
            return self._go_on(run, chosen, n_init, Found.by(found))
        return result

    def _mean_in_frame(self, result: FitResult) -> float:
        return (
            result.log_likelihood / self.source.total_weight
            + self.seen.frame.log_volume
        )

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
                    run.recorder.newest(), start, n_starts, phase="search"
                )
                if not self._goes_on(state):
                    raise _StoppedError(run)

        return report

    def resume(self, checkpoint: Checkpoint) -> FitResult:
        """Return the fit that a checkpoint was taken of, carried on to its end."""
        if checkpoint.covariance_type != self.structure.name:
            raise InvalidArgumentError(
                f"expected resume with covariance_type={self.structure.name!r}; "
                f"got {checkpoint.covariance_type!r}",
                argument="resume",
            )
        run = resumed(checkpoint, self.source)
        numbers = checkpoint.numbers
        found = Found(
            checkpoint.arrays["start_log_likelihoods"], numbers["n_starts_at_best"]
        )
        return self._go_on(
            run, numbers["start"], numbers["n_starts"], found, is_resumed=True
        )

    def _go_on(
        self,
        run: EmRun,
        start: int,
        n_starts: int,
        found: Found,
        *,
        is_resumed: bool = False,
    ) -> FitResult:
        """Return the result of EM carried on until it converges or has to stop."""
        # What a resumed run begins with has been reported by the one it goes on from.
        if is_resumed and self._can_go_on(run):
            run.step()
        while True:
            state = self._state(
                run.recorder.newest(),
                start,
                n_starts,
                make_checkpoint=lambda: take(run, start, n_starts, *found),
            )
            if not self._goes_on(state):
                return self._result(run, FitStatus.CANCELLED, found)
            if not self._can_go_on(run):
                break
            run.step()
        if run.degenerate:
            return self._result(run, FitStatus.DEGENERATE, found)
        if run.converged:
            return self._result(run, FitStatus.CONVERGED, found)
        return self._result(run, FitStatus.MAX_ITER_REACHED, found)

    def _state(
        self,
        entry: Entry,
        start: int,
        n_starts: int,
        *,
        phase: str = "full",
        make_checkpoint: Callable[[], Checkpoint] | None = None,
    ) -> IterationState:
        frame = self.seen.frame
        iteration, log_likelihood, parameters = entry
        return IterationState(
            iteration,
            start,
            n_starts,
            log_likelihood,
            phase,
            lambda: leave_frame(parameters, frame),
            make_checkpoint,
        )

    def _can_go_on(self, run: EmRun) -> bool:
        return run.iteration < self.max_iter and not run.converged

    def _goes_on(self, state: IterationState) -> bool:
        return self.on_iteration is None or self.on_iteration(state) is not False

    def _result(self, run: EmRun, status: FitStatus, found: Found) -> FitResult:
        constant = [
            Diagnostic(DiagnosticKind.CONSTANT_FEATURE, feature=int(j))
            for j in np.flatnonzero(self.seen.constant)
        ]
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
            start_log_likelihoods=found.log_likelihoods - self.seen.frame.log_volume,
            n_starts_at_best=found.n_at_best,
        )
