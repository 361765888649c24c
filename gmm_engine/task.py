"""One fit from its checked inputs to its result: search, EM, and what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gmm_engine.checkpoint import Checkpoint, Phase
from gmm_engine.covariance import CovarianceStructure
from gmm_engine.em import EmRun, MStep, Problem, as_start, repaired
from gmm_engine.errors import InvalidArgumentError, TooFewRowsError
from gmm_engine.identity import Identity, identity_of
from gmm_engine.initialization import initialization_of
from gmm_engine.mixture import leave_frame
from gmm_engine.progress import Announcer
from gmm_engine.reading import Reading
from gmm_engine.results import Diagnostic, DiagnosticKind, FitResult, FitStatus
from gmm_engine.run_state import resumed
from gmm_engine.search.candidates import SAME_OPTIMUM, Origin, SearchTable
from gmm_engine.search.reporting import SearchReporter, StoppedError
from gmm_engine.search.samples import (
    NEAR_SHARE,
    Sample,
    draw_samples,
    first_within,
    sample_sizes,
    shortfall,
)
from gmm_engine.search.searching import Search
from gmm_engine.search.state import (
    checkpoint_of_run,
    origin_of,
    seed_of,
    standing_of,
    table_of,
)
from gmm_engine.sources import ArraySource
from gmm_engine.starts import Given, floor_for, given_start, within_variances
from gmm_engine.survey import Survey
from gmm_engine.types import FloatArray

# The tol of a fit that is searched on all its rows, as a share of the one given.
SMALL_TOL_SHARE = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """How starts are to be searched."""

    n_components: int
    init: str
    n_init: int
    seed: np.random.SeedSequence


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
    announcer: Announcer

    def from_given(self, initial: Given, n_components: int | None) -> FitResult:
        """Return the fit from a start that the caller gives."""
        loose = self._problem(self.seen.resolution)
        start = given_start(loose, initial, n_components)
        problem = self._problem(self._floor(within_variances(start.parameters)))
        return self._finished(
            self._run(problem, repaired(start, problem.floor)), Origin()
        )

    def from_search(self, plan: Plan, reading: Reading | None = None) -> FitResult:
        """Return the fit from the best start that searches find.

        With a checkpoint to go on from, those that it tells of are not made again.
        """
        seed = plan.seed if reading is None else seed_of(reading)
        first, *seeds = seed.spawn(plan.n_init + 1)
        samples, within = self._samples(plan, np.random.default_rng(first))
        problem = self._problem(self._floor(within))
        table, standing = SearchTable(), None
        if reading is not None:
            table = table_of(reading)
            standing = standing_of(reading, samples, self.seen.frame)
        reporter = SearchReporter(
            self.announcer,
            plan.n_init,
            problem,
            seed,
            table,
            self._identity(plan.n_components, plan),
            self.seen.fingerprint,
        )
        looking = Search(
            problem,
            samples,
            initialization_of(plan.init),
            plan.n_components,
            self.tol,
            self.max_iter,
            self.accelerate,
            self.source.team,
            reporter.on_iteration,
        )
        try:
            while reporter.table.n_done < plan.n_init:
                child = seeds[reporter.table.n_done]
                reporter.on_result(looking.run(child, standing), samples[-1])
                standing = None
        except StoppedError as stopped:
            run = self._run(problem, as_start(stopped.parameters))
            origin = reporter.table.origin(plan.n_init)
            return self._result(run, FitStatus.CANCELLED, origin)
        return self._on_all_rows(problem, samples, reporter.table)

    def _samples(
        self, plan: Plan, rng: np.random.Generator
    ) -> tuple[list[Sample], FloatArray]:
        """Return samples to search on, and the variances within a start's components.

        Raises
        ------
        TooFewRowsError
            If there are fewer distinct rows than components, in all the data.
        """
        n_parameters = self._n_parameters(plan.n_components)
        sizes = sample_sizes(self.source.n_samples, n_parameters, self.tol)
        samples = draw_samples(self.source, self.seen.frame, sizes, rng)
        while True:
            try:
                within = first_within(
                    samples[0], self.structure, plan.n_components, rng
                )
            except TooFewRowsError:
                # Where most rows are equal, more of them show the others.
                if samples[0].n_samples == self.source.n_samples:
                    raise
                everything = Sample(self.source, self.seen.frame, True)
                samples = samples[1:] or [everything]
            else:
                return samples, within

    def _on_all_rows(
        self, problem: Problem, samples: Sequence[Sample], table: SearchTable
    ) -> FitResult:
        """Return the fit from the best that searches have found."""
        best, is_small = table.best, samples[0].is_everything
        assert best is not None
        # Few rows: once more from where it started, to show the way.
        start = best.start if is_small or best.end is None else best.end
        run = self._run(problem, as_start(start))
        missing = shortfall(
            self._n_parameters(start.n_components),
            self.source.n_samples,
            samples[-1].n_samples,
        )
        run.is_near = (
            best.end is not None
            and len(samples) > 2
            and missing <= NEAR_SHARE * self.tol
        )
        if is_small:
            # Few rows cost nothing: come closer to the optimum than asked for.
            run.tol *= SMALL_TOL_SHARE
        origin = table.origin(table.n_done, best if is_small else None)
        return self._finished(run, origin)

    def resume(
        self, checkpoint: Checkpoint, plan: Plan | None, n_components: int | None
    ) -> FitResult:
        """Return the fit that a checkpoint was taken of, carried on to its end."""
        # Whatever the caller made it of, from here on it has all its entries.
        checkpoint = Checkpoint.from_dict(checkpoint.to_dict())
        self._identity(n_components, plan).require(identity_of(checkpoint))
        fingerprint = checkpoint.arrays["fingerprint"]
        if not self.seen.matches(fingerprint):
            raise InvalidArgumentError(
                "expected resume to be a checkpoint of this X; its center and spread "
                "are others",
                argument="resume",
            )
        seen = self.seen.recalled(fingerprint)
        announcer = replace(self.announcer, frame=seen.frame)
        task = replace(self, seen=seen, announcer=announcer)
        return task._carried_on(Reading(checkpoint, self.source.n_features), plan)

    def _carried_on(self, reading: Reading, plan: Plan | None) -> FitResult:
        if reading.checkpoint.phase is not Phase.FULL:
            if plan is None:
                raise InvalidArgumentError(
                    "expected resume, taken while starts were searched, beside the "
                    "same n_components and no initial",
                    argument="resume",
                )
            return self.from_search(plan, reading)
        run = resumed(reading, self.source, self.seen.frame)
        return self._finished(run, origin_of(reading), is_resumed=True)

    def _finished(
        self, run: EmRun, origin: Origin, *, is_resumed: bool = False
    ) -> FitResult:
        """Return the fit, from where the search ended if EM ends below that."""
        status = self._go_on(run, origin, is_resumed=is_resumed)
        fallback = origin.fallback
        if (
            status in (FitStatus.CONVERGED, FitStatus.DEGENERATE)
            and run.iteration < self.max_iter
            and fallback is not None
            and fallback.end is not None
            and fallback.log_likelihood - run.log_likelihood_in_frame > SAME_OPTIMUM
        ):
            # Extrapolation has led elsewhere than EM had.
            run.go_to(fallback.end)
            origin = replace(origin, fallback=None)
            status = self._go_on(run, origin)
        return self._result(run, status, origin)

    def _identity(
        self, n_components: int | None = None, plan: Plan | None = None
    ) -> Identity:
        """Return what a checkpoint has to be of, as far as these say it."""
        return Identity(
            self.structure.name,
            self.source.n_features,
            self.source.n_samples,
            self.source.total_weight,
            self.tol,
            self.reg_covar,
            self.accelerate,
            n_components,
            None if plan is None else plan.n_init,
            None if plan is None else plan.init,
        )

    def _problem(self, floor: FloatArray) -> Problem:
        return Problem(self.source, self.seen.frame, self.structure, floor)

    def _run(self, problem: Problem, start: MStep) -> EmRun:
        return EmRun(problem, start, self.tol, accelerate=self.accelerate)

    def _n_parameters(self, n_components: int) -> int:
        n_features = self.source.n_features
        of_covariances = self.structure.n_parameters(n_components, n_features)
        return n_components * (1 + n_features) + of_covariances

    def _floor(self, within: FloatArray) -> FloatArray:
        return floor_for(within, self.seen, self.reg_covar)

    def _go_on(
        self, run: EmRun, origin: Origin, *, is_resumed: bool = False
    ) -> FitStatus:
        """Carry EM on until it converges or has to stop; return why it did."""
        # What a resumed run begins with has been reported by the one it goes on from.
        if is_resumed and self._can_go_on(run):
            run.step()
        identity, fingerprint = self._identity(), self.seen.fingerprint
        while True:
            if not self.announcer.goes_on(
                run.recorder.newest(),
                origin.start,
                origin.n_starts,
                "full",
                checkpoint_of_run(run, origin, identity, fingerprint),
            ):
                return FitStatus.CANCELLED
            if not self._can_go_on(run):
                break
            run.step()
        if run.degenerate:
            return FitStatus.DEGENERATE
        return FitStatus.CONVERGED if run.converged else FitStatus.MAX_ITER_REACHED

    def _can_go_on(self, run: EmRun) -> bool:
        return run.iteration < self.max_iter and not run.converged

    def _result(self, run: EmRun, status: FitStatus, origin: Origin) -> FitResult:
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
            start_log_likelihoods=origin.log_likelihoods - self.seen.frame.log_volume,
            n_starts_at_best=origin.n_at_best,
        )
