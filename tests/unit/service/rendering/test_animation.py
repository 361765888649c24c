"""Whole animations: what is in the file, and that nothing makes it fail."""

import io
import threading

import numpy as np
import pytest
from PIL import Image

from gmm_engine import GaussianMixture
from service.errors import NoTrajectoryError
from service.ports import AnimationRenderer
from service.rendering import TrainingAnimation
from tests.unit.service.rendering.scenes import (
    NearestMeanMixture,
    Scene,
    blobs,
    told,
)


def rendered(scene, width=320, height=240):
    return TrainingAnimation(width, height).render(
        scene.trajectory, scene.rows, scene.columns
    )


def pictures(scene, **size):
    drawn = TrainingAnimation(**size).pictures(
        scene.trajectory, scene.rows, scene.columns
    )
    return [picture[..., :3] for picture in drawn]


def ink(picture):
    """The share of pixels that are neither paper nor gray."""
    colorful = np.ptp(picture.astype(int), axis=-1) > 40
    return colorful.mean()


def assert_is_animation(gif, n_frames, size=(320, 240)):
    with Image.open(io.BytesIO(gif)) as image:
        assert (image.format, image.size, image.n_frames) == ("GIF", size, n_frames)
        for index in range(n_frames):
            image.seek(index)
            assert ink(np.asarray(image.convert("RGB"))) > 1e-4


def test_it_is_the_renderer_that_the_use_cases_ask_for():
    renderer: AnimationRenderer = TrainingAnimation()
    scene = blobs()
    assert renderer.render(scene.trajectory, scene.rows, None).startswith(b"GIF89a")


@pytest.mark.parametrize("n_features", [1, 2, 3, 10])
def test_there_is_one_frame_for_each_iteration(n_features):
    scene = blobs(n_features=n_features, n_frames=7)
    gif = rendered(scene)
    assert_is_animation(gif, n_frames=7)
    with Image.open(io.BytesIO(gif)) as image:
        durations = []
        for index in range(7):
            image.seek(index)
            durations.append(image.info["duration"])
        assert durations == [70, 70, 60, 70, 70, 60, 2000]
        assert image.info["loop"] == 0


def test_frames_that_differ_in_their_number_only_are_all_there():
    scene = blobs(n_frames=2)
    still = told([scene.trajectory[-1].mixture] * 12, [-1.0] * 12)
    assert_is_animation(rendered(Scene(still, scene.rows)), n_frames=12)


@pytest.mark.parametrize("size", [(200, 150), (333, 217), (801, 600), (640, 1000)])
def test_pictures_have_the_size_that_was_asked_for(size):
    width, height = size
    gif = rendered(blobs(n_frames=2), width=width, height=height)
    assert_is_animation(gif, n_frames=2, size=size)


def test_the_same_fit_gives_the_same_bytes():
    assert rendered(blobs()) == rendered(blobs())


