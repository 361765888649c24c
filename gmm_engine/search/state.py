"""Searches for a start as plain numbers and arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gmm_engine.checkpoint import CANDIDATE_ARRAYS, Checkpoint, Phase, checkpoint_of
from gmm_engine.covariance import CovarianceStructure, structure_of
from gmm_engine.em import EmRun
from gmm_engine.errors import InvalidArgumentError
from gmm_engine.kernels.density import Parameters
from gmm_engine.run_state import resumed, run_arrays, run_numbers
from gmm_engine.search.candidates import Candidate, Origin, SearchTable, Standing
from gmm_engine.search.samples import Sample
from gmm_engine.types import FloatArray

_WORD = 1 << 32


def checkpoint_of_search(
    seed: np.random.SeedSequence,
    structure: CovarianceStructure,
    n_starts: int,
    table: SearchTable,
    standing: Standing | None,
    run: EmRun | None,
    fingerprint: FloatArray,
) -> Checkpoint:
    """Return where searches stand: after one of them, or at EM of one on a sample."""
    numbers = {"start": table.chosen, "n_starts": n_starts, "n_done": table.n_done}
    arrays: dict[str, object] = {
        "seed": _words(seed),
        "fingerprint": fingerprint,
        "start_log_likelihoods": table.log_likelihoods,
        **_candidate_arrays("best", table.best),
    }
    if standing is None or run is None:
        return checkpoint_of(Phase.SEARCH, structure.name, numbers, arrays)
    numbers |= {"n_climbed": standing.n_climbed, **run_numbers(run)}
    arrays |= {
        "current_log_likelihoods": standing.log_likelihoods,
        **_candidate_arrays("current", standing.best),
        **run_arrays(run),
    }
    return checkpoint_of(Phase.CLIMB, structure.name, numbers, arrays)


def checkpoint_of_run(run: EmRun, origin: Origin) -> Checkpoint:
    """Return where EM on all rows stands."""
    return checkpoint_of(
        Phase.FULL,
        run.problem.structure.name,
        {
            "start": origin.start,
            "n_starts": origin.n_starts,
            "n_starts_at_best": origin.n_at_best,
            **run_numbers(run),
        },
        {
            "start_log_likelihoods": origin.log_likelihoods,
            **_candidate_arrays("best", origin.fallback),
            **run_arrays(run),
        },
    )


def seed_of(checkpoint: Checkpoint) -> np.random.SeedSequence:
    """Return the seed of the searches."""
    words = checkpoint.arrays["seed"]
    return np.random.SeedSequence(
        sum(int(word) * _WORD**place for place, word in enumerate(words))
    )


def table_of(checkpoint: Checkpoint, shape: tuple[int, int]) -> SearchTable:
    """Return what the searches before had found, for means of that shape."""
    return SearchTable(
        checkpoint.numbers["n_done"],
        checkpoint.numbers["start"],
        _candidate("best", checkpoint, shape),
        checkpoint.arrays["start_log_likelihoods"],
    )


def standing_of(
    checkpoint: Checkpoint, samples: list[Sample], shape: tuple[int, int]
) -> Standing | None:
    """Return where the search that was interrupted stood, if it was at EM already."""
    if checkpoint.phase is not Phase.CLIMB:
        return None
    best = _candidate("current", checkpoint, shape)
    n_climbed = checkpoint.numbers["n_climbed"]
    if best is None or n_climbed + 2 >= len(samples):
        return None
    run = resumed(checkpoint, samples[n_climbed + 2].source)
    return Standing(best, checkpoint.arrays["current_log_likelihoods"], n_climbed, run)


def origin_of(checkpoint: Checkpoint) -> Origin:
    """Return where the start of EM on all rows came from."""
    numbers = checkpoint.numbers
    return Origin(
        numbers["start"],
        numbers["n_starts"],
        checkpoint.arrays["start_log_likelihoods"],
        numbers["n_starts_at_best"],
        _candidate("best", checkpoint),
    )


def _words(seed: np.random.SeedSequence) -> list[float]:
    """Return the entropy in pieces that a float64 holds exactly."""
    entropy = seed.entropy
    assert isinstance(entropy, int)
    words = []
    while entropy:
        entropy, word = divmod(entropy, _WORD)
        words.append(float(word))
    return words


def _candidate_arrays(prefix: str, candidate: Candidate | None) -> Mapping[str, object]:
    """Return the arrays of a candidate, or as many empty ones."""
    nothing: list[object] = [np.empty(0)] * 3
    values = [*nothing, *nothing, []]
    if candidate is not None:
        end = nothing if candidate.end is None else _arrays_of(candidate.end)
        values = [*_arrays_of(candidate.start), *end, [candidate.log_likelihood]]
    names = (f"{prefix}_{name}" for name in CANDIDATE_ARRAYS)
    return dict(zip(names, values, strict=True))


def _arrays_of(parameters: Parameters) -> list[object]:
    return [parameters.weights, parameters.means, parameters.covariances]


def _candidate(
    prefix: str, checkpoint: Checkpoint, shape: tuple[int, int] | None = None
) -> Candidate | None:
    structure = structure_of(checkpoint.covariance_type)
    arrays = [checkpoint.arrays[f"{prefix}_{name}"] for name in CANDIDATE_ARRAYS]
    start = _parameters(arrays[:3], structure, shape)
    if start is None:
        return None
    end = _parameters(arrays[3:6], structure, shape)
    return Candidate(start, end, float(arrays[6].item()))


def _parameters(
    arrays: list[FloatArray],
    structure: CovarianceStructure,
    shape: tuple[int, int] | None,
) -> Parameters | None:
    """Return parameters, None where there are none; `shape` is (K, D).

    Raises
    ------
    InvalidArgumentError
        If they are of another shape.
    """
    weights, means, covariances = arrays
    if not len(weights):
        return None
    if shape is None:
        shape = (len(weights), means.shape[-1])
    expected = (shape[:1], shape, structure.shape(*shape))
    if tuple(array.shape for array in arrays) != expected:
        raise InvalidArgumentError(
            f"expected resume with means of shape {shape}; got {means.shape}; give the "
            "data and options of the fit that it was taken of",
            argument="resume",
        )
    return Parameters(weights, means, covariances, structure)
