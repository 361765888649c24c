"""The compiled kernels against the plain ones, on every path through them."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

from gmm_engine import COVARIANCE_TYPES, GaussianMixture, fit
from gmm_engine.covariance.full import whiten_matrices
from gmm_engine.em import Problem, e_step
from gmm_engine.kernels import compiled, fast, jit, layout, reference
from gmm_engine.kernels.density import Density, Parameters, prepare
from gmm_engine.mixture import enter_frame
from gmm_engine.sources import ArraySource
from gmm_engine.statistics import SufficientStatistics
from gmm_engine.team import team_of
from tests.strategies import random_mixture

STRUCTURES = pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
# One for each special case, a remainder of each kind, and more than one tile.
FEATURES = pytest.mark.parametrize("n_features", [1, 2, 3, 4, 5, 6, 7, 9, 12, 33])


def density_of(mixture: GaussianMixture) -> Density:
    frame = mixture._own_frame()
    return prepare(enter_frame(mixture, frame), frame)


def assert_statistics_agree(
    a: SufficientStatistics, b: SufficientStatistics, rtol: float
) -> None:
    for name in ("log_likelihood", "counts", "first", "second"):
        one, other = getattr(a, name), getattr(b, name)
        atol = rtol * np.abs(b.second).max()
        assert_allclose(one, other, rtol=rtol, atol=atol, err_msg=name)


@STRUCTURES
@FEATURES
@pytest.mark.parametrize("n_components", [1, 2, 7])
@pytest.mark.parametrize("weighted", [False, True])
def test_sums_are_those_of_the_plain_kernel(
    covariance_type, n_features, n_components, weighted
):
    rng = np.random.default_rng(n_features)
    mixture = random_mixture(rng, n_components, n_features, covariance_type)
    X, _ = mixture.sample(2_077, rng)
    weights = rng.random(len(X)) if weighted else None
    density = density_of(mixture)
    kernel = fast.Kernel(density)
    parts = [
        kernel.accumulate(X[rows], None if weights is None else weights[rows])
        for rows in (slice(0, 1_500), slice(1_500, None))
    ]
    assert_statistics_agree(
        kernel.statistics(parts[0] + parts[1]),
        reference.accumulate(density, X, weights),
        rtol=1e-12,
    )


@STRUCTURES
@FEATURES
def test_queries_are_those_of_the_plain_kernel(covariance_type, n_features):
    rng = np.random.default_rng(n_features)
    mixture = random_mixture(rng, 3, n_features, covariance_type)
    X, _ = mixture.sample(1_033, rng)
    density = density_of(mixture)
    joint = reference.log_joint(density, X)
    volume = density.frame.log_volume
    assert_allclose(
        mixture.score_samples(X), reference.log_evidence(joint) - volume, rtol=1e-12
    )
    assert (mixture.predict(X) == joint.argmax(axis=0)).all()
    reference.normalize(joint)
    assert_allclose(mixture.predict_proba(X), joint.T, rtol=1e-10, atol=1e-14)


@STRUCTURES
def test_sums_do_not_depend_on_blocks_or_threads(covariance_type):
    rng = np.random.default_rng(4)
    mixture = random_mixture(rng, 4, 6, covariance_type)
    X, _ = mixture.sample(30_000, rng)
    frame = mixture._own_frame()
    parameters = enter_frame(mixture, frame)

    def statistics(source: ArraySource) -> SufficientStatistics:
        problem = Problem(source, frame, parameters.structure, np.full(6, 1e-9))
        return e_step(problem, parameters)

    expected = statistics(ArraySource(X, block_size=len(X)))
    with team_of(3) as team:
        for source in (
            ArraySource(X),
            ArraySource(X, block_size=1_001),
            ArraySource(X, block_size=37, team=team),
            ArraySource(X, team=team),
            ArraySource(np.asfortranarray(X), team=team),
        ):
            assert_statistics_agree(statistics(source), expected, rtol=1e-11)


@STRUCTURES
def test_the_number_of_threads_changes_nothing_at_all(covariance_type):
    X, _ = random_mixture(np.random.default_rng(6), 4, 6, covariance_type).sample(
        30_000, 0
    )
    one, three = (
        fit(X, 4, covariance_type=covariance_type, n_threads=n).mixture for n in (1, 3)
    )
    for name in ("weights", "means", "covariances"):
        assert (getattr(one, name) == getattr(three, name)).all()


def test_a_tied_mixture_far_apart_has_its_scatter_about_the_means():
    """Whitened means far from the origin: the pooled sums would cancel."""
    rng = np.random.default_rng(7)
    means = np.array([[0.0, 0.0], [1e6, 0.0]])
    mixture = GaussianMixture([0.5, 0.5], means, np.eye(2), "tied")
    X, labels = mixture.sample(1_000, rng)
    density = density_of(mixture)
    kernel = fast.Kernel(density)
    statistics = kernel.statistics(kernel.accumulate(X, None))
    centred = (X - means[labels]) / density.frame.scale
    assert_allclose(statistics.second, centred.T @ centred, rtol=1e-8)


def test_rows_of_no_weight_at_all_leave_no_subnormal_numbers():
    """Responsibilities below 1e-300 would make the sums a hundred times slower."""
    mixture = GaussianMixture(
        [0.5, 0.5], [[0.0] * 5, [60.0] * 5], np.ones((2, 5)), "diag"
    )
    kernel = fast.Kernel(density_of(mixture))
    sums = kernel.accumulate(np.zeros((10, 5)), None)
    assert 1e-290 < np.abs(sums.second[1]).max() < 1e-200


@pytest.mark.parametrize("n_features", [1, 2, 3, 4, 5, 6, 18, 19])
def test_no_row_is_left_out_or_taken_twice(n_features):
    """Around groups of eight and 32 rows, and tiles; also one row after a full tile."""
    rng = np.random.default_rng(n_features)
    mixture = random_mixture(rng, 3, n_features, "full")
    X, _ = mixture.sample(600, rng)
    density = density_of(mixture)
    kernel = fast.Kernel(density)
    for n in (1, 7, 8, 9, 31, 32, 33, 287, 288, 289, 543, 544, 545):
        sums = kernel.statistics(kernel.accumulate(X[:n], None))
        expected = reference.accumulate(density, X[:n], None)
        assert_statistics_agree(sums, expected, rtol=1e-11)
        log_densities = np.empty(n)
        kernel.log_densities(X[:n], log_densities)
        joint = reference.log_joint(density, X[:n])
        assert_allclose(log_densities, reference.log_evidence(joint), rtol=1e-11)


@pytest.mark.parametrize("n_features", range(1, 251))
def test_tiles_are_whole_groups_of_rows(n_features):
    """Generated code writes up to the end of a group."""
    assert layout.tile_for(n_features) % 32 == 0


def test_shares_of_a_row_are_those_of_long_doubles():
    far = np.array([0.0, -1e-300, -1e-17, -0.3, -1.0, -40.0, -599.0, -601.0, -np.inf])
    joint = np.zeros((2, 32))
    joint[1, : len(far)] = far
    shares, largest, total = np.ones(32), np.empty(32), np.empty(32)
    compiled._share_out(joint, 32, shares, largest, total)
    powers = np.exp(np.maximum(far, -600.0).astype(np.longdouble))
    assert_allclose(joint[1, : len(far)], powers / (1 + powers), rtol=1e-15)
    assert_allclose(total[: len(far)], 1 + powers, rtol=1e-15)
    assert (largest == 0).all()


@pytest.mark.parametrize(
    "x",
    [
        1 + np.logspace(-16, 0, 1_000),
        1 - np.logspace(-16, -1, 1_000),
        np.logspace(-307, 308, 10_000),
        2.0 ** np.arange(-1_022, 1_024),
    ],
    ids=["above one", "below one", "all sizes", "powers of two"],
)
def test_vectorized_logarithms_are_those_of_long_doubles(x):
    logarithms = np.array([compiled._log(number) for number in x])
    expected = np.log(x.astype(np.longdouble))
    errors = np.abs(logarithms - expected)
    assert (errors <= 2 * np.spacing(np.abs(expected).astype(np.float64))).all()


def test_parameters_know_their_sizes():
    mixture = random_mixture(np.random.default_rng(0), 3, 2, "full")
    parameters: Parameters = enter_frame(mixture, mixture._own_frame())
    assert (parameters.n_components, parameters.n_features) == (3, 2)


def test_importing_the_engine_neither_loads_the_compiler_nor_starts_threads():
    code = (
        "import sys, threading, gmm_engine; "
        "assert threading.active_count() == 1; "
        "print('numba' in sys.modules, 'scipy.stats' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.split() == ["False", "False"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_process_that_has_fitted_may_fork_one_that_fits():
    """As the worker does for each job; a thread left behind would be lost there."""
    code = """
