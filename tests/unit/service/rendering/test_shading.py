import numpy as np
import pytest
from numpy.testing import assert_allclose

from service.rendering.geometry.shading import FAINTEST, ShadingGrid, tones


def test_points_are_counted_where_they_lie():
    points = np.array([[0.1, 0.9], [0.1, 0.9], [0.9, 0.1], [1.0, 1.0]])
    grid = ShadingGrid.of(points, (2, 2))
    counts = np.zeros(4, dtype=int)
    counts[grid.occupied] = grid.counts
    assert counts.reshape(2, 2).tolist() == [[2, 1], [0, 1]]


def test_points_outside_are_left_out():
    grid = ShadingGrid.of(np.array([[0.5, 0.5], [1.1, 0.5], [0.5, -0.1]]), (3, 3))
    assert grid.inside.tolist() == [0]
    assert grid.counts.sum() == 1


def test_a_cell_has_the_mean_color_of_its_points():
    points = np.full((4, 2), 0.5)
    grid = ShadingGrid.of(points, (1, 1))
    colors = np.array([[1.0, 0, 0], [0, 0, 1]])
    image = grid.colored(np.array([0, 0, 0, 1]), colors)
    assert image.tolist() == [[[191, 0, 64, 255]]]


def test_empty_cells_are_transparent():
    grid = ShadingGrid.of(np.array([[0.1, 0.1]]), (4, 4))
    image = grid.colored(np.array([0]), np.ones((1, 3)))
    assert np.count_nonzero(image[..., 3]) == 1


@pytest.mark.parametrize("factor", [1, 1000])
def test_tones_depend_on_ranks_only(factor):
    counts = np.array([1, 1, 2, 50]) * factor
    shares = (tones(counts) - FAINTEST) / (1 - FAINTEST)
    assert_allclose(shares, [0.5, 0.5, 0.75, 1])


def test_no_points_at_all_give_an_empty_image():
    grid = ShadingGrid.of(np.empty((0, 2)), (2, 3))
    image = grid.colored(np.empty(0, dtype=int), np.ones((1, 3)))
    assert image.shape == (2, 3, 4)
    assert not image.any()
