"""What searches do in compiled code, against plain numpy and against itself."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from gmm_engine import COVARIANCE_TYPES, TooFewRowsError, fit
from gmm_engine.covariance import Moments, structure_of
from gmm_engine.frame import Frame
from gmm_engine.initialization import k_means_uniforms
from gmm_engine.kernels import runs as compiled_runs
from gmm_engine.kernels.density import Parameters
from gmm_engine.mixture import enter_frame
from gmm_engine.search import splits
from gmm_engine.search.posterior import Posterior
from gmm_engine.team import team_of
from tests.strategies import random_mixture

STRUCTURES = pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)


def assert_equal(one: Parameters, two: Parameters) -> None:
    for name in ("weights", "means", "covariances"):
        assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)


def start_by_numpy(points, weights, labels, n_components, structure):
    """Return weights, means and covariances of labels, some of them borrowed."""
    n_features = points.shape[1]
    shares = [weights * (labels == k) for k in range(n_components)]
    counts = np.array([share.sum() for share in shares])
    counts = np.maximum(counts, 1e-10 * counts.sum())
    means = np.array(
        [share @ points / c for share, c in zip(shares, counts, strict=True)]
    )
    scatter = np.array(
        [
            (share[:, None] * (points - mean)).T @ (points - mean)
            for share, mean in zip(shares, means, strict=True)
        ]
    )
    total = counts.sum()
    if structure.moments is Moments.POOLED:
        return counts / total, means, scatter.sum(axis=0) / total
    borrowed = (n_features + 1) / (counts / total * len(points) + n_features + 1)
    borrowed = borrowed[:, None, None]
    own = scatter / counts[:, None, None]
    covariances = (1 - borrowed) * own + borrowed * scatter.sum(axis=0) / total
    if structure.moments is not Moments.FULL:
        covariances = np.diagonal(covariances, axis1=1, axis2=2)
        if structure.moments is Moments.TRACE:
            covariances = covariances.mean(axis=1)
    return counts / total, means, covariances


@STRUCTURES
@pytest.mark.parametrize("n_features", [1, 3, 6])
def test_a_start_has_the_moments_of_its_labels(covariance_type, n_features):
    rng = np.random.default_rng(n_features)
    points, weights = rng.standard_normal((200, n_features)), rng.random(200) + 0.1
    # The third component has no row, the fourth just one.
    labels = rng.choice([0, 1, 4], size=200)
    labels[7] = 3
    structure = structure_of(covariance_type)
    start = compiled_runs.start_of_labels(points, weights, labels, 5, structure)
    expected = start_by_numpy(points, weights, labels, 5, structure)
    assert_allclose(start.weights, expected[0], rtol=1e-12)
    assert_allclose(start.means, expected[1], rtol=1e-10, atol=1e-12)
    assert_allclose(start.covariances, expected[2], rtol=1e-10, atol=1e-12)


@STRUCTURES
@pytest.mark.parametrize("n_features", [2, 7])
def test_runs_from_k_means_are_its_pieces_one_after_the_other(
    covariance_type, n_features
):
    rng = np.random.default_rng(1)
    points, _ = random_mixture(rng, 4, n_features, "full").sample(400, rng)
    weights, floor = rng.random(400) + 0.1, np.full(n_features, 1e-9)
    structure, scaled = structure_of(covariance_type), points * 2.0
    uniforms = np.stack([k_means_uniforms(4, rng) for _ in range(5)])

    def runs_of(some):
        return compiled_runs.runs_from_k_means(
            points, scaled, weights, some, 3, structure, floor, 4, 0.0
        )

    together, n_distinct = runs_of(uniforms)
    assert n_distinct == 4
    for s in range(5):
        start, run = together[s]
        labels, _ = compiled_runs.k_means(scaled, weights, uniforms[s], 3)
        assert_equal(
            start, compiled_runs.start_of_labels(points, weights, labels, 4, structure)
        )
        frame = Frame.identity(n_features)
        expected = compiled_runs.short_run(start, frame, floor, points, weights, 4, 0.0)
        assert_equal(run.parameters, expected.parameters)
        assert_array_equal(run.log_likelihoods, expected.log_likelihoods)
        # Nothing depends on which thread has which of them.
        [(alone, _)], _ = runs_of(uniforms[s : s + 1])
        assert_equal(start, alone)


def test_of_too_few_distinct_rows_no_start_is_made():
    rng = np.random.default_rng(0)
    points = np.repeat([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]], 20, axis=0)
    uniforms = np.stack([k_means_uniforms(4, rng) for _ in range(3)])
    runs, n_distinct = compiled_runs.runs_from_k_means(
        points,
        points,
        np.ones(60),
        uniforms,
        3,
        structure_of("full"),
        np.full(2, 1e-9),
        4,
        0.0,
    )
    assert (runs, n_distinct) == ([], 3)
    with pytest.raises(TooFewRowsError, match="at most 3"):
        fit(points, 4)
    assert fit(points, 3).mixture.n_components == 3


def parts_of(points, weights, responsibilities, components):
    return compiled_runs.parts_of(
        points,
        weights,
        responsibilities,
        np.zeros(len(points)),
        np.asarray(components),
        1e-3,
    )


def test_parts_are_the_rows_that_concern_a_component():
    rng = np.random.default_rng(3)
    points, weights = rng.standard_normal((50, 2)), rng.random(50)
    responsibilities = rng.random((50, 3))
    responsibilities[:, 1] = 0.0
    responsibilities[3, 0], responsibilities[4, 0] = 1e-3, 1.1e-3
    weights[5] = 0.0
    parts = parts_of(points, weights, responsibilities, [0, 1, 2])
    concerned = [
        np.flatnonzero((responsibilities[:, k] > 1e-3) & (weights > 0))
        for k in range(3)
    ]
    assert np.isin([3, 4, 5], concerned[0]).tolist() == [False, True, False]
    for k, (first, last) in enumerate(parts.bounds):
        rows, own = concerned[k], responsibilities[concerned[k], k]
        assert_array_equal(parts.points[first:last], points[rows])
        assert_allclose(parts.weights[first:last], weights[rows] * own, rtol=1e-15)
        expected = (weights[rows] * own) @ np.log(own)
        assert_allclose(parts.log_likelihoods[k], expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("n_features", [1, 5, 9])
def test_axis_moments_are_those_of_numpy(n_features):
    rng = np.random.default_rng(4)
    sizes = [0, 63, 64, 0, 65, 1, 0]
    ends = np.cumsum(sizes)
    points, weights = rng.standard_normal((193, n_features)), rng.random(193)
    bounds = np.stack([ends - sizes, ends], axis=1)
    parts = compiled_runs.Parts(points, weights, bounds, np.zeros(7))
    means = rng.standard_normal((7, n_features))
    axes = rng.standard_normal((7, n_features, n_features))
    seconds, fourths = compiled_runs.axis_moments(parts, means, axes, 4.0)
    for c, (first, last) in enumerate(bounds):
        scores = (points[first:last] - means[c]) @ axes[c]
        squares, own = np.minimum(scores**2, 4.0), weights[first:last]
        assert_allclose(seconds[c], own @ squares, rtol=1e-12)
        assert_allclose(fourths[c], own @ squares**2, rtol=1e-12)


@STRUCTURES
def test_runs_on_parts_are_short_runs(covariance_type):
    rng = np.random.default_rng(5)
    structure, floor = structure_of(covariance_type), np.full(3, 1e-9)
    pair = random_mixture(rng, 2, 3, covariance_type)
    points, _ = pair.sample(300, rng)
    weights = rng.random(300) + 0.1
    # The second part has no rows, and is the start of one run too.
    bounds = np.array([[0, 100], [100, 100], [100, 300]])
    parts = compiled_runs.Parts(points, weights, bounds, np.zeros(3))
    start, owners = enter_frame(pair, Frame.identity(3)), np.array([2, 0, 1, 2])
    runs = compiled_runs.runs_on_parts(
        parts,
        owners,
        np.repeat(start.weights[None], 4, axis=0),
        np.repeat(start.means[None], 4, axis=0),
        np.repeat(start.covariances[None], 4, axis=0),
        structure,
        floor,
        5,
    )
    assert runs[2][1] == -np.inf
    for place in (0, 1, 3):
        first, last = bounds[owners[place]]
        expected = compiled_runs.short_run(
            start,
            Frame.identity(3),
            floor,
            points[first:last],
            weights[first:last],
            5,
            0.0,
        )
        assert_equal(runs[place][0], expected.parameters)
        assert runs[place][1] == expected.log_likelihoods[-1]


@STRUCTURES
def test_splits_do_not_depend_on_threads_or_groups(covariance_type, monkeypatch):
    rng = np.random.default_rng(6)
    mixture = random_mixture(rng, 9, 3, covariance_type)
    X, _ = mixture.sample(1_500, rng)
    frame = mixture._own_frame()
    posterior = Posterior.of(
        enter_frame(mixture, frame),
        np.full(3, 1e-9),
        frame.enter(X),
        np.ones(len(X)),
        rng,
    )
    found = []
    for n_threads, together in [(1, 1 << 21), (3, 1 << 21), (2, 1)]:
        monkeypatch.setattr(splits, "_TOGETHER", together)
        with team_of(n_threads) as team:
            found.append(splits.likely_splits(posterior, team))
    assert [change.replaced for change in found[0]] == [(k,) for k in range(9)]
    for others in found[1:]:
        for change, other in zip(found[0], others, strict=True):
            assert change.replaced == other.replaced
            assert change.gain == other.gain
            assert_equal(change.parameters, other.parameters)


def test_components_of_few_rows_are_not_split():
    """Nor are halves worked out for them, which takes matrices of the features."""
    rng = np.random.default_rng(7)
    mixture = random_mixture(rng, 3, 20, "diag")
    X, _ = mixture.sample(60, rng)
    frame = mixture._own_frame()
    points, ones = frame.enter(X), np.ones(60)
    parameters, floor = enter_frame(mixture, frame), np.full(20, 1e-9)
    posterior = Posterior.of(parameters, floor, points, ones, rng)
    with team_of(1) as team:
        assert splits.likely_splits(posterior, team) == []


def test_after_the_warm_up_nothing_is_left_to_compile():
    """In a process of its own, where no other test has compiled anything."""
    code = """
from numba.core.registry import CPUDispatcher
from gmm_engine.kernels import compiled
from gmm_engine.warm_up import warm_up
warm_up()
kernels = {
    name: kernel for name, kernel in vars(compiled).items()
    if isinstance(kernel, CPUDispatcher) and not name.startswith("_")
}
assert len(kernels) > 10, kernels
before = {name: len(kernel.signatures) for name, kernel in kernels.items()}
assert all(before.values()), before
import numpy as np
from gmm_engine import COVARIANCE_TYPES, fit
X = np.random.default_rng(0).standard_normal((3_000, 3))
for name in COVARIANCE_TYPES:
    fit(X, 5, covariance_type=name, random_state=0)
    fit(X, 5, covariance_type=name, random_state=0, sample_weight=np.ones(3_000))
assert before == {name: len(kernel.signatures) for name, kernel in kernels.items()}
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
