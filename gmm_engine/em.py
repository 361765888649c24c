"""Expectation maximization: E-step over the source, M-step on its statistics."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from operator import add

import numpy as np

from gmm_engine.acceleration import Accelerator, are_melting, stretched
from gmm_engine.covariance import CovarianceStructure, Moments
from gmm_engine.errors import NoAnswerError
from gmm_engine.frame import Frame
from gmm_engine.kernels.density import Density, Parameters, density_of, prepare
from gmm_engine.kernels.dispatch import compiled_kernels, kernel_for
from gmm_engine.results import Diagnostic, DiagnosticKind
from gmm_engine.sources import Source
from gmm_engine.statistics import SufficientStatistics, scatter_about_means
from gmm_engine.trajectory import TrajectoryRecorder
from gmm_engine.types import BoolArray, FloatArray, IntArray

# A component with less than this share of the rows has lost them all.
DROPPED_SHARE = 1e-14
# How much of tol may still be to come, by Aitken's estimate, when EM stops.
REMAINING_SHARE = 0.5
# What share of tol an iteration may gain and count as none.
_NEGLIGIBLE_SHARE = 0.03
# Relative rounding of a sum over the rows.
_NOISE = 1e-15
_NONE = np.empty(0, dtype=np.int64)
# Up to here factorizing matrices in plain loops is cheaper than by LAPACK.
_FEW_FEATURES = 24
# How many steps are stretched, each twice as far as the last, when EM's gains grow.
_LEAVING = 5


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """What stays the same through a run of EM."""

    source: Source
    frame: Frame
    structure: CovarianceStructure
    floor: FloatArray
    """(D,): no covariance goes below diag(floor), in the frame."""


@dataclass(frozen=True, slots=True, eq=False)
class MStep:
    """New parameters, and what had to be done to the components."""

    parameters: Parameters
    collapsed: BoolArray
    """(K,) of the new components: widened to the floor."""
    dropped: IntArray
    """Old components that had no rows left."""


def as_start(parameters: Parameters) -> MStep:
    """Return parameters to which nothing had to be done."""
    return MStep(
        parameters,
        np.zeros(parameters.n_components, dtype=np.bool_),
        np.empty(0, dtype=np.int64),
    )


def repaired(start: MStep, floor: FloatArray) -> MStep:
    """Return a start whose covariances are not below diag(floor)."""
    old = start.parameters
    covariances, low = old.structure.repair(old.covariances, floor)
    return MStep(
        Parameters(old.weights, old.means, covariances, old.structure),
        np.asarray(start.collapsed | low),
        start.dropped,
    )


def e_step(problem: Problem, parameters: Parameters) -> SufficientStatistics:
    """Return the statistics of all rows under `parameters`, and their likelihood."""
    kernel = kernel_for(_prepared(parameters, problem.frame))
    sums = problem.source.reduce(
        lambda block: kernel.accumulate(block.rows, block.weights),
        add,
        cost_per_row=kernel.cost_per_row,
        result_numbers=kernel.result_numbers,
    )
    return kernel.statistics(sums)


def _prepared(parameters: Parameters, frame: Frame) -> Density:
    """Return the density; small matrices are whitened without numpy's overhead."""
    structure, covariances = parameters.structure, parameters.covariances
    is_pooled = structure.moments is Moments.POOLED
    if (
        is_pooled or structure.moments is Moments.FULL
    ) and parameters.n_features <= _FEW_FEATURES:
        whitened = compiled_kernels().whiten(
            covariances[None] if is_pooled else covariances
        )
        if whitened is not None:
            whiteners, log_determinants = whitened
            return density_of(
                parameters,
                frame,
                whiteners[0] if is_pooled else whiteners,
                log_determinants,
            )
    return prepare(parameters, frame)


