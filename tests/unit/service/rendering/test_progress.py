import numpy as np
from numpy.testing import assert_allclose

from service.rendering.geometry.progress import MARGIN, progress_curve


def test_the_curve_fills_the_strip():
    curve = progress_curve([0, 1, 2, 3, 4], [0.0, 1, 2, 3, 4])
    assert_allclose(curve[:, 0], [0, 0.25, 0.5, 0.75, 1])
    assert_allclose(curve[[0, -1], 1], [MARGIN, 1 - MARGIN])


def test_a_first_step_that_dwarfs_many_others_lies_on_the_lower_edge():
    curve = progress_curve(range(10), [-800.0, *range(9)])
    assert_allclose(curve[[0, 1, 9], 1], [0, MARGIN, 1 - MARGIN])


def test_of_a_few_steps_all_are_shown():
    curve = progress_curve(range(9), [-800.0, *range(8)])
    assert_allclose(curve[[0, 8], 1], [MARGIN, 1 - MARGIN])


def test_steps_are_not_skipped_for_a_rest_that_is_next_to_nothing():
    curve = progress_curve(range(20), [-1e6, *range(19)])
    assert_allclose(curve[[0, 1], 1], [MARGIN, 1 - MARGIN], rtol=1e-4)


def test_the_gain_of_clean_data_is_seen():
    """Two blobs, 200 rows: all is gained in the first step."""
    values = [-1648.247, -1648.0821, -1648.0725, -1648.0717, -1648.0717, -1648.0717]
    heights = progress_curve(range(6), values)[:, 1]
    assert_allclose(heights[[0, 5]], [MARGIN, 1 - MARGIN])
    assert heights[1] > 0.9 * (1 - MARGIN)


def test_a_log_likelihood_that_falls_hides_nothing():
    curve = progress_curve(range(20), np.linspace(0, -19, 20))
    assert_allclose(curve[[0, 19], 1], [1 - MARGIN, MARGIN])


def test_values_that_are_not_finite_leave_a_gap():
    curve = progress_curve([0, 1, 2], [-np.inf, 1.0, 2.0])
    assert np.isnan(curve[0, 1])
    assert_allclose(curve[1:, 1], [MARGIN, 1 - MARGIN])


def test_equal_values_and_a_single_one_lie_in_the_middle():
    assert_allclose(progress_curve([0, 1], [3.0, 3.0])[:, 1], 0.5)
    assert_allclose(progress_curve([4], [3.0]), [[0.5, 0.5]])


def test_rounding_is_neither_a_gain_nor_a_loss():
    """One component: its first iteration is its last."""
    values = [-1518.5791234567, -1518.5791234568, -1518.5791234568]
    assert_allclose(progress_curve(range(3), values)[:, 1], 0.5)


def test_no_finite_value_at_all_draws_nothing():
    assert np.all(np.isnan(progress_curve([0, 1], [np.nan, -np.inf])[:, 1]))