def test_threads_do_not_mix_their_pictures():
    scenes = [blobs(seed=seed, n_features=1 + seed % 3) for seed in range(8)]
    alone = [rendered(scene) for scene in scenes]
    together: dict[int, bytes] = {}
    renderer = TrainingAnimation(320, 240)
    barrier = threading.Barrier(8)

    def render(index):
        scene = scenes[index]
        barrier.wait()
        together[index] = renderer.render(scene.trajectory, scene.rows, None)

    threads = [threading.Thread(target=render, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [together[i] for i in range(8)] == alone


def test_an_empty_trajectory_is_an_error_with_a_code():
    with pytest.raises(NoTrajectoryError):
        TrainingAnimation().render((), np.zeros((3, 2)), None)


def test_a_picture_does_not_depend_on_scale_and_offset():
    """But for the numbers on its axes, and a rounded pixel here and there."""
    plain = pictures(blobs(n_frames=1, seed=1))[0][40:348, 64:]
    for scale, offset in [(2.0**300, 0.0), (2.0**-300, 0.0), (1.0, 1e8)]:
        scene = blobs(n_frames=1, seed=1)
        mixture = scene.trajectory[0].mixture
        moved = NearestMeanMixture(
            mixture.weights,
            mixture.means * scale + offset,
            mixture.full_covariances() * scale**2,
        )
        shown = pictures(Scene(told([moved]), scene.rows * scale + offset))[0]
        colorful = np.ptp(plain.astype(int), axis=-1) > 40
        close = np.abs(shown[40:348, 64:].astype(int) - plain).max(axis=-1) < 100
        assert close[colorful].mean() > 0.95


@pytest.mark.parametrize("n_features", [1, 2, 3])
def test_one_point_one_component_one_frame_make_a_picture(n_features):
    point = np.full((1, n_features), 3.0)
    mixture = GaussianMixture([1.0], point, [1e-6], "spherical")
    assert_is_animation(rendered(Scene(told([mixture]), point)), n_frames=1)


@pytest.mark.parametrize("n_features", [1, 2, 5])
def test_degenerate_covariances_make_a_picture(n_features):
    rows = blobs(n_features=n_features).rows
    mixture = NearestMeanMixture(
        np.array([0.3, 0.3, 0.4]),
        rows[:3],
        np.stack(
            [
                np.zeros((n_features, n_features)),
                np.ones((n_features, n_features)),
                1e30 * np.eye(n_features),
            ]
        ),
    )
    scene = Scene(told([mixture] * 2, [float("-inf"), float("nan")]), rows)
    assert_is_animation(rendered(scene), n_frames=2)


@pytest.mark.parametrize("n_features", [1, 2, 3])
@pytest.mark.parametrize("value", [0.0, 1e100, -1e-100, 1e8])
def test_identical_points_make_a_picture(n_features, value):
    rows = np.full((20, n_features), value)
    mixture = NearestMeanMixture(
        np.ones(1), rows[:1], np.zeros((1, n_features, n_features))
    )
    assert_is_animation(rendered(Scene(told([mixture]), rows)), n_frames=1)


def test_constant_and_collinear_columns_make_a_picture():
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    rows = np.column_stack([x, 2 * x, np.full(200, 7.0), rng.normal(size=200)])
    mixture = NearestMeanMixture(
        np.ones(1), rows.mean(axis=0)[None], np.cov(rows.T)[None]
    )
    assert_is_animation(rendered(Scene(told([mixture]), rows)), n_frames=1)


@pytest.mark.parametrize("n_components", [1, 10, 13, 60])
@pytest.mark.parametrize("n_features", [1, 2])
def test_any_number_of_components_makes_a_picture(n_components, n_features):
    scene = blobs(n_components=n_components, n_features=n_features, n_frames=2)
    assert_is_animation(rendered(scene), n_frames=2)


def test_components_may_come_and_go():
    many = blobs(n_components=14, n_frames=2).trajectory[-1].mixture
    few = blobs(n_components=3, n_frames=2)
    trajectory = told([many, few.trajectory[-1].mixture, many])
    assert_is_animation(rendered(Scene(trajectory, few.rows)), n_frames=3)


def test_a_component_keeps_its_color_when_the_one_before_it_is_dropped():
    means = np.array([[0.0, 0], [10, 10]])
    rng = np.random.default_rng(0)
    rows = np.repeat(means, 100, axis=0) + rng.normal(size=(200, 2))
    both = GaussianMixture([0.5, 0.5], means, [1.0, 1.0], "spherical")
    second = GaussianMixture([1.0], means[1:], [1.0], "spherical")
    before, after = pictures(Scene(told([both, second], [-1.0, -1.0]), rows))
    right = np.s_[40:340, 400:]  # where the second cluster is, and all that is there
    assert np.array_equal(before[right], after[right])


@pytest.mark.parametrize("n_features", [1, 2])
def test_many_points_are_shaded(n_features):
    scene = blobs(n_samples=20_000, n_features=n_features, n_frames=2)
    assert_is_animation(rendered(scene), n_frames=2)


@pytest.mark.parametrize("n_features", [1, 2, 3])
def test_a_row_far_out_leaves_the_others_as_large(n_features):
    plain = blobs(n_features=n_features, n_frames=1)
    rows = plain.rows.copy()
    rows[0] = 1e6
    shown = pictures(Scene(plain.trajectory, rows))[0]
    plot = np.s_[40:340, 64:624]
    assert ink(shown[plot]) > 0.9 * ink(pictures(plain)[0][plot])


def test_a_mean_out_of_the_picture_is_not_drawn_beside_the_axis():
    plain = blobs(n_features=1, n_frames=1, n_components=1)
    rows = plain.rows.copy()
    rows[0] = rows.max() + 100
    means = np.concatenate([plain.trajectory[0].mixture.means, rows[:1]])
    mixture = GaussianMixture([0.99, 0.01], means, [1.0, 1.0], "spherical")
    shown = pictures(Scene(told([mixture]), rows))[0]
    assert ink(shown[:, 626:]) == 0


@pytest.mark.parametrize(
    "name", ["", "$", "$x_{$", "a_b^c", "日本", "\\frac", "a\nb", "\x00", "x" * 500]
)
def test_any_column_name_can_be_written(name):
    scene = blobs(n_features=3, n_frames=1)
    projected = Scene(scene.trajectory, scene.rows, [name] * 3)
    assert_is_animation(rendered(projected), n_frames=1)
    scene = blobs(n_frames=1)
    assert_is_animation(
        rendered(Scene(scene.trajectory, scene.rows, [name] * 2)), n_frames=1
    )
