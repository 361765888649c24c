import numpy as np
import pytest
from numpy.testing import assert_allclose

from service.rendering.geometry.windows import (
    Window,
    evenly_spaced,
    inside,
    window_around,
)

NOWHERE = (np.full((1, 2), np.inf), np.full((1, 2), -np.inf))


def test_a_window_maps_its_corners_to_those_of_the_unit_square():
    window = Window(np.array([-1.0, 1e8]), np.array([3.0, 1e8 + 1]))
    assert_allclose(window.points(window.low), 0)
    assert_allclose(window.points(window.high), 1)


def test_covariances_change_as_the_points_do():
    points = np.random.default_rng(0).normal(size=(500, 2))
    window = Window(np.array([-1.0, 5.0]), np.array([3.0, 5.5]))
    shown = window.covariances(np.cov(points.T))
    assert_allclose(shown, np.cov(window.points(points).T), rtol=1e-9)


@pytest.mark.parametrize("scale", [1e-100, 1.0, 1e100])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_all_points_are_shown_with_a_margin_at_any_scale(scale, offset):
    points = (np.random.default_rng(0).normal(size=(500, 2)) + offset) * scale
    shown = window_around(points, NOWHERE).points(points)
    assert_allclose(shown.min(axis=0), 0.05 / 1.1, rtol=1e-6)
    assert_allclose(shown.max(axis=0), 1 - 0.05 / 1.1, rtol=1e-6)


def test_rings_are_shown_but_one_that_runs_away_does_not_shrink_the_picture():
    points = np.array([[0.0, 0.0], [1.0, 1.0]])
    near = (np.array([[-0.1, -0.1]]), np.array([[1.1, 1.1]]))
    far = (np.array([[-9.0, -9.0]]), np.array([[9.0, 9.0]]))
    both = tuple(np.concatenate(corners) for corners in zip(near, far, strict=True))
    assert_allclose(window_around(points, near).widths, 1.2 * 1.1)
    assert_allclose(window_around(points, far).widths, 1.5 * 1.1)
    assert_allclose(window_around(points, both).widths, 1.5 * 1.1)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.2764, 0.5, 0.9])
def test_rings_of_a_component_of_these_points_are_never_cut_off(share):
    """Of all distributions within bounds, those at the bounds vary most."""
    points = np.array([[0.0], [1.0]])
    deviation = np.sqrt(share * (1 - share))
    rings = (
        np.array([[share - 2 * deviation]]),
        np.array([[share + 2 * deviation]]),
    )
    shown = window_around(points, rings)
    assert shown.points(rings[0]).min() > 0
    assert shown.points(rings[1]).max() < 1


def with_outliers(n_rows, n_outlying, away=100.0):
    points = np.random.default_rng(0).normal(size=(n_rows, 2))
    points[:n_outlying] = [away, 0.0]
    return points


@pytest.mark.parametrize(
    ("n_rows", "n_outlying"), [(20, 1), (299, 2), (300, 3), (2000, 3), (5000, 5)]
)
@pytest.mark.parametrize("away", [100.0, -1e30])
def test_a_few_rows_far_out_do_not_shrink_the_picture(n_rows, n_outlying, away):
    points = with_outliers(n_rows, n_outlying, away)
    shown = inside(window_around(points, NOWHERE).points(points))
    assert not shown[:n_outlying].any()
    assert shown[n_outlying:].all()


@pytest.mark.parametrize(
    ("n_rows", "n_outlying", "away"),
    [(19, 1, 100.0), (150, 2, 100.0), (2000, 4, 100.0), (2000, 1, 8.0)],
)
def test_more_rows_or_nearer_ones_are_shown(n_rows, n_outlying, away):
    points = with_outliers(n_rows, n_outlying, away)
    assert inside(window_around(points, NOWHERE).points(points)).all()


def test_a_value_that_only_one_row_does_not_have_does_not_fill_the_picture():
    points = np.zeros((100, 2))
    points[7] = 1.0
    assert inside(window_around(points, NOWHERE).points(points)).all()


def test_the_ring_of_a_component_of_outlying_rows_leaves_the_window_as_it_is():
    points = with_outliers(1000, 1)
    rings = (np.array([[-2.0, -2], [99, -1]]), np.array([[2.0, 2], [101, 1]]))
    without = (rings[0][:1], rings[1][:1])
    assert_allclose(
        window_around(points, rings).widths, window_around(points, without).widths
    )


def test_a_single_point_is_shown_with_its_rings():
    point = np.array([[3.0, 4.0]])
    window = window_around(point, (point - 0.002, point + 0.002))
    assert_allclose(window.widths, 0.004 * 1.1, rtol=1e-6)


@pytest.mark.parametrize("value", [0.0, 1e-100, 1e100, -5.0])
def test_a_single_point_without_extent_is_in_the_middle(value):
    point = np.full((1, 2), value)
    window = window_around(point, (point, point))
    assert_allclose(window.points(point), 0.5)


def test_few_rows_are_all_shown_and_many_evenly():
    rows = np.arange(100.0)[:, None]
    assert evenly_spaced(rows, 100) is rows
    assert evenly_spaced(rows, 4)[:, 0].tolist() == [0, 33, 66, 99]
