import numpy as np
import pytest

from service.rendering.palettes import (
    DISTINCT24,
    LINE_CONTRAST,
    PETROFF10,
    cluster_styles,
    contrast_on_white,
    darkened,
    rgb,
)


def test_contrast_is_that_of_the_standard():
    assert contrast_on_white("#000000") == pytest.approx(21)
    assert contrast_on_white("#ffffff") == pytest.approx(1)
    assert contrast_on_white("#777777") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("n_clusters", [1, 10, 11, 24, 60])
def test_every_line_is_seen_on_white(n_clusters):
    for style in cluster_styles(n_clusters):
        assert contrast_on_white(style.line) >= LINE_CONTRAST


def test_colors_that_have_enough_contrast_are_not_darkened():
    assert [darkened(color) for color in DISTINCT24] == list(DISTINCT24)


def test_no_two_clusters_look_alike():
    for n_clusters in (10, 24, 96):
        looks = {(style.line, style.dash) for style in cluster_styles(n_clusters)}
        assert len(looks) == n_clusters


@pytest.mark.parametrize("n_clusters", [1, 12, 13, 60])
def test_clusters_are_numbered_from_zero_as_labels_are(n_clusters):
    numbers = [style.number for style in cluster_styles(n_clusters)]
    assert numbers == [str(label) for label in range(n_clusters)]


def test_rgb_reads_hexadecimal():
    assert rgb(["#ff0080"]).tolist() == [[1, 0, 128 / 255]]
    assert rgb(PETROFF10).shape == (10, 3)
    assert np.ptp(rgb(["#7f7f7f"])) == 0
