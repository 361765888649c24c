"""Renderings: pictures of models and of their training."""

from __future__ import annotations

from dataclasses import dataclass

from service.errors import DatasetNotFoundError, NoTrajectoryError
from service.ports import AnimationRenderer, DatasetRepository, ModelRepository


@dataclass(frozen=True, slots=True)
class RenderingService:
    """Draw what is stored of a model."""

    models: ModelRepository
    datasets: DatasetRepository
    animation_renderer: AnimationRenderer

    def animation(self, model_id: str) -> bytes:
        """Return a GIF of the training, one frame per EM iteration."""
        model = self.models.get(model_id)
        trajectory = self.models.trajectory(model_id)
        if model.provenance is None or not trajectory:
            raise NoTrajectoryError(
                f"Model {model_id!r} was not fitted here, so there is no training to "
                "show; fit a dataset and ask for the animation of its model."
            )
        try:
            rows = self.datasets.rows(model.provenance.dataset_id)
        except DatasetNotFoundError as error:
            raise NoTrajectoryError(
                f"The dataset of model {model_id!r} is gone, so its training cannot be "
                "shown any more; upload the data and fit again."
            ) from error
        return self.animation_renderer.render(trajectory, rows, model.columns)
