import numpy as np
import pytest

from gmm_engine import GaussianMixture, fit
from service.domain.models import FittedModel, Frame
from service.domain.pages import PageRequest
from service.errors import IdTakenError, ModelNotFoundError
from tests.records import (
    a_fitted_model,
    a_mixture,
    a_model,
    assert_same_mixture,
)

MIXTURES = {
    "full": [[[1.0, 0.2], [0.2, 0.7]], [[2.0, -0.3], [-0.3, 1.0]]],
    "tied": [[1.0, 0.2], [0.2, 0.7]],
    "diag": [[1.0, 0.7], [2.0, 1.0]],
    "spherical": [1.0, 1 / 3],
}


def test_a_stored_model_comes_back_equal(models):
    models.add(a_fitted_model())
    assert models.get("m1") == a_model()


def test_a_model_from_given_parameters_comes_back_equal(models):
    unfitted = dict.fromkeys(
        [
            "name",
            "columns",
            "log_likelihood",
            "bic",
            "aic",
            "n_iter",
            "converged",
            "fit_status",
            "fit_id",
            "provenance",
        ]
    )
    models.add(a_fitted_model(n_frames=0, **unfitted))
    assert models.get("m1") == a_model(**unfitted)
    assert models.trajectory("m1") == ()


@pytest.mark.parametrize("covariance_type", MIXTURES)
def test_a_mixture_of_each_structure_comes_back_bit_by_bit(models, covariance_type):
    mixture = GaussianMixture(
        [1 / 3, 2 / 3],
        [[0.1, 1e-300], [2.0, 1e300]],
        MIXTURES[covariance_type],
        covariance_type=covariance_type,
    )
    models.add(FittedModel(a_model(covariance_type=covariance_type), mixture))
    for _ in range(2):
        assert_same_mixture(models.mixture("m1"), mixture)


def test_a_trajectory_comes_back_bit_by_bit(models):
    fitted = a_fitted_model(n_frames=4)
    models.add(fitted)
    found = models.trajectory("m1")
    assert [frame.iteration for frame in found] == [0, 1, 2, 3]
    for frame, expected in zip(found, fitted.trajectory, strict=True):
        assert frame.log_likelihood == expected.log_likelihood
        assert_same_mixture(frame.mixture, expected.mixture)


def test_a_renamed_model_keeps_all_but_its_name(models):
    models.add(a_fitted_model())
    assert models.rename("m1", "better") == a_model(name="better")
    assert models.get("m1") == a_model(name="better")
    assert models.rename("m1", None) == a_model(name=None)
    assert_same_mixture(models.mixture("m1"), a_mixture())


@pytest.mark.parametrize("model_id", ["nowhere", "", "m1:0", "*"])
def test_an_unknown_model_is_not_found(models, model_id):
    models.add(a_fitted_model())
    for ask in (models.get, models.mixture, models.trajectory, models.delete):
        with pytest.raises(ModelNotFoundError):
            ask(model_id)
    with pytest.raises(ModelNotFoundError):
        models.rename(model_id, "x")


def test_a_deleted_model_is_gone_even_if_it_was_just_read(models):
    models.add(a_fitted_model())
    models.mixture("m1")
    models.delete("m1")
    for ask in (models.get, models.mixture, models.trajectory, models.delete):
        with pytest.raises(ModelNotFoundError):
            ask("m1")
    assert models.list(PageRequest(10)).items == ()


def test_a_second_model_with_the_same_id_is_refused(models):
    models.add(a_fitted_model())
    with pytest.raises(IdTakenError):
        models.add(a_fitted_model(name="another"))
    assert models.get("m1") == a_model()


@pytest.mark.parametrize("covariance_type", MIXTURES)
def test_what_the_engine_fits_comes_back_as_the_same_parameters(
    models, covariance_type
):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(200, 3)) @ rng.normal(size=(3, 3)) + rng.normal(size=3)
    result = fit(X, 3, covariance_type=covariance_type, random_state=0, max_iter=20)
    frames = tuple(
        Frame(frame.iteration, frame.log_likelihood, given(frame.mixture))
        for frame in result.frames
    )
    model = a_model(covariance_type=covariance_type, n_components=3, n_features=3)
    models.add(FittedModel(model, given(result.mixture), frames))
    assert_same_mixture(models.mixture("m1"), given(result.mixture))
    for found, expected in zip(models.trajectory("m1"), frames, strict=True):
        assert_same_mixture(found.mixture, expected.mixture)


def given(mixture):
    """The mixture as its public constructor makes it: exactly symmetric."""
    return GaussianMixture(
        mixture.weights,
        mixture.means,
        mixture.covariances,
        covariance_type=mixture.covariance_type,
    )
