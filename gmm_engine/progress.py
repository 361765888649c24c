"""What the caller of a fit sees of it while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gmm_engine.checkpoint import Checkpoint
from gmm_engine.frame import Frame
from gmm_engine.mixture import leave_frame
from gmm_engine.results import IterationState
from gmm_engine.trajectory import Entry

OnIteration = Callable[[IterationState], object]


@dataclass(frozen=True, slots=True, eq=False)
class Announcer:
    """Shows iterations to the caller, who may stop the fit."""

    on_iteration: OnIteration | None
    frame: Frame

    def goes_on(
        self,
        entry: Entry,
        start: int,
        n_starts: int,
        phase: str,
        make_checkpoint: Callable[[], Checkpoint],
    ) -> bool:
        """Whether the caller, having seen an iteration, wants the fit to go on."""
        if self.on_iteration is None:
            return True
        iteration, log_likelihood, parameters = entry
        state = IterationState(
            iteration,
            start,
            n_starts,
            log_likelihood,
            phase,
            lambda: leave_frame(parameters, self.frame),
            make_checkpoint,
        )
        return self.on_iteration(state) is not False
