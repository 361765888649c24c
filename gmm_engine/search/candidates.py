"""What a search for a start has found, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gmm_engine.em import EmRun
from gmm_engine.kernels.density import Parameters
from gmm_engine.types import FloatArray

# Two runs with mean log-likelihoods this close found the same optimum.
SAME_OPTIMUM = 1e-4


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


@dataclass(frozen=True, slots=True, eq=False)
class SearchTable:
    """What the searches that are done have found."""

    n_done: int = 0
    chosen: int = 0
    """The number of the search that found the best."""
    best: Candidate | None = None
    log_likelihoods: FloatArray = field(default_factory=lambda: np.empty(0))

    def joined(self, result: SearchResult) -> SearchTable:
        """Return the table with the next search's result."""
        is_better = self.best is None or result.best.merit > self.best.merit
        return SearchTable(
            self.n_done + 1,
            self.n_done if is_better else self.chosen,
            result.best if is_better else self.best,
            np.concatenate([self.log_likelihoods, result.log_likelihoods]),
        )

    def origin(self, n_starts: int, fallback: Candidate | None = None) -> Origin:
        """Return what is known of a start that is the best of these."""
        if self.best is None:
            return Origin(self.n_done, n_starts)
        ended = self.log_likelihoods[np.isfinite(self.log_likelihoods)]
        n_at_best = (ended >= ended.max(initial=-np.inf) - SAME_OPTIMUM).sum()
        return Origin(self.chosen, n_starts, ended, max(1, int(n_at_best)), fallback)


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """Where the start of EM on all rows came from."""

    start: int = 0
    n_starts: int = 1
    log_likelihoods: FloatArray = field(default_factory=lambda: np.empty(0))
    """Where those that were followed up ended, in the frame."""
    n_at_best: int = 1
    fallback: Candidate | None = None
    """What the search had reached on all rows, if it was on all rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """Where a search stands once it has chosen among its starts."""

    best: Candidate
    log_likelihoods: FloatArray
    """Where the starts that were followed up ended."""
    n_climbed: int = 0
    """On how many samples beyond the second EM has converged."""
    run: EmRun | None = None
    """EM on the next one."""

    @property
    def next_sample(self) -> int:
        """Return the number of the sample on which EM is to converge next."""
        return 2 + self.n_climbed
