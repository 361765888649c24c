"""The start that a caller gives, and the floor that keeps covariances from zero."""

from __future__ import annotations

from operator import add

import numpy as np

from gmm_engine import validation
from gmm_engine.em import MStep, Problem, m_step
from gmm_engine.errors import InvalidArgumentError
from gmm_engine.initialization import hard_responsibilities
from gmm_engine.kernels.density import Parameters
from gmm_engine.kernels.reference import moments_about
from gmm_engine.mixture import GaussianMixture, enter_frame
from gmm_engine.sources import Block
from gmm_engine.statistics import SufficientStatistics
from gmm_engine.survey import Survey
from gmm_engine.types import AnyArray, FloatArray


def floor_for(within: FloatArray, seen: Survey, reg_covar: float) -> FloatArray:
    """Return the least variances (D,), a fraction of the variance within components.

    Where components have none, the data's variance stands in for it, and one (in the
    frame) where the data have none either.
    """
    has_spread = within > seen.resolution
    scale = np.where(has_spread, within, seen.variances)
    if (scale > 0).any():
        scale = np.where(scale > 0, scale, scale[scale > 0].mean())
    else:
        scale = np.ones_like(scale)
    return np.asarray(np.maximum(reg_covar * scale, seen.resolution))


def within_variances(parameters: Parameters) -> FloatArray:
    """Return the variance of each feature averaged over the components, (D,)."""
    return np.asarray(
        parameters.weights
        @ parameters.structure.variances(
            parameters.covariances, parameters.n_components, parameters.n_features
        )
    )


Given = GaussianMixture | FloatArray
"""A mixture, labels (N,) or responsibilities (N, K)."""


def as_given(initial: object, n_samples: int) -> Given:
    """Return the start that a caller gives, with one entry or row for each of X's."""
    if isinstance(initial, GaussianMixture):
        return initial
    array = validation.as_numbers(initial, "initial", InvalidArgumentError)
    if array.ndim not in (1, 2) or len(array) != n_samples:
        raise InvalidArgumentError(
            f"expected initial to be a GaussianMixture, labels of shape ({n_samples},) "
            f"or responsibilities of shape ({n_samples}, n_components); got shape "
            f"{array.shape}",
            argument="initial",
        )
    return array


def given_start(problem: Problem, initial: Given, n_components: int | None) -> MStep:
    """Return the start that a mixture, labels or responsibilities make.

    From labels or responsibilities one M-step makes it, exactly.
    """
    if isinstance(initial, GaussianMixture):
        return _from_mixture(problem, initial, n_components)
    if initial.ndim == 1:
        responsibilities = _from_labels(initial, n_components)
    else:
        responsibilities = _checked_responsibilities(initial, n_components)
    return _one_m_step(problem, responsibilities)


def _from_mixture(
    problem: Problem, mixture: GaussianMixture, n_components: int | None
) -> MStep:
    structure = problem.structure
    if n_components not in (None, mixture.n_components):
        raise InvalidArgumentError(
            f"expected initial with n_components={n_components}; "
            f"got {mixture.n_components}; leave n_components out",
            argument="initial",
        )
    if mixture.n_features != problem.source.n_features:
        raise InvalidArgumentError(
            f"expected initial with {problem.source.n_features} features, as X has; "
            f"got {mixture.n_features}",
            argument="initial",
        )
    if mixture.covariance_type != structure.name:
        raise InvalidArgumentError(
            f"expected initial with covariance_type={structure.name!r}; "
            f"got {mixture.covariance_type!r}; give the same covariance_type to fit",
            argument="initial",
        )
    parameters = enter_frame(mixture, problem.frame)
    covariances, low = structure.repair(parameters.covariances, problem.floor)
    return MStep(
        Parameters(parameters.weights, parameters.means, covariances, structure),
        np.broadcast_to(low, (mixture.n_components,)),
        np.empty(0, dtype=np.int64),
    )


def _from_labels(labels: FloatArray, n_components: int | None) -> FloatArray:
    values = np.unique(labels)
    whole = values.astype(np.int64)
    expected = len(values) if n_components is None else n_components
    # Numbered from 0; a component may be empty only where the caller said how many.
    if (whole != values).any() or values[0] < 0 or values[-1] >= expected:
        raise InvalidArgumentError(
            f"expected labels from 0 to {expected - 1} in initial; got values from "
            f"{values[0]:g} to {values[-1]:g}; number the components from 0",
            argument="initial",
        )
    return hard_responsibilities(labels.astype(np.int64), expected)


def _checked_responsibilities(
    array: FloatArray, n_components: int | None
) -> FloatArray:
    if n_components not in (None, array.shape[1]):
        raise InvalidArgumentError(
            f"expected responsibilities of shape ({len(array)}, {n_components}); "
            f"got {array.shape}",
            argument="initial",
        )
    sums = array.sum(axis=1)
    if not (array.min() >= 0 and np.abs(sums - 1).max() < 1e-6):
        raise InvalidArgumentError(
            "expected responsibilities that are not negative and sum to one in each "
            "row of initial; divide each row by its sum",
            argument="initial",
        )
    return np.ascontiguousarray((array / sums[:, None]).T)


def _one_m_step(problem: Problem, responsibilities: FloatArray) -> MStep:
    """Return the M-step from responsibilities (K, N): means first, then scatter."""
    n_components, n_features = len(responsibilities), problem.source.n_features

    def gather(reference: FloatArray) -> SufficientStatistics:
        def on_block(block: Block) -> SufficientStatistics:
            part: AnyArray = responsibilities[:, block.start : block.stop]
            if block.weights is not None:
                part = part * block.weights
            return moments_about(
                problem.frame.enter(block.rows),
                part,
                reference,
                problem.structure.moments,
            )

        numbers = n_components * (n_features + 1) ** 2
        sums: SufficientStatistics = problem.source.reduce(
            on_block, add, result_numbers=numbers
        )
        return sums

    first = gather(np.zeros((n_components, n_features)))
    counts = np.where(first.counts > 0, first.counts, 1.0)
    means = first.first / counts[:, None]
    return m_step(problem, gather(means), means)
