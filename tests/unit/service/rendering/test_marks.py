"""The numbers at the means: where they are, and that they can be read."""

from dataclasses import replace

import numpy as np
import pytest

from service.rendering.figures.canvas import Canvas
from service.rendering.figures.layout import Layout
from service.rendering.figures.marks import Numbers
from service.rendering.palettes import cluster_styles
from service.rendering.snapshots import Story
from tests.unit.service.rendering.scenes import blobs


def drawn(places, components=(0,), size=(640, 480), above=False):
    """Where there is ink on an empty picture: (x, y) of its pixels, y upwards."""
    places = np.array(places, dtype=float)
    scene = blobs()
    snapshot = Story(scene.trajectory, scene.rows).snapshot(0)
    snapshot = replace(snapshot, components=np.array(components))
    layout = Layout(*size)
    numbers = Numbers(layout, layout.plot, cluster_styles(13))
    canvas = Canvas(layout)
    canvas.freeze()
    show = numbers.above if above else numbers.beside
    picture = canvas.picture(show(snapshot, places))
    rows, columns = np.nonzero(picture[..., :3].max(axis=-1) < 128)
    return np.column_stack([columns, layout.height - 1 - rows])


@pytest.mark.parametrize("above", [False, True])
def test_a_number_stands_close_to_its_mean_and_clear_of_the_cross(above):
    mean = np.array([0.5, 0.5])
    box = Layout(640, 480).plot
    center = [box.left + 0.5 * box.width, box.bottom + 0.5 * box.height]
    distances = np.linalg.norm(drawn([mean], above=above) - center, axis=1)
    assert 6 < distances.min() < 10
    assert distances.max() < 20


def test_means_outside_of_the_picture_have_no_number():
    assert not len(drawn([[-0.1, 0.5], [0.5, 1.1], [np.nan, 0.5]], [0, 1, 2]))


@pytest.mark.parametrize("size", [(640, 480), (320, 240)])
def test_numbers_at_one_place_on_a_line_are_all_seen(size):
    alone = len(drawn([[0.5, 0.0]], [8], size, above=True))
    three = len(drawn([[0.5, 0.0]] * 3, [8, 8, 8], size, above=True))
    assert three == 3 * alone


@pytest.mark.parametrize("size", [(640, 480), (320, 240), (200, 150)])
def test_digits_are_high_enough_to_be_read(size):
    _, height = np.ptp(drawn([[0.5, 0.5]], size=size), axis=0) + 1
    assert height >= 6
