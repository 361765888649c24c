import numpy as np
from numpy.testing import assert_allclose

from gmm_engine import GaussianMixture
from service.rendering.snapshots import Story
from tests.unit.service.rendering.scenes import blobs, told


def test_snapshots_have_means_where_the_points_have_them():
    scene = blobs()
    last = Story(scene.trajectory, scene.rows).snapshot(3)
    story_points = Story(scene.trajectory, scene.rows).points
    for k, component in enumerate(last.components):
        cluster = story_points[last.labels == component]
        assert_allclose(last.means[k], cluster.mean(axis=0), atol=0.02)


def test_the_view_is_the_same_in_every_frame():
    """Moving from frame to frame, a mixture that does not move stays in place."""
    scene = blobs(n_features=4, n_frames=2)
    still = told([scene.trajectory[-1].mixture] * 3)
    story = Story(still, scene.rows)
    first, last = story.snapshot(0), story.snapshot(2)
    assert np.array_equal(first.means, last.means)
    assert np.array_equal(first.covariances, last.covariances)


def test_projected_rings_are_those_of_projected_samples():
    mixture = GaussianMixture(
        [0.5, 0.5],
        [[0, 0, 0, 0], [8, 5, -3, 1]],
        [np.diag([1.0, 2, 3, 4]), np.eye(4)],
    )
    samples, labels = mixture.sample(100_000, random_state=0)
    story = Story(told([mixture]), samples)
    snapshot = story.snapshot(0)
    for k in range(2):
        projected = story.points[labels == k]
        expected = np.cov(projected.T)
        assert_allclose(snapshot.covariances[k], expected, rtol=0.05, atol=1e-4)


def test_paths_lead_from_the_start_to_the_mean():
    scene = blobs(n_frames=4)
    story = Story(scene.trajectory, scene.rows)
    paths = story.snapshot(2).paths
    assert paths.shape == (3, 3, 2)
    assert np.array_equal(paths[:, 0], story.snapshot(0).means)
    assert np.array_equal(paths[:, -1], story.snapshot(2).means)


def test_labels_of_the_last_frame_are_those_that_the_model_predicts():
    scene = blobs(n_components=5)
    dropped = told([blobs(n_components=6).trajectory[0].mixture])
    trajectory = told([frame.mixture for frame in (*dropped, *scene.trajectory)])
    last = Story(trajectory, scene.rows).snapshot(len(trajectory) - 1)
    assert last.components.tolist() == [0, 1, 2, 3, 4]
    assert np.array_equal(last.labels, trajectory[-1].mixture.predict(scene.rows))


def test_labels_and_paths_follow_a_component_when_another_is_dropped():
    means = np.array([[0.0, 0], [10, 0], [20, 0]])
    three = GaussianMixture(np.full(3, 1 / 3), means, np.ones(3), "spherical")
    two = GaussianMixture([0.5, 0.5], means[[0, 2]], np.ones(2), "spherical")
    story = Story(told([three, two]), means)
    before, after = story.snapshot(0), story.snapshot(1)
    assert before.components.tolist() == [0, 2, 1]
    assert after.components.tolist() == [0, 1]
    assert before.labels.tolist() == [0, 2, 1]
    assert after.labels[[0, 2]].tolist() == [0, 1]
    assert np.array_equal(after.paths[:, 0], before.means[[0, 2]])
