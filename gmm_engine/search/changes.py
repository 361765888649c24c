"""Changes to a mixture's components, and what they gain on the rows concerned alone.

Let g be some components, w_n their part of row n's density, and S_n that part before
and S'_n after a change; then

    ln(1 - w_n + w_n S'_n / S_n) >= w_n ln(S'_n / S_n),

since the logarithm is concave. So what changes gain on their own rows, weighted by w_n,
the whole mixture gains at least, and changes to different components add up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmm_engine.covariance import CovarianceStructure, Moments
from gmm_engine.kernels.density import Parameters
from gmm_engine.search.posterior import Posterior
from gmm_engine.types import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """Components to be replaced by others, and what that gains, in nats."""

    replaced: tuple[int, ...]
    parameters: Parameters
    """Weights are shares of the whole mixture."""
    gain: float


def pooled_gain(
    posterior: Posterior,
    shares: FloatArray,
    means: FloatArray,
    count: float,
    sign: int = 1,
) -> float:
    """Return about what two components are better than one, if all share a covariance.

    That covariance loses the spread between the two (or, with sign -1, has gained it
    when they are merged); each of the `count` rows is taken to know its component.
    """
    total = float(posterior.weights.sum())
    apart = means[0] - means[1]
    spread = (count / total) * shares.prod() * np.outer(apart, apart)
    covariance = posterior.parameters.covariances
    before, after = (
        np.linalg.slogdet(covariance),
        np.linalg.slogdet(covariance - sign * spread),
    )
    if after[0] <= 0:
        return -np.inf
    entropy = -float(shares @ np.log(np.maximum(shares, 1e-300)))
    return 0.5 * sign * total * float(before[1] - after[1]) - count * entropy


def selected(mixture: Parameters, components: list[int]) -> Parameters:
    """Return some components; where all share a covariance they still do."""
    covariances = mixture.covariances
    if mixture.structure.moments is not Moments.POOLED:
        covariances = covariances[components]
    return Parameters(
        mixture.weights[components],
        mixture.means[components],
        covariances,
        mixture.structure,
    )


def kept_of(matrices: FloatArray, structure: CovarianceStructure) -> FloatArray:
    """Return what a structure keeps of (..., D, D) covariances, one for each component.

    Where all share one that is (..., D, D) too.
    """
    if structure.moments in (Moments.FULL, Moments.POOLED):
        return matrices
    variances = np.diagonal(matrices, axis1=-2, axis2=-1)
    return variances if structure.moments is Moments.DIAGONAL else variances.mean(-1)
