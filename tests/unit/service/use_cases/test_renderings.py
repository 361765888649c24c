from __future__ import annotations

import pytest

from service.errors import ModelNotFoundError, NoTrajectoryError
from service.use_cases.models import Parameters


def test_a_training_is_drawn_with_its_data(town, fit, dataset):
    model_id = town.runner.run(fit.id).model_id
    assert town.rendering_service.animation(model_id) == b"GIF89a"
    ((trajectory, rows, columns),) = town.renderer.asked
    assert trajectory == town.models.trajectory(model_id)
    assert rows.shape == (40, 2)
    assert columns == ("width", "height")


def test_a_model_from_parameters_has_no_training(town):
    fitted = town.model_service.create(Parameters([1], [[0]], [[[1]]]))
    with pytest.raises(NoTrajectoryError, match="not fitted here"):
        town.rendering_service.animation(fitted.model.id)


def test_a_training_cannot_be_drawn_without_its_data(town, fit, dataset):
    model_id = town.runner.run(fit.id).model_id
    town.dataset_service.delete(dataset.id)
    with pytest.raises(NoTrajectoryError, match="gone"):
        town.rendering_service.animation(model_id)


def test_an_unknown_model_cannot_be_drawn(town):
    with pytest.raises(ModelNotFoundError):
        town.rendering_service.animation("none")
