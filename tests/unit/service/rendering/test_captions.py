import numpy as np
import pytest

from gmm_engine import GaussianMixture
from service.rendering.figures.canvas import Canvas
from service.rendering.figures.captions import ROOM, axis_labels, footer
from service.rendering.figures.furniture import TICK_SIZE
from service.rendering.figures.layout import Layout
from service.rendering.snapshots import Story
from tests.unit.service.rendering.scenes import blobs, told


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
        ({"n_features": 1}, "black: their sum · 300 points"),
        ({"n_samples": 1, "n_components": 1}, "rings: 1σ, 2σ · 1 point"),
        ({}, "crosses: means · rings: 1σ, 2σ · 300 points"),
        ({"n_samples": 9000}, "density of 9,000 points"),
        ({"n_features": 3}, "±: correlation"),
    ],
)
def test_the_footer_says_how_to_read_the_picture(scene, words):
    drawn = story(**scene)
    assert words in footer(drawn, n_samples=len(drawn.points))


def test_the_footer_says_when_not_all_points_are_shown():
    assert "300 of 1,000 points" in footer(story(), n_samples=1000)


def story_with_outliers(n_samples, n_outlying, away, n_features=2):
    drawn = blobs(n_samples=n_samples, n_features=n_features)
    drawn.rows[:n_outlying] += away
    last = drawn.trajectory[-1].mixture
    means = np.concatenate([drawn.rows[:n_outlying], last.means])
    variances = np.ones(len(means))
    mixture = GaussianMixture(variances / len(means), means, variances, "spherical")
    alone = Story(drawn.trajectory, drawn.rows)
    with_own = Story(told([mixture]), drawn.rows)
    return alone, with_own


@pytest.mark.parametrize("n_features", [1, 2])
def test_the_footer_says_what_lies_outside(n_features):
    """Rows far out, and whether they have components of their own."""
    for n_outlying, means in [
        (1, " with mean 0"),
        (3, " with 3 means"),
    ]:
        alone, with_own = story_with_outliers(300, n_outlying, 1e4, n_features)
        assert footer(alone, 300).endswith(f"300 points, {n_outlying} outside")
        assert footer(with_own, 300).endswith(f", {n_outlying} outside{means}")


@pytest.mark.parametrize("n_features", [1, 3])
def test_the_longest_footer_fits_below_the_plot(n_features):
    layout = Layout(640, 480)
    longest = story(n_samples=200_000, n_features=n_features)
    longest.n_outside, longest.components_outside = 400, np.arange(9)
    words = footer(longest, n_samples=10_000_000)
    canvas = Canvas(layout)
    text = canvas.text(0, 0, words, TICK_SIZE)
    assert canvas.width_of(text) <= layout.plot.width
