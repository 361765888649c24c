"""A bounded record of a fit: more iterations than room thin it evenly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gmm_engine.kernels.density import Parameters
from gmm_engine.mixture import GaussianMixture
from gmm_engine.results import Trajectory, TrajectoryFrame

MAX_FRAMES = 240
MAX_NUMBERS = 2_000_000
"""No more numbers than this are kept (16 MB), but always the first and the last."""

Entry = tuple[int, float, Parameters]
"""Iteration, log-likelihood, parameters."""


@dataclass(slots=True)
class TrajectoryRecorder:
    """Keeps every stride-th iteration; the stride doubles when the room is full."""

    n_numbers: int
    """How many numbers one frame takes."""
    stride: int = 1
    kept: list[Entry] = field(default_factory=list)
    latest: Entry | None = None

    @property
    def capacity(self) -> int:
        return max(2, min(MAX_FRAMES, MAX_NUMBERS // max(1, self.n_numbers)))

    def record(
        self, iteration: int, log_likelihood: float, parameters: Parameters
    ) -> None:
        """Take note of an iteration; they come in rising order."""
        self.latest = (iteration, log_likelihood, parameters)
        if iteration % self.stride:
            return
        # One place is left for the last iteration, kept or not by the stride.
        while len(self.kept) >= self.capacity - 1 and self.kept:
            self.stride *= 2
            thinned = [entry for entry in self.kept if entry[0] % self.stride == 0]
            if len(thinned) == len(self.kept):
                break
            self.kept = thinned
        if iteration % self.stride == 0:
            self.kept.append(self.latest)

    def entries(self) -> list[Entry]:
        """Return what was kept, the last iteration included."""
        if self.latest is None or (self.kept and self.kept[-1][0] == self.latest[0]):
            return list(self.kept)
        return [*self.kept, self.latest]

    def newest(self) -> Entry:
        """Return the last iteration recorded."""
        assert self.latest is not None
        return self.latest

    def trajectory(
        self, to_mixture: Callable[[Parameters], GaussianMixture]
    ) -> Trajectory:
        """Return the entries as mixtures."""
        return Trajectory(
            tuple(
                TrajectoryFrame(iteration, log_likelihood, to_mixture(parameters))
                for iteration, log_likelihood, parameters in self.entries()
            )
        )
