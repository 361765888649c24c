"""Pictures against stored ones (see `baselines`), with room for other font engines."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from tests.unit.service.rendering.baselines import SCENES, drawn, stored

MEAN_DIFFERENCE = 1.0
"""Of 255, after a blur that lets edges move by a pixel."""
LARGE_DIFFERENCE = 32
LARGE_SHARE = 0.005


def blurred(pixels):
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(1.5)), dtype=float)


@pytest.mark.parametrize("name", SCENES)
def test_pictures_look_as_they_did(name):
    now, before = drawn(name), stored(name)
    assert now.shape == before.shape
    difference = np.abs(blurred(now) - blurred(before))
    assert difference.mean() < MEAN_DIFFERENCE
    assert (difference.max(axis=-1) > LARGE_DIFFERENCE).mean() < LARGE_SHARE


def test_the_tolerance_tells_pictures_apart():
    difference = np.abs(blurred(drawn("plane")) - blurred(stored("plane_dense")))
    assert difference.mean() > 2 * MEAN_DIFFERENCE
