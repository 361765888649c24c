"""EM's run as plain numbers and arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gmm_engine.acceleration import Accelerator
from gmm_engine.checkpoint import Checkpoint
from gmm_engine.covariance import structure_of
from gmm_engine.em import EmRun, Problem, as_start
from gmm_engine.errors import EngineError, InvalidArgumentError
from gmm_engine.frame import Frame
from gmm_engine.kernels.density import Parameters
from gmm_engine.results import Diagnostic, DiagnosticKind
from gmm_engine.sources import ArraySource
from gmm_engine.trajectory import Entry
from gmm_engine.types import AnyArray, FloatArray

# How far the likelihood of the stored parameters on the data may be off.
_SAME_DATA = 1e-8


def run_numbers(run: EmRun) -> dict[str, int]:
    """Return the numbers of a run that a checkpoint keeps."""
    return {
        "n_samples": run.problem.source.n_samples,
        "n_plain": run.n_plain,
        "n_leaving": run.n_leaving,
        "stride": run.recorder.stride,
        "accelerate": int(run.accelerator is not None),
        "is_near": int(run.is_near),
    }


def run_arrays(run: EmRun) -> dict[str, object]:
    """Return the arrays of a run that a checkpoint keeps."""
    problem, parameters = run.problem, run.parameters
    # Frames from before a component was dropped have another shape, and are left out.
    kept = [e for e in run.recorder.kept if e[2].n_components == len(run.collapsed)]
    points, residuals = (run.accelerator or Accelerator()).history()
    return {
        "tol": [run.tol],
        "center": problem.frame.center,
        "scale": problem.frame.scale,
        "floor": problem.floor,
        "weights": parameters.weights,
        "means": parameters.means,
        "covariances": parameters.covariances,
        "log_likelihoods": run.log_likelihoods,
        "gains": run.gains,
        "dropped": np.array(
            [[d.component or 0, d.iteration or 0] for d in run.dropped]
        ).reshape(-1, 2),
        "points": points,
        "residuals": residuals,
        "frame_iterations": [e[0] for e in kept],
        "frame_log_likelihoods": [e[1] for e in kept],
        "frame_weights": _stacked([e[2].weights for e in kept]),
        "frame_means": _stacked([e[2].means for e in kept]),
        "frame_covariances": _stacked([e[2].covariances for e in kept]),
    }


def _stacked(arrays: list[FloatArray]) -> FloatArray:
    return np.stack(arrays) if arrays else np.empty(0)


def resumed(checkpoint: Checkpoint, source: ArraySource) -> EmRun:
    """Return the run that a checkpoint was taken of.

    Raises
    ------
    InvalidArgumentError
        If the checkpoint is not of these data.
    """
    arrays, numbers = checkpoint.arrays, checkpoint.numbers
    structure = structure_of(checkpoint.covariance_type)
    frame = Frame(arrays["center"], arrays["scale"])
    shape = (source.n_samples, source.n_features)
    if shape != (numbers["n_samples"], len(frame.center)):
        raise InvalidArgumentError(
            f"expected resume to be a checkpoint of data of shape {shape}; got one of "
            f"{(numbers['n_samples'], len(frame.center))}",
            argument="resume",
        )
    parameters = Parameters(
        arrays["weights"], arrays["means"], arrays["covariances"], structure
    )
    problem = Problem(source, frame, structure, arrays["floor"])
    log_likelihoods = arrays["log_likelihoods"].tolist()
    try:
        run = EmRun(
            problem,
            as_start(parameters),
            float(arrays["tol"][0]),
            accelerate=bool(numbers["accelerate"]),
            is_near=bool(numbers["is_near"]),
        )
    except EngineError as error:
        raise InvalidArgumentError(
            f"expected resume to hold a mixture; {error}", argument="resume"
        ) from error
    if not abs(run.log_likelihood - log_likelihoods[-1]) <= _SAME_DATA * max(
        1.0, abs(log_likelihoods[-1])
    ):
        raise InvalidArgumentError(
            "expected resume to be a checkpoint of this X; its log-likelihood here is "
            f"{run.log_likelihood:.10g}, there it was {log_likelihoods[-1]:.10g}",
            argument="resume",
        )
    run.log_likelihoods = log_likelihoods
    run.gains.extend(arrays["gains"].tolist())
    run.n_plain = numbers["n_plain"]
    run.n_leaving = numbers["n_leaving"]
    run.dropped = [
        Diagnostic(DiagnosticKind.DROPPED, component=int(k), iteration=int(iteration))
        for k, iteration in arrays["dropped"]
    ]
    if run.accelerator is not None:
        run.accelerator.restore(arrays["points"], arrays["residuals"])
    run.recorder.stride = numbers["stride"]
    run.recorder.kept = _entries(arrays, parameters)
    run.recorder.latest = (run.iteration, log_likelihoods[-1], parameters)
    return run


def _entries(arrays: Mapping[str, AnyArray], like: Parameters) -> list[Entry]:
    return [
        (
            int(iteration),
            float(log_likelihood),
            Parameters(weights, means, covariances, like.structure),
        )
        for iteration, log_likelihood, weights, means, covariances in zip(
            arrays["frame_iterations"],
            arrays["frame_log_likelihoods"],
            arrays["frame_weights"],
            arrays["frame_means"],
            arrays["frame_covariances"],
            strict=True,
        )
    ]
