"""EM's run as plain numbers and arrays, and back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gmm_engine.acceleration import SMALLEST_RADIUS, Accelerator, to_vector
from gmm_engine.checkpoint import Checkpoint
from gmm_engine.em import EmRun, MStep, Problem
from gmm_engine.errors import EngineError, InvalidArgumentError
from gmm_engine.frame import Frame
from gmm_engine.kernels.density import Parameters
from gmm_engine.reading import (
    SMALLEST_VARIANCE,
    Reading,
    checked_parameters,
    refused,
)
from gmm_engine.results import Diagnostic, DiagnosticKind
from gmm_engine.sources import ArraySource
from gmm_engine.trajectory import Entry
from gmm_engine.types import FloatArray

# How far the likelihood of the stored parameters on the data may be off.
_SAME_DATA = 1e-8
# No run is due more steps of one kind than this.
_MOST_DUE = 5


def run_numbers(run: EmRun) -> dict[str, int]:
    """Return the numbers of a run that a checkpoint keeps."""
    return {
        "n_plain": run.n_plain,
        "n_leaving": run.n_leaving,
        "stride": run.recorder.stride,
        "is_near": int(run.is_near),
    }


def run_arrays(run: EmRun) -> dict[str, object]:
    """Return the arrays of a run that a checkpoint keeps."""
    parameters = run.parameters
    # Frames from before a component was dropped have another shape, and are left out.
    kept = [e for e in run.recorder.kept if e[2].n_components == len(run.collapsed)]
    accelerator = run.accelerator or Accelerator()
    points, residuals = accelerator.history()
    return {
        "tol": [run.tol],
        "floor": run.problem.floor,
        "weights": parameters.weights,
        "means": parameters.means,
        "covariances": parameters.covariances,
        "collapsed": run.collapsed,
        "log_likelihoods": run.log_likelihoods,
        "gains": run.gains,
        "dropped": np.array(
            [[d.component or 0, d.iteration or 0] for d in run.dropped]
        ).reshape(-1, 2),
        "points": points,
        "residuals": residuals,
        "radius": [accelerator.radius],
        "frame_iterations": [e[0] for e in kept],
        "frame_log_likelihoods": [e[1] for e in kept],
        "frame_weights": _stacked([e[2].weights for e in kept]),
        "frame_means": _stacked([e[2].means for e in kept]),
        "frame_covariances": _stacked([e[2].covariances for e in kept]),
    }


def _stacked(arrays: list[FloatArray]) -> FloatArray:
    return np.stack(arrays) if arrays else np.empty(0)


def n_components_asked(run: EmRun) -> int:
    """Return with how many components a run began."""
    return run.parameters.n_components + len(run.dropped)


def while_it_stands(
    run: EmRun, make_checkpoint: Callable[[], Checkpoint]
) -> Callable[[], Checkpoint]:
    """Return what makes a run's checkpoint, but not once the run has gone on."""
    iteration = run.iteration

    def make() -> Checkpoint:
        if run.iteration != iteration:
            raise EngineError(
                "expected checkpoint to be asked for while on_iteration runs; the "
                f"state is that of iteration {iteration}, EM by now at iteration "
                f"{run.iteration}; ask for it in the callback"
            )
        return make_checkpoint()

    return make


def resumed(reading: Reading, source: ArraySource, frame: Frame) -> EmRun:
    """Return the run that a checkpoint was taken of.

    Raises
    ------
    InvalidArgumentError
        If the checkpoint is not of these data, or not of a run.
    """
    log_likelihoods = _log_likelihoods(reading)
    run = _evaluated(reading, source, frame)
    _require_same(run.log_likelihood, log_likelihoods[-1])
    run.log_likelihoods = log_likelihoods
    run.gains.extend(reading.vector("gains").tolist())
    run.n_plain = reading.number("n_plain", most=_MOST_DUE)
    run.n_leaving = reading.number("n_leaving", most=_MOST_DUE)
    run.dropped = _dropped(reading)
    points, residuals = _history(reading, run.parameters)
    if run.accelerator is not None:
        radius = reading.array("radius", 1, least=SMALLEST_RADIUS)
        run.accelerator.restore(points, residuals, float(radius[0]))
    run.recorder.stride = reading.number("stride", least=1)
    run.recorder.kept = _entries(reading, run)
    run.recorder.latest = (run.iteration, run.log_likelihood, run.parameters)
    return run


def _log_likelihoods(reading: Reading) -> list[float]:
    log_likelihoods: list[float] = reading.vector("log_likelihoods").tolist()
    if not log_likelihoods:
        raise refused("log_likelihoods; got none")
    return log_likelihoods


def _evaluated(reading: Reading, source: ArraySource, frame: Frame) -> EmRun:
    """Return a run at its parameters, with nothing behind it."""
    n_components = reading.n_components - reading.length("dropped")
    if n_components < 1:
        raise refused("a mixture; as many components were dropped as there were")
    parameters = reading.parameters("", n_components)
    floor = reading.array("floor", source.n_features, least=SMALLEST_VARIANCE)
    collapsed = reading.whole("collapsed", n_components, most=1)
    start = MStep(parameters, collapsed > 0, np.empty(0, dtype=np.int64))
    tol = reading.array("tol", 1, least=0)
    try:
        return EmRun(
            Problem(source, frame, reading.structure, floor),
            start,
            float(tol[0]),
            accelerate=bool(reading.number("accelerate", most=1)),
            is_near=bool(reading.number("is_near", most=1)),
        )
    except EngineError as error:
        raise refused(f"a mixture; {error}") from error


def _require_same(here: float, there: float) -> None:
    """Raise unless the parameters have the same likelihood on these data."""
    if not abs(here - there) <= _SAME_DATA * max(1.0, abs(there)):
        raise InvalidArgumentError(
            "expected resume to be a checkpoint of this X; its log-likelihood here is "
            f"{here:.10g}, there it was {there:.10g}",
            argument="resume",
        )


def _dropped(reading: Reading) -> list[Diagnostic]:
    rows = reading.whole("dropped", reading.length("dropped"), 2)
    return [
        Diagnostic(DiagnosticKind.DROPPED, component=int(k), iteration=int(iteration))
        for k, iteration in rows
    ]


def _history(reading: Reading, like: Parameters) -> tuple[FloatArray, FloatArray]:
    """Return the points and residuals that the accelerator goes on from."""
    n_rows, n_coordinates = reading.length("points"), len(to_vector(like))
    return (
        reading.rows("points", n_rows, n_coordinates),
        reading.rows("residuals", n_rows, n_coordinates),
    )


def _entries(reading: Reading, run: EmRun) -> list[Entry]:
    """Return the trajectory so far."""
    n_frames = reading.length("frame_iterations")
    iterations = reading.whole("frame_iterations", n_frames, most=run.iteration)
    if (np.diff(iterations) <= 0).any():
        raise refused("rising frame_iterations")
    log_likelihoods = reading.array("frame_log_likelihoods", n_frames)
    like = run.parameters
    frames = zip(
        reading.rows("frame_weights", n_frames, *like.weights.shape),
        reading.rows("frame_means", n_frames, *like.means.shape),
        reading.rows("frame_covariances", n_frames, *like.covariances.shape),
        strict=True,
    )
    mixtures = [checked_parameters(*arrays, like.structure) for arrays in frames]
    return list(
        zip(
            iterations.astype(int).tolist(),
            log_likelihoods.tolist(),
            mixtures,
            strict=True,
        )
    )
