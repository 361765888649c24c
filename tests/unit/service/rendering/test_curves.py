import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import trapezoid

from service.rendering.geometry.curves import (
    area,
    component_densities,
    curves_above,
    histogram,
)

X = np.linspace(-10, 11, 2001)
WEIGHTS, MEANS, VARIANCES = (
    np.array([0.3, 0.7]),
    np.array([-1.0, 2]),
    np.array([1.0, 4]),
)


def test_densities_are_those_of_the_formula():
    densities = component_densities(X, WEIGHTS, MEANS, VARIANCES)
    for k in range(2):
        z = (X - MEANS[k]) ** 2 / VARIANCES[k]
        expected = WEIGHTS[k] * np.exp(-z / 2) / np.sqrt(2 * np.pi * VARIANCES[k])
        assert_allclose(densities[k], expected, rtol=1e-12, atol=1e-300)


def test_a_component_integrates_to_its_weight():
    densities = component_densities(X, WEIGHTS, MEANS, VARIANCES)
    assert_allclose(trapezoid(densities, X), WEIGHTS, atol=1e-4)


@pytest.mark.parametrize("variance", [0.0, 1e-300, 1e-12])
def test_a_spike_between_two_points_is_still_drawn(variance):
    x = np.linspace(0, 1, 101)
    spike = component_densities(x, np.ones(1), np.array([0.505]), np.array([variance]))
    assert spike.max() > 20


def test_a_histogram_has_area_one():
    x = np.random.default_rng(0).normal(size=500)
    heights, edges = histogram(x)
    assert_allclose(heights @ np.diff(edges), 1)
    assert edges[0] == x.min()
    assert edges[-1] == x.max()


@pytest.mark.parametrize("x", [[0.5], [0.5, 0.5], [0.0, 0.5, 0.5, 0.5, 0.5, 1.0]])
def test_a_histogram_of_repeated_values_has_area_one(x):
    heights, edges = histogram(np.array(x))
    assert_allclose(heights @ np.diff(edges), 1)


def test_bars_are_as_high_as_the_density_of_clusters_far_apart():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 1, 300), rng.normal(100, 1, 300)])
    heights, _ = histogram(x)
    highest = 0.5 / np.sqrt(2 * np.pi)
    assert heights.max() > highest / 2


def test_curves_are_cut_where_they_are_low():
    curves = curves_above(0.5, np.arange(4.0), np.array([[0, 1, 1, 0.0], [0, 0, 0, 0]]))
    assert curves[0].tolist() == [[1, 1], [2, 1]]
    assert curves[1].shape == (0, 2)


def test_an_area_begins_and_ends_on_the_axis():
    assert area(np.array([1.0, 2]), np.array([3.0, 4])).tolist() == [
        *([1, 0], [1, 3], [2, 4], [2, 0]),
    ]
    assert area(np.empty(0), np.empty(0)).shape == (1, 2)
