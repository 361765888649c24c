"""Searches for a start as plain numbers and arrays, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from gmm_engine.checkpoint import CANDIDATE_ARRAYS, Checkpoint, Phase, checkpoint_of
from gmm_engine.em import EmRun
from gmm_engine.frame import Frame
from gmm_engine.identity import Identity
from gmm_engine.kernels.density import Parameters
from gmm_engine.reading import Reading, refused
from gmm_engine.run_state import (
    n_components_asked,
    resumed,
    run_arrays,
    run_numbers,
    while_it_stands,
)
from gmm_engine.search.candidates import Candidate, Origin, SearchTable, Standing
from gmm_engine.search.samples import Sample
from gmm_engine.types import FloatArray

_WORD = 1 << 32


def checkpoint_of_search(
    seed: np.random.SeedSequence,
    identity: Identity,
    fingerprint: FloatArray,
    table: SearchTable,
    standing: Standing | None,
    run: EmRun | None,
) -> Callable[[], Checkpoint]:
    """Return what tells where searches stand: after one, or at EM on a sample."""
    assert identity.n_init is not None
    numbers = {
        **identity.numbers,
        "start": table.chosen,
        "n_starts": identity.n_init,
        "n_done": table.n_done,
    }
    arrays: dict[str, object] = {
        **identity.arrays,
        "seed": _words(seed),
        "fingerprint": fingerprint,
        "start_log_likelihoods": table.log_likelihoods,
        **_candidate_arrays("best", table.best),
    }
    name = identity.covariance_type
    if standing is None or run is None:
        return lambda: checkpoint_of(Phase.SEARCH, name, numbers, arrays)
    return while_it_stands(
        run,
        lambda: checkpoint_of(
            Phase.CLIMB,
            name,
            numbers | {"n_climbed": standing.n_climbed, **run_numbers(run)},
            arrays
            | {
                "current_log_likelihoods": standing.log_likelihoods,
                **_candidate_arrays("current", standing.best),
                **run_arrays(run),
            },
        ),
    )


def checkpoint_of_run(
    run: EmRun, origin: Origin, identity: Identity, fingerprint: FloatArray
) -> Callable[[], Checkpoint]:
    """Return what tells where EM on all rows stands."""
    return while_it_stands(
        run,
        lambda: checkpoint_of(
            Phase.FULL,
            identity.covariance_type,
            {
                **replace(identity, n_components=n_components_asked(run)).numbers,
                "start": origin.start,
                "n_starts": origin.n_starts,
                "n_starts_at_best": origin.n_at_best,
                **run_numbers(run),
            },
            {
                **identity.arrays,
                "fingerprint": fingerprint,
                "start_log_likelihoods": origin.log_likelihoods,
                **_candidate_arrays("best", origin.fallback),
                **run_arrays(run),
            },
        ),
    )


def seed_of(reading: Reading) -> np.random.SeedSequence:
    """Return the seed of the searches."""
    words = reading.whole("seed", reading.length("seed"), most=_WORD - 1)
    return np.random.SeedSequence(
        sum(int(word) * _WORD**place for place, word in enumerate(words))
    )


def table_of(reading: Reading) -> SearchTable:
    """Return what the searches before had found."""
    n_starts = reading.number("n_starts", least=1)
    n_done = reading.number("n_done", most=n_starts - 1)
    best = _candidate("best", reading)
    if (best is None) != (n_done == 0):
        raise refused("a best start just where a search was done")
    return SearchTable(
        n_done,
        reading.number("start", most=max(0, n_done - 1)),
        best,
        reading.vector("start_log_likelihoods", least=-np.inf),
    )


def standing_of(
    reading: Reading, samples: list[Sample], frame: Frame
) -> Standing | None:
    """Return where the search that was interrupted stood, if it was at EM already."""
    if reading.checkpoint.phase is not Phase.CLIMB:
        return None
    best = _candidate("current", reading)
    if best is None:
        raise refused("the start of a search that is at EM")
    standing = Standing(
        best,
        reading.vector("current_log_likelihoods", least=-np.inf),
        reading.number("n_climbed"),
    )
    if standing.next_sample >= len(samples):
        raise refused("fewer n_climbed, as there are no more samples")
    source = samples[standing.next_sample].source
    return replace(standing, run=resumed(reading, source, frame))


def origin_of(reading: Reading) -> Origin:
    """Return where the start of EM on all rows came from."""
    n_starts = reading.number("n_starts", least=1)
    return Origin(
        reading.number("start", most=n_starts - 1),
        n_starts,
        reading.vector("start_log_likelihoods"),
        reading.number("n_starts_at_best", least=1),
        _candidate("best", reading),
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


def _candidate(prefix: str, reading: Reading) -> Candidate | None:
    """Return a candidate, None where there is none."""
    start = reading.parameters_or_none(f"{prefix}_start_", reading.n_components)
    end = reading.parameters_or_none(f"{prefix}_end_", reading.n_components)
    name = f"{prefix}_log_likelihood"
    if start is None:
        if end is not None or reading.length(name):
            raise refused(f"{prefix}_start, as it holds an end")
        return None
    # A component that collapsed has left no end, and no likelihood worth the name.
    if end is None:
        return Candidate(start, None, float(reading.array(name, 1, least=-np.inf)[0]))
    return Candidate(start, end, float(reading.array(name, 1)[0]))
