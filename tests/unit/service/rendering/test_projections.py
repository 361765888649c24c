import numpy as np
import pytest
from numpy.testing import assert_allclose

from gmm_engine import GaussianMixture
from service.rendering.geometry.mixtures import (
    mean_covariance,
    moments,
    projected_covariances,
)
from service.rendering.geometry.projections import discriminant, identity
from tests.unit.service.rendering.scenes import NearestMeanMixture

K, D = 3, 5


def random_mixture(covariance_type, n_components=K):
    rng = np.random.default_rng(3)
    factors = rng.normal(size=(n_components, D, D))
    full = factors @ factors.transpose(0, 2, 1) + np.eye(D)
    variances = np.diagonal(full, axis1=1, axis2=2)
    covariances = {
        "full": full,
        "tied": full[0],
        "diag": variances,
        "spherical": variances[:, 0],
    }[covariance_type]
    return GaussianMixture(
        rng.dirichlet(np.full(n_components, 5.0)),
        rng.normal(scale=4, size=(n_components, D)),
        covariances,
        covariance_type,
    )


STRUCTURES = ["full", "tied", "diag", "spherical"]


@pytest.mark.parametrize("covariance_type", STRUCTURES)
def test_projected_covariances_are_those_of_the_full_matrices(covariance_type):
    mixture = random_mixture(covariance_type)
    A = np.random.default_rng(4).normal(size=(D, 2))
    expected = [A.T @ covariance @ A for covariance in mixture.full_covariances()]
    assert_allclose(projected_covariances(mixture, A), expected, rtol=1e-12)


@pytest.mark.parametrize("covariance_type", STRUCTURES)
def test_the_mean_covariance_is_that_of_the_full_matrices(covariance_type):
    mixture = random_mixture(covariance_type)
    expected = np.average(mixture.full_covariances(), axis=0, weights=mixture.weights)
    assert_allclose(mean_covariance(mixture), expected, rtol=1e-12, atol=1e-12)


def test_moments_are_those_of_a_sample():
    mixture = random_mixture("full")
    samples, _ = mixture.sample(200_000, random_state=0)
    of_mixture = moments(mixture)
    assert_allclose(of_mixture.mean, samples.mean(axis=0), atol=0.05)
    assert_allclose(of_mixture.total, np.cov(samples.T), rtol=0.05, atol=0.3)


@pytest.mark.parametrize("n_components", [1, 2, 3])
def test_the_axes_are_uncorrelated_with_unit_variance(n_components):
    mixture = random_mixture("full", n_components=n_components)
    directions = discriminant(mixture).directions
    of_axes = directions.T @ moments(mixture).total @ directions
    assert_allclose(of_axes, np.eye(2), atol=1e-10)


def test_no_direction_separates_the_means_more_than_the_first():
    mixture = random_mixture("full")
    of_mixture = moments(mixture)

    def share(v):
        return (v @ of_mixture.between @ v) / (v @ of_mixture.total @ v)

    best = share(discriminant(mixture).directions[:, 0])
    others = np.random.default_rng(0).normal(size=(2000, D))
    assert best >= max(map(share, others))


@pytest.mark.parametrize(("n_components", "expected"), [(1, 0), (2, 1), (3, 2)])
def test_there_is_one_discriminant_less_than_components(n_components, expected):
    mixture = random_mixture("full", n_components=n_components)
    assert discriminant(mixture).n_discriminants == expected


def test_one_component_gives_the_principal_components_of_standardized_features():
    mixture = random_mixture("full", n_components=1)
    covariance = mixture.full_covariances()[0]
    deviations = np.sqrt(np.diag(covariance))
    _, vectors = np.linalg.eigh(covariance / np.outer(deviations, deviations))
    directions = discriminant(mixture).directions * deviations[:, None]
    for axis in range(2):
        cosine = directions[:, axis] @ vectors[:, -1 - axis]
        assert_allclose(abs(cosine), np.linalg.norm(directions[:, axis]), rtol=1e-9)


@pytest.mark.parametrize("scale", [1e-100, 1e100])
def test_the_picture_does_not_depend_on_the_scale(scale):
    X = np.random.default_rng(0).normal(size=(10, D))
    mixture = random_mixture("full")
    scaled = NearestMeanMixture(
        mixture.weights, scale * mixture.means, scale**2 * mixture.covariances
    )
    expected = discriminant(mixture).points(X)
    assert_allclose(discriminant(scaled).points(scale * X), expected, rtol=1e-9)


def test_correlations_are_those_with_the_axes():
    mixture = random_mixture("full")
    projection = discriminant(mixture)
    samples, _ = mixture.sample(100_000, random_state=0)
    axes = projection.points(samples)
    expected = np.corrcoef(samples.T, axes.T)[:D, D:]
    assert_allclose(projection.correlations, expected, atol=0.02)


def test_each_axis_grows_with_its_strongest_feature():
    correlations = discriminant(random_mixture("full")).correlations
    strongest = np.abs(correlations).argmax(axis=0)
    assert np.all(correlations[strongest, [0, 1]] > 0)


def test_identical_points_in_many_dimensions_project_to_one():
    mixture = NearestMeanMixture(np.ones(1), np.full((1, 3), 2.0), np.zeros((1, 3, 3)))
    points = discriminant(mixture).points(np.full((4, 3), 2.0))
    assert np.array_equal(points, np.zeros((4, 2)))


@pytest.mark.parametrize("n_features", [1, 2])
def test_one_and_two_features_are_shown_as_they_are(n_features):
    X = np.random.default_rng(0).normal(size=(10, n_features)) + 1e8
    assert identity(n_features).points(X) is X