import os, threading, warnings
import numpy as np
from gmm_engine import fit
X = np.random.default_rng(0).standard_normal((50_000, 5))
expected = fit(X, 3, max_iter=5, n_threads=2).log_likelihood
assert threading.active_count() == 1
child = os.fork()
if not child:
    os._exit(fit(X, 3, max_iter=5, n_threads=2).log_likelihood != expected)
assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_kernels_work_where_no_cache_can_be_written(monkeypatch, tmp_path):
    """numba refuses to cache without a writable folder; then it has to compile."""

    def refuse(*arguments, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(jit.numba, "njit", refuse)
    assert jit.compiled(abs)(-3.0) == 3.0


def test_tiles_start_where_a_line_of_the_cache_does():
    tiles = [compiled._tile_of(n_lines, 288) for n_lines in range(1, 20)]
    assert [tile.ctypes.data % 64 for tile in tiles] == [0] * len(tiles)
    assert all(tile.shape == (n, 288) for n, tile in enumerate(tiles, start=1))
    assert not any(tile.any() for tile in tiles)


@pytest.mark.parametrize("n_features", [16, 17, 61, 130])
def test_whiteners_are_lower_triangular_and_undo_their_covariances(n_features):
    rng = np.random.default_rng(n_features)
    mixture = random_mixture(rng, 3, n_features, "full")
    whiteners, log_determinants = whiten_matrices(mixture.covariances)
    assert not np.triu(whiteners, 1).any()
    whitened = whiteners @ mixture.covariances @ whiteners.swapaxes(1, 2)
    assert_allclose(
        whitened, np.broadcast_to(np.eye(n_features), whitened.shape), atol=1e-10
    )
    expected = -0.5 * np.linalg.slogdet(mixture.covariances)[1]
    assert_allclose(log_determinants, expected, rtol=1e-10)
