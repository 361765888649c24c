"""Trajectories to draw: seeded data, and mixtures given rather than fitted.

Fitting here would tie pictures to the engine's last digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gmm_engine import GaussianMixture
from service.domain.models import Frame, Trajectory


@dataclass(frozen=True)
class Scene:
    """The arguments of `TrainingAnimation.render`."""

    trajectory: Trajectory
    rows: np.ndarray
    columns: Sequence[str] | None = None


@dataclass(frozen=True)
class NearestMeanMixture:
    """Stands in for mixtures that the engine refuses to make: singular, overflowing."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    covariance_type: str = "full"

    @property
    def n_components(self):
        return len(self.weights)

    def full_covariances(self):
        return self.covariances

    def predict(self, X):
        distances = np.abs(X[:, None, :] - self.means).max(axis=2)
        return distances.argmin(axis=1)


def told(mixtures, log_likelihoods=None):
    """A trajectory through these mixtures."""
    if log_likelihoods is None:
        log_likelihoods = [-1000.0 + 400 * (1 - 0.5**i) for i in range(len(mixtures))]
    return tuple(
        Frame(iteration, log_likelihood, mixture)
        for iteration, (log_likelihood, mixture) in enumerate(
            zip(log_likelihoods, mixtures, strict=True)
        )
    )


def blobs(
    n_samples=300,
    n_components=3,
    n_features=2,
    n_frames=4,
    scale=1.0,
    offset=0.0,
    seed=0,
):
    """Separate round clusters, and a mixture that walks from a start to them."""
    rng = np.random.default_rng(seed)
    centers = rng.uniform(-10, 10, (n_components, n_features))
    labels = np.arange(n_samples) % n_components
    rows = centers[labels] + rng.normal(size=(n_samples, n_features))
    start = rng.uniform(-10, 10, centers.shape)
    weights = np.full(n_components, 1 / n_components)

    def walked(share):
        means = start + share * (centers - start)
        variances = np.full(n_components, 1 + 8 * (1 - share))
        return GaussianMixture(
            weights, means * scale + offset, variances * scale**2, "spherical"
        )

    mixtures = [walked(share) for share in np.linspace(0, 1, n_frames)]
    return Scene(told(mixtures), rows * scale + offset)
