"""Fewer iterations: Anderson's extrapolation of EM, in coordinates without borders.

EM is a fixed-point iteration θ ← M(θ) that converges linearly, and slowly where
clusters overlap. From the last few residuals M(θ) - θ the next point is chosen as the
combination of the M(θ) whose residuals, combined likewise, are shortest.

References
----------
Walker & Ni (2011), Anderson acceleration for fixed-point iterations.
Henderson & Varadhan (2019), Damped Anderson acceleration with restarts and monotonicity
control for accelerating EM.
"""

from __future__ import annotations

import numpy as np

from gmm_engine.kernels.density import Parameters
from gmm_engine.types import FloatArray

# How many differences of residuals are combined.
_MEMORY = 10
# The history takes no more numbers than this: 32 MB.
_HISTORY_NUMBERS = 4_000_000
# Keeps the combination small where residuals are nearly dependent.
_DAMPING = 1e-9
# No coordinate (a logarithm, or a mean in standard deviations) moves farther at once.
_LONGEST_STEP = 3.0
# By how much the longest step shrinks when it did not help, and grows when it did.
_SHRINK, _GROW, SMALLEST_RADIUS = 0.25, 4.0, 1e-4
# The same where EM is followed, not led.
_LONGEST_STRETCH = 0.25
# Components are all but equal when they differ by less than this many deviations.
_MELTING = 0.1
# Means are compared so many numbers at a time: a megabyte.
_DIFFERENCES = 1 << 17


class Accelerator:
    """Proposes points beyond those of EM."""

    def __init__(self) -> None:
        self._points: list[FloatArray] = []
        self._residuals: list[FloatArray] = []
        # How far a proposal may lie, and how far the last one did.
        self.radius = _LONGEST_STEP
        self._length = 0.0

    def forget(self) -> None:
        """Start anew, after a step that did not come from here or did not help."""
        self._points.clear()
        self._residuals.clear()

    def history(self) -> tuple[FloatArray, FloatArray]:
        """Return the points and residuals observed, oldest first."""
        return np.array(self._points), np.array(self._residuals)

    def restore(self, points: FloatArray, residuals: FloatArray, radius: float) -> None:
        """Go on from a history."""
        self._points, self._residuals = list(points), list(residuals)
        self.radius = radius

    def judge(self, *, is_better: bool) -> None:
        """Learn from the last proposal how far the next may lie.

        Along a ridge that bends only short steps gain anything.
        """
        if not is_better:
            self.forget()
            self.radius = max(_SHRINK * self._length, SMALLEST_RADIUS)
        elif self._length >= 0.5 * self.radius:
            self.radius = min(_GROW * self.radius, _LONGEST_STEP)

    def observe(self, current: Parameters, em: Parameters) -> None:
        """Take note that EM goes from `current` to `em`."""
        start, end = to_vector(current), to_vector(em)
        if self._points and len(self._points[-1]) != len(end):
            self.forget()
        self._points.append(end)
        self._residuals.append(end - start)
        memory = max(1, min(_MEMORY, _HISTORY_NUMBERS // (2 * len(end))))
        del self._points[: -memory - 1], self._residuals[: -memory - 1]

    def propose(self, current: Parameters, em: Parameters) -> Parameters | None:
        """Return a point beyond the `em` last observed, or None while there is none."""
        if len(self._points) < 3:
            return None
        units = _units(current)
        residual = self._residuals[-1] / units
        differences = np.diff(self._residuals, axis=0) / units
        gram = differences @ differences.T
        gram[np.diag_indices_from(gram)] *= 1 + _DAMPING
        try:
            shares = np.linalg.solve(gram, differences @ residual)
        except np.linalg.LinAlgError:
            self.forget()
            return None
        step = -(shares @ np.diff(self._points, axis=0))
        longest = np.abs(step / units).max()
        if not np.isfinite(longest):
            self.forget()
            return None
        reach = self.radius / max(longest, self.radius)
        self._length = float(reach * longest)
        return from_vector(self._points[-1] + reach * step, em)


def stretched(current: Parameters, em: Parameters, factor: float) -> Parameters:
    """Return the point `factor` times as far from `current` as `em` is.

    References
    ----------
    Salakhutdinov & Roweis (2003), Adaptive overrelaxed bound optimization methods.
    """
    start = to_vector(current)
    step = to_vector(em) - start
    longest = factor * np.abs(step / _units(current)).max()
    reach = factor * _LONGEST_STRETCH / max(longest, _LONGEST_STRETCH)
    return from_vector(start + max(reach, 1.0) * step, em)


def are_melting(parameters: Parameters) -> bool:
    """Whether two components are all but equal.

    EM then creeps along a ridge between valleys, and extrapolation would leave it for
    another valley than EM's.
    """
    means = parameters.means
    variances = parameters.structure.variances(parameters.covariances, *means.shape)
    # Some components beside all at a time, so that differences take little memory.
    size = max(1, _DIFFERENCES // means.size)
    for start in range(0, len(means), size):
        some = slice(start, start + size)
        apart = means - means[some, None]
        limits = _MELTING**2 * variances[some, None]
        first, second = np.nonzero((apart * apart < limits).all(axis=2))
        pairs = zip(first + start, second, strict=True)
        if any(
            k < other and _are_alike(parameters, int(k), int(other))
            for k, other in pairs
        ):
            return True
    return False


def _are_alike(parameters: Parameters, k: int, other: int) -> bool:
    """Whether two components with one center are as wide, and lie the same way."""
    structure = parameters.structure
    pair = np.isin(np.arange(parameters.n_components), [k, other])
    covariances = structure.select(parameters.covariances, pair)
    one, two = structure.expand(covariances, 2, parameters.n_features)
    variances = np.diagonal(one)
    ratios = np.diagonal(two) / variances
    if (np.abs(np.log(ratios)) >= _MELTING).any():
        return False
    deviations = np.sqrt(variances)
    limits = _MELTING * np.outer(deviations, deviations)
    return bool((np.abs(one - two) < limits).all())


def to_vector(parameters: Parameters) -> FloatArray:
    """Return parameters as a vector any change of which is a mixture again.

    Logarithms of the weights, means, and the covariances as their structure has it.
    """
    return np.concatenate(
        [
            np.log(parameters.weights),
            parameters.means.ravel(),
            parameters.structure.to_vector(parameters.covariances),
        ]
    )


def from_vector(vector: FloatArray, like: Parameters) -> Parameters:
    """Return the parameters of a vector, with the sizes of others."""
    n_components, n_features = like.means.shape
    n_means = n_components * (1 + n_features)
    log_weights = vector[:n_components]
    weights = np.exp(log_weights - log_weights.max())
    return Parameters(
        weights / weights.sum(),
        vector[n_components:n_means].reshape(n_components, n_features),
        like.structure.from_vector(vector[n_means:], n_components, n_features),
        like.structure,
    )


def _units(parameters: Parameters) -> FloatArray:
    """Return what a coordinate's change is measured in: one, or the deviation."""
    n_components, n_features = parameters.means.shape
    structure = parameters.structure
    variances = structure.variances(parameters.covariances, n_components, n_features)
    n_covariances = len(structure.to_vector(parameters.covariances))
    return np.concatenate(
        [np.ones(n_components), np.sqrt(variances).ravel(), np.ones(n_covariances)]
    )