def m_step(
    problem: Problem, statistics: SufficientStatistics, reference: FloatArray
) -> MStep:
    """Return the parameters that maximize the expected log-likelihood.

    `statistics` are about `reference` (K, D).

    Raises
    ------
    NoAnswerError
        If no component has any rows.

    References
    ----------
    Bishop (2006), eqs. 9.24-9.27; with covariances bounded below by the floor.
    """
    structure, n_features = problem.structure, reference.shape[1]
    total = statistics.counts.sum()
    kept = statistics.counts > DROPPED_SHARE * total
    all_kept = bool(kept.all())
    if not all_kept and not kept.any():
        raise NoAnswerError("no component has any rows: nothing is left to fit")
    counts = statistics.counts if all_kept else np.where(kept, statistics.counts, total)
    scatter = scatter_about_means(statistics, counts, structure.moments)
    covariances = structure.estimate(scatter, counts, n_features)
    means = reference + statistics.first / counts[:, None]
    if not all_kept:
        counts, means = counts[kept], means[kept]
        covariances = structure.select(covariances, kept)
    covariances, low = structure.repair(covariances, problem.floor)
    return MStep(
        Parameters(counts / counts.sum(), means, covariances, structure),
        low if len(low) == len(counts) else np.repeat(low, len(counts)),
        _NONE if all_kept else np.flatnonzero(~kept),
    )


