"""What a fit returns: outcomes are values, never warnings."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, overload

import numpy as np

from gmm_engine.mixture import GaussianMixture
from gmm_engine.types import FloatArray

if TYPE_CHECKING:
    from gmm_engine.checkpoint import Checkpoint


class FitStatus(enum.Enum):
    """Why EM stopped; the value says what to make of it."""

    CONVERGED = "the log-likelihood gain fell below tol"
    MAX_ITER_REACHED = "max_iter iterations ran without convergence: raise max_iter"
    DEGENERATE = (
        "a component collapsed and was repaired or dropped, see diagnostics: "
        "use fewer components, a simpler covariance_type or a larger reg_covar"
    )
    CANCELLED = "on_iteration returned False"


class DiagnosticKind(enum.Enum):
    """What was noticed about the data or a component."""

    CONSTANT_FEATURE = "every row has the same value in this feature"
    COLLAPSED = "the component's scatter is singular: its covariance was widened"
    DROPPED = "the component lost all its rows and was removed"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One observation about a fit: which component or feature, and what."""

    kind: DiagnosticKind
    component: int | None = None
    """Index in `result.mixture`; for a dropped component, before it was dropped."""
    feature: int | None = None
    iteration: int | None = None
    """The last iteration in which it was seen."""

    @property
    def detail(self) -> str:
        """Return one sentence for a reader."""
        if self.component is not None:
            return f"component {self.component}: {self.kind.value}"
        return f"feature {self.feature}: {self.kind.value}"


@dataclass(frozen=True, slots=True, eq=False)
class TrajectoryFrame:
    """The mixture after an iteration; iteration 0 is the start."""

    iteration: int
    log_likelihood: float
    mixture: GaussianMixture


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Trajectory(Sequence[GaussianMixture]):
    """The mixtures along the way, evenly thinned; the first and last always kept."""

    frames: tuple[TrajectoryFrame, ...]

    def __repr__(self) -> str:
        return f"Trajectory(of {len(self)} mixtures)"

    @property
    def iterations(self) -> tuple[int, ...]:
        """Return the iteration number of each mixture."""
        return tuple(frame.iteration for frame in self.frames)

    @property
    def log_likelihoods(self) -> tuple[float, ...]:
        """Return the log-likelihood of each mixture on the data."""
        return tuple(frame.log_likelihood for frame in self.frames)

    @overload
    def __getitem__(self, index: int) -> GaussianMixture: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[GaussianMixture, ...]: ...
    def __getitem__(
        self, index: int | slice
    ) -> GaussianMixture | tuple[GaussianMixture, ...]:
        if isinstance(index, slice):
            return tuple(frame.mixture for frame in self.frames[index])
        return self.frames[index].mixture

    def __len__(self) -> int:
        return len(self.frames)

    def __iter__(self) -> Iterator[GaussianMixture]:
        return (frame.mixture for frame in self.frames)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FitResult:
    """What EM found, and how it got there."""

    mixture: GaussianMixture
    status: FitStatus
    converged: bool
    """Whether the gain fell below tol, also where a component was repaired."""
    n_iter: int
    """EM iterations over the full data."""
    log_likelihoods: FloatArray
    """(n_iter + 1,): summed, nats; of the start, then after each iteration."""
    trajectory: Trajectory
    diagnostics: tuple[Diagnostic, ...] = ()
    start_log_likelihoods: FloatArray = field(default_factory=lambda: np.empty(0))
    """Where the starts that were followed up ended: mean log-likelihood per sample, on
    the rows that they were compared on; without those where a component collapsed."""
    n_starts_at_best: int = 1
    """How many of the starts reached the optimum that was chosen."""

    def __repr__(self) -> str:
        return (
            f"FitResult(status={self.status.name}, n_iter={self.n_iter}, "
            f"log_likelihood={self.log_likelihood:.10g}, mixture={self.mixture!r})"
        )

    @property
    def log_likelihood(self) -> float:
        """Return the log-likelihood of `mixture` on the data, summed, in nats."""
        return float(self.log_likelihoods[-1])

    @property
    def frames(self) -> tuple[TrajectoryFrame, ...]:
        """Return the trajectory with iteration numbers and log-likelihoods."""
        return self.trajectory.frames


@dataclass(frozen=True, eq=False)
class IterationState:
    """What `on_iteration` is shown after an EM iteration."""

    iteration: int
    """0 is the start."""
    start: int
    """Which of the `n_starts` searches it belongs to, from 0."""
    n_starts: int
    log_likelihood: float
    """Summed, nats, of `mixture` on the rows of this phase."""
    phase: str
    """"full": EM on all rows. "search": starts are being compared; such states come
    after each search and a few times a second, with iterations and likelihoods of
    their own."""
    make_mixture: Callable[[], GaussianMixture] = field(repr=False)
    make_checkpoint: Callable[[], Checkpoint] = field(repr=False)

    @cached_property
    def mixture(self) -> GaussianMixture:
        """Return the mixture after this iteration; made when first asked for."""
        return self.make_mixture()

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """Return what `fit(X, resume=...)` needs to go on from here.

        Ask for it while the callback runs.

        Raises
        ------
        EngineError
            If EM has gone on since.
        """
        return self.make_checkpoint()
