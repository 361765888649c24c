"""Split and merge: out of an optimum with two components where one would do.

EM cannot carry a component from one end of the data to the other. Here components are
split in two and as many pairs of others merged, wherever the one gains more than the
other loses.

References
----------
Ueda, Nakano, Ghahramani & Hinton (2000), SMEM algorithm for mixture models.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gmm_engine.covariance import Moments
from gmm_engine.kernels.density import Parameters
from gmm_engine.search.changes import Change, selected
from gmm_engine.search.merges import likely_merges
from gmm_engine.search.posterior import Posterior
from gmm_engine.search.splits import likely_splits
from gmm_engine.team import ALONE, Team

# For fewer numbers than this threads only wait for each other's Python.
_WORTH_THREADS = 2e5


def split_and_merge(
    posterior: Posterior, team: Team, least_gain: float
) -> Parameters | None:
    """Return the mixture with some components split and as many pairs merged.

    None where no split gains `least_gain` nats more than the cheapest merge loses.
    """
    n_components = posterior.parameters.n_components
    if n_components < 3:
        return None
    if posterior.points.size * n_components < _WORTH_THREADS:
        team = ALONE
    splits = [
        split for split in likely_splits(posterior, team) if split.gain > least_gain
    ]
    if not splits:
        return None
    splits.sort(key=lambda each: -each.gain)
    merges = sorted(likely_merges(posterior), key=lambda each: -each.gain)
    accepted: list[Change] = []
    taken: set[int] = set()
    for split in splits:
        if taken.intersection(split.replaced):
            continue
        for merge in merges:
            if split.gain + merge.gain <= least_gain:
                break
            concerned = {*split.replaced, *merge.replaced}
            if len(concerned) == 3 and not taken & concerned:
                accepted += [split, merge]
                taken |= concerned
                break
    return changed(posterior.parameters, accepted) if accepted else None


def changed(mixture: Parameters, changes: Sequence[Change]) -> Parameters:
    """Return the mixture with components replaced."""
    replaced = {k for change in changes for k in change.replaced}
    kept = selected(
        mixture, [k for k in range(mixture.n_components) if k not in replaced]
    )
    pieces = [kept, *(change.parameters for change in changes)]
    weights = np.concatenate([piece.weights for piece in pieces])
    covariances = mixture.covariances
    if mixture.structure.moments is not Moments.POOLED:
        covariances = np.concatenate([piece.covariances for piece in pieces])
    return Parameters(
        weights / weights.sum(),
        np.concatenate([piece.means for piece in pieces]),
        covariances,
        mixture.structure,
    )
