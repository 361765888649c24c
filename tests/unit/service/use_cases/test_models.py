from __future__ import annotations

import numpy as np
import pytest

from service.domain.tables import Table
from service.errors import (
    InvalidRequestError,
    InvalidTableError,
    ModelNotFoundError,
    TooLargeError,
    WrongFeaturesError,
)
from service.use_cases.models import Parameters

GIVEN = Parameters([0.25, 0.75], [[0, 0], [9, 9]], [[1, 2], [3, 4]], "diag")


@pytest.fixture
def model_id(town):
    return town.model_service.create(GIVEN, "by hand").model.id


def test_a_model_is_made_from_given_parameters(town, model_id):
    fitted = town.model_service.get(model_id)
    assert fitted.model.covariance_type == "diag"
    assert fitted.model.log_likelihood is None
    np.testing.assert_array_equal(fitted.mixture.weights, [0.25, 0.75])


@pytest.mark.parametrize(
    ("change", "pointer", "advice"),
    [
        ({"weights": [0.5, 0.6]}, "/weights", "Give a positive weight for each row"),
        ({"covariances": [[1, 2], [3, -4]]}, "/covariances", "give positive numbers."),
        ({"covariances": [1, 2]}, "/covariances", "a row for each component"),
        (
            {"covariances": [1, 2], "covariance_type": "VVV"},
            "/covariances",
            "For 'VVV' give a matrix of as many rows and columns as there are features",
        ),
    ],
)
def test_impossible_parameters_are_pointed_to(town, change, pointer, advice):
    fields = {name: getattr(GIVEN, name) for name in Parameters.__slots__}
    with pytest.raises(InvalidRequestError) as caught:
        town.model_service.create(Parameters(**(fields | change)))
    assert caught.value.places[0].pointer == pointer
    assert advice in caught.value.detail


def test_answers_are_those_of_the_mixture(town, model_id):
    table, mixture = Table(np.array([[0.0, 1.0], [8.0, 9.0]])), None
    service = town.model_service
    mixture = service.get(model_id).mixture
    labels = service.predict(model_id, table)
    np.testing.assert_array_equal(labels.arrays["labels"], [0, 1])
    probabilities = service.predict_proba(model_id, table)
    assert probabilities.columns == ("component_0", "component_1")
    np.testing.assert_allclose(
        probabilities.arrays["probabilities"], mixture.predict_proba(table.rows)
    )
    densities = service.score_samples(model_id, table).arrays["log_densities"]
    score = service.score(model_id, table)
    assert score.log_likelihood == pytest.approx(densities.sum())
    assert score.score == pytest.approx(densities.mean())
    assert score.n_samples == 2


def test_a_sample_names_its_columns(town, model_id):
    result = town.model_service.sample(model_id, 5, 0)
    assert result.columns == ("feature_0", "feature_1", "label")
    assert result.arrays["samples"].shape == (5, 2)


def test_a_sample_of_a_fitted_model_keeps_the_names_of_the_data(town, fit):
    model_id = town.runner.run(fit.id).model_id
    columns = town.model_service.sample(model_id, 1, 0).columns
    assert columns == ("width", "height", "label")


def test_rows_of_another_width_are_refused(town, model_id):
    with pytest.raises(WrongFeaturesError, match="2 features, but the rows have 3"):
        town.model_service.predict(model_id, Table(np.ones((1, 3))))


def test_columns_in_another_order_than_the_models_are_refused(town, fit):
    model_id = town.runner.run(fit.id).model_id
    rows = np.ones((1, 2))
    with pytest.raises(InvalidTableError, match="'height', but in the model it is"):
        town.model_service.predict(model_id, Table(rows, ("height", "width")))
    for columns in (("width", "height"), ("w", "h"), None):
        assert town.model_service.predict(model_id, Table(rows, columns))


def test_a_result_that_would_not_fit_is_refused(town, model_id, monkeypatch):
    monkeypatch.setattr("service.use_cases.models._MAX_RESULT_NUMBERS", 10)
    assert town.model_service.sample(model_id, 5, 0)
    with pytest.raises(TooLargeError, match="at most 5 rows"):
        town.model_service.sample(model_id, 6, 0)
    with pytest.raises(TooLargeError):
        town.model_service.predict_proba(model_id, Table(np.ones((6, 2))))


def test_a_renamed_model_keeps_all_else(town, model_id):
    before = town.model_service.get(model_id)
    after = town.model_service.rename(model_id, None)
    assert after.model.name is None
    assert after.mixture is before.mixture


def test_a_deleted_model_is_not_found(town, model_id):
    town.model_service.delete(model_id)
    with pytest.raises(ModelNotFoundError):
        town.model_service.get(model_id)
    with pytest.raises(ModelNotFoundError):
        town.model_service.predict(model_id, Table(np.ones((1, 2))))
