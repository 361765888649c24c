import numpy as np
import pytest
from numpy.testing import assert_allclose

from service.rendering.geometry.ellipses import ellipses, extents, square_roots


def random_covariances(n, seed=0):
    factors = np.random.default_rng(seed).normal(size=(n, 2, 2))
    return factors @ factors.transpose(0, 2, 1)


@pytest.mark.parametrize("radius", [1.0, 2.0])
def test_every_point_of_a_ring_has_that_mahalanobis_distance(radius):
    covariances = random_covariances(20)
    means = np.random.default_rng(1).normal(size=(20, 2))
    for ring, mean, covariance in zip(
        ellipses(means, covariances, radius), means, covariances, strict=True
    ):
        centered = ring - mean
        squared = np.einsum(
            "ni,ij,nj->n", centered, np.linalg.inv(covariance), centered
        )
        assert_allclose(squared, radius**2, rtol=1e-8)


def test_rings_are_closed():
    rings = ellipses(np.zeros((5, 2)), random_covariances(5), 1.0)
    assert np.array_equal(rings[:, 0], rings[:, -1])


def test_a_square_root_times_itself_is_the_covariance():
    covariances = random_covariances(10)
    roots = square_roots(covariances)
    assert_allclose(roots @ roots.transpose(0, 2, 1), covariances, atol=1e-12)


def test_the_ring_of_a_singular_covariance_is_a_segment():
    ring = ellipses(np.zeros((1, 2)), np.ones((1, 2, 2)), 2.0)[0]
    assert_allclose(ring[:, 0], ring[:, 1], atol=1e-7)
    assert_allclose(ring.max(), 2.0, rtol=1e-6)


def test_the_ring_of_a_zero_covariance_is_its_mean():
    ring = ellipses(np.array([[3.0, 4.0]]), np.zeros((1, 2, 2)), 2.0)[0]
    assert np.array_equal(ring, np.broadcast_to([3.0, 4.0], ring.shape))


def test_extents_are_those_of_the_rings():
    covariances, means = random_covariances(8), np.arange(16.0).reshape(8, 2)
    low, high = extents(means, covariances, 2.0)
    rings = ellipses(means, covariances, 2.0, n_points=20_001)
    assert_allclose(low, rings.min(axis=1), atol=1e-6)
    assert_allclose(high, rings.max(axis=1), atol=1e-6)
