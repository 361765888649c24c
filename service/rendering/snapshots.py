"""Frames of a trajectory in the coordinates of a picture.

Still numbers only, but here they meet the domain: a `View` is chosen once, from the
data and the final mixture, and held through the animation so that nothing swims.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from gmm_engine import GaussianMixture
from gmm_engine.types import FloatArray, IntArray
from service.domain.models import Trajectory
from service.rendering.geometry.ellipses import OUTER_RING, extents
from service.rendering.geometry.identities import identities
from service.rendering.geometry.projections import Projection, discriminant, identity
from service.rendering.geometry.windows import Window, inside, window_around


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """A mixture, and the points as it clusters them, in the unit square or interval."""

    iteration: int
    log_likelihood: float
    weights: FloatArray
    means: FloatArray
    covariances: FloatArray
    components: IntArray
    """The lasting number of each component: what decides its color."""
    labels: IntArray
    """The lasting number of each point's component."""
    paths: FloatArray
    """(n_components, n_frames so far, d): the means until now; NaN where absent."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """Where the rows, and all mixtures of a trajectory, appear in the picture."""

    projection: Projection
    window: Window

    @classmethod
    def of(cls, rows: FloatArray, final: GaussianMixture) -> Self:
        n_features = rows.shape[1]
        projection = identity(n_features) if n_features <= 2 else discriminant(final)
        means = projection.points(final.means)
        rings = extents(means, projection.covariances(final), OUTER_RING)
        return cls(projection, window_around(projection.points(rows), rings))

    @property
    def n_axes(self) -> int:
        return self.projection.n_axes

    def points(self, X: FloatArray) -> FloatArray:
        return self.window.points(self.projection.points(X))

    def covariances(self, mixture: GaussianMixture) -> FloatArray:
        return self.window.covariances(self.projection.covariances(mixture))


class Story:
    """A trajectory as snapshots in one view."""

    def __init__(self, trajectory: Trajectory, rows: FloatArray) -> None:
        self.trajectory = trajectory
        self.view = View.of(rows, trajectory[-1].mixture)
        self.points = self.view.points(rows)
        self._rows = rows
        means = [self.view.points(frame.mixture.means) for frame in trajectory]
        self.n_outside = int(np.count_nonzero(~inside(self.points)))
        self.components_outside = np.flatnonzero(~inside(means[-1]))
        self._components = identities(means)
        self.n_clusters = 1 + max(int(numbers.max()) for numbers in self._components)
        self._paths = np.full((len(means), self.n_clusters, self.view.n_axes), np.nan)
        for index, components in enumerate(self._components):
            self._paths[index, components] = means[index]

    def snapshot(self, index: int) -> Snapshot:
        """Return the snapshot of the frame with that index."""
        frame = self.trajectory[index]
        components = self._components[index]
        paths = self._paths[: index + 1, components].swapaxes(0, 1)
        return Snapshot(
            iteration=frame.iteration,
            log_likelihood=frame.log_likelihood,
            weights=np.asarray(frame.mixture.weights),
            means=paths[:, -1],
            covariances=self.view.covariances(frame.mixture),
            components=components,
            labels=components[frame.mixture.predict(self._rows)],
            paths=paths,
        )