class EmRun:
    """EM from one start, that can go on where it stopped.

    Each state belongs together: `statistics` and `log_likelihoods[-1]` are those of
    `parameters`.
    """

    def __init__(
        self,
        problem: Problem,
        start: MStep,
        tol: float,
        *,
        accelerate: bool = False,
        is_near: bool = False,
    ) -> None:
        self.problem = problem
        self.tol = tol
        # Whether the start is the optimum of a sample so large that little can be left.
        self.is_near = is_near
        self.log_likelihoods: list[float] = []
        self.dropped: list[Diagnostic] = []
        self.accelerator = Accelerator() if accelerate else None
        # How many steps of EM itself are due, and how many stretched ones.
        self.n_plain = 0
        self.n_leaving = 0
        # The gains of the last steps, of EM itself and in a row.
        self.gains: deque[float] = deque(maxlen=2)
        means, covariances = start.parameters.means, start.parameters.covariances
        self.recorder = TrajectoryRecorder(means.size + covariances.size + len(means))
        self._move_to(start, self._evaluated(start.parameters))

    @property
    def iteration(self) -> int:
        return len(self.log_likelihoods) - 1

    @property
    def log_likelihood(self) -> float:
        return self.log_likelihoods[-1]

    @property
    def log_likelihood_in_frame(self) -> float:
        """Return the mean log-likelihood per sample, nats, in the frame."""
        return self.statistics.log_likelihood / self._total

    @property
    def degenerate(self) -> bool:
        return bool(self.dropped) or bool(self.collapsed.any())

    @property
    def converged(self) -> bool:
        """Whether the last gain of EM, and what may still be to come, are below tol.

        What is to come is Aitken's estimate, which does not count once an iteration
        gains next to nothing. Two steps of EM itself decide, for where
        extrapolation comes to rest may be a saddle, which EM would leave. One is
        enough from a start that is near already.

        References
        ----------
        Boehning et al. (1994), The distribution of the likelihood ratio for mixtures
        of densities from the one-parameter exponential family, section 4.
        """
        if len(self.gains) < 2:
            first = self.gains[0] if self.gains and self.iteration == 1 else math.inf
            return self.is_near and first <= REMAINING_SHARE * self.tol
        previous, gain = self.gains
        # Below this the gain is rounding, whatever tol says.
        if gain <= _NOISE * abs(self.log_likelihood) / self._total:
            return True
        if gain <= _NEGLIGIBLE_SHARE * self.tol:
            return True
        if gain > self.tol or gain >= previous:
            return False
        return gain * gain / (previous - gain) <= REMAINING_SHARE * self.tol

    def step(self) -> None:
        """Take one EM iteration, or one beyond it where that is better.

        A point beyond EM's that turns out to be worse costs an iteration that does not
        move; EM's own point follows.
        """
        step = m_step(self.problem, self.statistics, self.parameters.means)
        is_leaving = self.n_leaving > 0
        beyond = self._beyond(step)
        if beyond is None:
            statistics = self._evaluated(step.parameters)
            self.gains.append(self._gain(statistics))
            self._move_to(step, statistics)
            if len(self.gains) == 2 and self.gains[1] > self.gains[0]:
                # EM speeds up: it is leaving a saddle, to which extrapolation
                # would lead back. Farther on the same way is better.
                self.n_leaving = _LEAVING
            return
        self.gains.clear()
        statistics = self._evaluated(beyond.parameters)
        gain = self._gain(statistics)
        assert self.accelerator is not None
        if not is_leaving:
            self.accelerator.judge(is_better=gain > 0)
        elif gain <= 0:
            self.accelerator.forget()
        if gain > 0:
            self._move_to(beyond, statistics)
        else:
            self.n_leaving = 0
            self._note()
        if gain <= REMAINING_SHARE * self.tol or is_leaving:
            self.n_plain = 0 if self.n_leaving else 2

    def _beyond(self, step: MStep) -> MStep | None:
        if self.accelerator is None:
            return None
        if len(step.dropped) or step.collapsed.any():
            self.accelerator.forget()
            return None
        self.accelerator.observe(self.parameters, step.parameters)
        if self.n_plain:
            self.n_plain -= 1
            return None
        if self.n_leaving:
            factor = 2.0 ** (_LEAVING - self.n_leaving + 1)
            self.n_leaving -= 1
            return self._safe(stretched(self.parameters, step.parameters, factor))
        if are_melting(step.parameters):
            return None
        return self._safe(self.accelerator.propose(self.parameters, step.parameters))

    def _safe(self, proposed: Parameters | None) -> MStep | None:
        """Return a point beyond EM's, unless a component collapses there."""
        if proposed is None:
            return None
        beyond = repaired(as_start(proposed), self.problem.floor)
        if beyond.collapsed.any():
            assert self.accelerator is not None
            self.accelerator.forget()
            return None
        return beyond

    def go_to(self, parameters: Parameters) -> None:
        """Take an iteration that ends at parameters found elsewhere."""
        statistics = self._evaluated(parameters)
        self.gains.clear()
        self.n_plain = self.n_leaving = 0
        if self.accelerator is not None:
            self.accelerator.forget()
        # What happened to components on the way here did not happen to these.
        self.dropped.clear()
        self._move_to(as_start(parameters), statistics)

    def advance(self, n_iter: int, report: Callable[[EmRun], None]) -> None:
        """Take up to n_iter iterations, fewer if EM converges; report each."""
        for _ in range(n_iter):
            if self.converged:
                return
            self.step()
            report(self)

    def diagnostics(self) -> list[Diagnostic]:
        """Return what happened to the components."""
        return self.dropped + [
            Diagnostic(
                DiagnosticKind.COLLAPSED, component=int(k), iteration=self.iteration
            )
            for k in np.flatnonzero(self.collapsed)
        ]

    @property
    def _total(self) -> float:
        return self.problem.source.total_weight

    def _evaluated(self, parameters: Parameters) -> SufficientStatistics:
        return e_step(self.problem, parameters)

    def _gain(self, statistics: SufficientStatistics) -> float:
        gain = statistics.log_likelihood - self.statistics.log_likelihood
        return gain / self._total

    def _move_to(self, step: MStep, statistics: SufficientStatistics) -> None:
        self.parameters = step.parameters
        self.collapsed = step.collapsed
        self.statistics = statistics
        self._note()
        self.dropped += [
            Diagnostic(
                DiagnosticKind.DROPPED, component=int(k), iteration=self.iteration
            )
            for k in step.dropped
        ]

    def _note(self) -> None:
        volume = self.problem.frame.log_volume * self._total
        self.log_likelihoods.append(self.statistics.log_likelihood - volume)
        self.recorder.record(self.iteration, self.log_likelihood, self.parameters)
