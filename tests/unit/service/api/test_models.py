from __future__ import annotations

import pytest

from tests.unit.service.api.conftest import problem

GIVEN = {"weights": [0.5, 0.5], "means": [[0], [1]], "covariances": [[[1]], [[2]]]}


def test_a_fitted_model_shows_its_parameters_and_where_it_came_from(
    client, model_id, dataset_id
):
    model = client.get(f"/v1/models/{model_id}").json
    assert sum(model["weights"]) == pytest.approx(1)
    assert len(model["means"]) == model["n_components"] == 2
    assert model["n_features"] == 2
    assert model["covariance_type"] == "full"
    assert model["converged"] in (True, False)
    assert model["bic"] > 0 or model["bic"] <= 0
    provenance = model["provenance"]
    assert provenance["dataset_id"] == dataset_id
    assert provenance["dataset_hash"].startswith("sha256:")
    assert provenance["seed"] == 0


def test_a_model_is_made_from_parameters_without_a_fit(client):
    answer = client.post("/v1/models", json=GIVEN | {"name": "by hand"})
    assert answer.status_code == 201
    model = client.get(answer.headers["Location"]).json
    assert model == answer.json
    assert model["name"] == "by hand"
    assert model["covariances"] == [[[1.0]], [[2.0]]]
    assert model["log_likelihood"] is None
    assert model["provenance"] is None


@pytest.mark.parametrize(
    ("covariance_type", "covariances"),
    [("tied", [[1]]), ("diag", [[1], [2]]), ("spherical", [1, 2]), ("VII", [1, 2])],
)
def test_covariances_have_the_shape_of_their_structure(
    client, covariance_type, covariances
):
    structure = {"covariance_type": covariance_type, "covariances": covariances}
    answer = client.post("/v1/models", json=GIVEN | structure)
    assert answer.status_code == 201
    assert answer.json["covariances"] == covariances


def test_a_model_can_be_renamed_and_the_name_taken_away(client, model_id):
    answer = client.patch(f"/v1/models/{model_id}", json={"name": "other"})
    assert (answer.status_code, answer.json["name"]) == (200, "other")
    answer = client.patch(f"/v1/models/{model_id}", json={"name": None})
    assert answer.json["name"] is None
    assert client.get(f"/v1/models/{model_id}").json == answer.json


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"weights": [1]}, {"id": "x"}])
def test_nothing_but_the_name_can_change(client, model_id, body):
    answer = client.patch(f"/v1/models/{model_id}", json=body)
    problem(answer, 422, "invalid-request")


def test_models_are_listed_without_their_parameters(client, model_id):
    (model,) = client.get("/v1/models").json["items"]
    assert model["id"] == model_id
    assert "means" not in model


def test_a_deleted_model_is_gone(client, model_id):
    assert client.delete(f"/v1/models/{model_id}").status_code == 204
    problem(client.get(f"/v1/models/{model_id}"), 404, "model-not-found")
    problem(client.delete(f"/v1/models/{model_id}"), 404, "model-not-found")
    answer = client.patch(f"/v1/models/{model_id}", json={"name": "x"})
    problem(answer, 404, "model-not-found")
