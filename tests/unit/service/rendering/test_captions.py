import numpy as np
import pytest

from service.rendering.figures.canvas import Canvas
from service.rendering.figures.captions import ROOM, axis_labels, footer
from service.rendering.figures.furniture import TICK_SIZE
from service.rendering.figures.layout import Layout
from service.rendering.snapshots import Story
from tests.unit.service.rendering.scenes import blobs


def story(**scene):
    drawn = blobs(**scene)
    return Story(drawn.trajectory, drawn.rows)


def test_one_and_two_features_are_named():
    assert axis_labels(story().view, ["length", "width"]) == ["length", "width"]
    assert axis_labels(story(n_features=1).view, None) == ["x1"]


def test_projected_axes_say_what_they_are_and_what_goes_with_them():
    view = story(n_features=4).view
    labels = axis_labels(view, ["a", "b", "c", "d"])
    strongest = "abcd"[np.abs(view.projection.correlations[:, 0]).argmax()]
    assert labels[0].startswith(f"discriminant 1:  {strongest} +")
    assert labels[1].startswith("discriminant 2:  ")


def test_axes_that_separate_nothing_are_principal_components():
    labels = axis_labels(story(n_features=4, n_components=2).view, None)
    assert labels[0].startswith("discriminant 1:  x")
    assert labels[1].startswith("principal comp. 1:  x")


def test_long_names_leave_room_for_the_axis():
    names = [letter * 100 for letter in "abcd"]
    for label, room in zip(
        axis_labels(story(n_features=4).view, names), ROOM, strict=True
    ):
        assert len(label) <= room


@pytest.mark.parametrize(
    ("scene", "words"),
    [
        ({"n_features": 1}, "black: sum · 300 points"),
        ({"n_samples": 1, "n_components": 1}, "rings: 1σ and 2σ · 1 point"),
        ({}, "crosses: means · rings: 1σ and 2σ · 300 points"),
        ({"n_samples": 9000}, "density of 9,000 points"),
        ({"n_features": 3}, "±: correlation"),
    ],
)
def test_the_footer_says_how_to_read_the_picture(scene, words):
    drawn = story(**scene)
    assert words in footer(drawn, n_samples=len(drawn.points))


def test_the_footer_says_when_not_all_points_are_shown():
    assert "300 of 1,000 points" in footer(story(), n_samples=1000)


def test_the_longest_footer_fits_below_the_plot():
    layout = Layout(640, 480)
    words = footer(story(n_samples=200_000, n_features=3), n_samples=10_000_000)
    canvas = Canvas(layout)
    text = canvas.text(0, 0, words, TICK_SIZE)
    assert canvas.width_of(text) <= layout.plot.width
