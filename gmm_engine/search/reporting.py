"""What the caller sees of a search, and when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmm_engine.em import EmRun, Problem
from gmm_engine.identity import Identity
from gmm_engine.kernels.density import Parameters, operations_per_row
from gmm_engine.progress import Announcer
from gmm_engine.search.candidates import SearchResult, SearchTable, Standing
from gmm_engine.search.samples import Sample
from gmm_engine.search.state import checkpoint_of_search
from gmm_engine.trajectory import Entry
from gmm_engine.types import FloatArray

# on_iteration is called once for so many operations on samples (some tenths of a
# second), so that a fit can be stopped there too.
_OPERATIONS_BETWEEN_REPORTS = 1e9


class StoppedError(Exception):
    """on_iteration returned False while starts were searched."""

    def __init__(self, parameters: Parameters) -> None:
        super().__init__()
        self.parameters = parameters


@dataclass(slots=True, eq=False)
class SearchReporter:
    """Shows the caller where searches stand, now and then, and lets him stop them."""

    announcer: Announcer
    n_init: int
    problem: Problem
    seed: np.random.SeedSequence
    table: SearchTable
    identity: Identity
    fingerprint: FloatArray
    operations: float = 0.0

    def on_iteration(self, run: EmRun, standing: Standing | None) -> None:
        """Take note of an iteration on a sample."""
        self.operations += run.problem.source.n_samples * operations_per_row(
            run.problem.structure.moments, *run.parameters.means.shape
        )
        if self.operations >= _OPERATIONS_BETWEEN_REPORTS:
            self.operations = 0.0
            self._show(run.recorder.newest(), self.table.n_done, standing, run)

    def on_result(self, result: SearchResult, sample: Sample) -> None:
        """Take note of what a search has found on a sample."""
        self.table = self.table.joined(result)
        end = result.best.end
        if self.table.n_done < self.n_init and end is not None:
            mean = result.best.log_likelihood - self.problem.frame.log_volume
            entry = (0, float(mean * sample.source.total_weight), end)
            self._show(entry, self.table.n_done - 1, None, None)

    def _show(
        self, entry: Entry, start: int, standing: Standing | None, run: EmRun | None
    ) -> None:
        make_checkpoint = checkpoint_of_search(
            self.seed, self.identity, self.fingerprint, self.table, standing, run
        )
        goes_on = self.announcer.goes_on(
            entry, start, self.n_init, "search", make_checkpoint
        )
        if not goes_on:
            # What a search has brought to its end is better than one on its way.
            best = self.table.best
            found = None if best is None else best.end
            raise StoppedError(entry[2] if found is None else found)
