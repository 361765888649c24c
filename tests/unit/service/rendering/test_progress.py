import numpy as np
from numpy.testing import assert_allclose

from service.rendering.geometry.progress import MARGIN, progress_curve


def test_the_curve_fills_the_strip():
    curve = progress_curve([0, 1, 2, 3, 4], [0.0, 1, 2, 3, 4])
    assert_allclose(curve[:, 0], [0, 0.25, 0.5, 0.75, 1])
    assert_allclose(curve[[0, -1], 1], [MARGIN, 1 - MARGIN])


def test_a_first_step_that_dwarfs_the_others_lies_below_the_strip():
    curve = progress_curve(range(5), [-1e6, 0.0, 1, 2, 3])
    assert curve[0, 1] < 0
    assert_allclose(curve[[1, 4], 1], [MARGIN, 1 - MARGIN])


def test_values_that_are_not_finite_leave_a_gap():
    curve = progress_curve([0, 1, 2], [-np.inf, 1.0, 2.0])
    assert np.isnan(curve[0, 1])
    assert_allclose(curve[1:, 1], [MARGIN, 1 - MARGIN])


def test_equal_values_and_a_single_one_lie_in_the_middle():
    assert_allclose(progress_curve([0, 1], [3.0, 3.0])[:, 1], 0.5)
    assert_allclose(progress_curve([4], [3.0]), [[0.5, 0.5]])


def test_no_finite_value_at_all_draws_nothing():
    assert np.all(np.isnan(progress_curve([0, 1], [np.nan, -np.inf])[:, 1]))
