"""Time of one EM iteration beside scikit-learn: `python -m benchmarks.kernel`.

Same start, same number of iterations, in turn, medians. On an idle machine use the wall
clock and all cores; with `--cpu` both sides have one thread and CPU seconds count,
which a busy machine disturbs far less.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as Sklearn
from threadpoolctl import threadpool_limits

from benchmarks.machine import milliseconds, timing, write_table
from gmm_engine import GaussianMixture, fit
from gmm_engine.types import FloatArray

WORKLOADS = [
    (1_000_000, 2, 5, "full", 55),
    (500_000, 4, 32, "full", 50),
    (200_000, 10, 10, "full", 22),
    (100_000, 50, 20, "full", 10),
    (20_000, 200, 10, "full", 4),
    (1_000_000, 8, 16, "diag", 20),
    (1_000_000, 8, 16, "spherical", 20),
    (1_000_000, 8, 16, "tied", 20),
    (1_000, 2, 3, "full", 4),
]


def overlapping(
    n_samples: int, n_features: int, n_components: int, covariance_type: str
) -> tuple[FloatArray, GaussianMixture]:
    """Return data of overlapping clusters, and a start on some of the rows."""
    rng = np.random.default_rng(0)
    # So close that EM does not come to rest within the iterations that are timed.
    centers = rng.standard_normal((n_components, n_features)) * 2 / n_features**0.5
    labels = rng.integers(n_components, size=n_samples)
    X = centers[labels] + rng.standard_normal((n_samples, n_features))
    covariances = {
        "full": np.broadcast_to(
            np.eye(n_features), (n_components, n_features, n_features)
        ),
        "tied": np.eye(n_features),
        "diag": np.ones((n_components, n_features)),
        "spherical": np.ones(n_components),
    }[covariance_type]
    means = X[rng.integers(n_samples, size=n_components)]
    weights = np.full(n_components, 1 / n_components)
    return X, GaussianMixture(weights, means, 1.5 * covariances, covariance_type)


def ours(
    X: FloatArray, start: GaussianMixture, n_iter: int, n_threads: int | None = None
) -> Callable[[], object]:
    """Return a run of n_iter plain EM iterations."""
    return lambda: fit(
        X,
        covariance_type=start.covariance_type,
        initial=start,
        tol=0,
        max_iter=n_iter,
        accelerate=False,
        n_threads=n_threads,
    )


def sklearns(
    X: FloatArray, start: GaussianMixture, n_iter: int
) -> Callable[[], object]:
    """Return the same run by scikit-learn; it computes X's precisions beforehand."""
    covariances = start.covariances
    precisions = (
        np.linalg.inv(covariances)
        if start.covariance_type in ("full", "tied")
        else 1 / covariances
    )

    def run() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            Sklearn(
                start.n_components,
                covariance_type=start.covariance_type,
                weights_init=start.weights,
                means_init=start.means,
                precisions_init=precisions,
                init_params="random_from_data",
                tol=0,
                max_iter=n_iter,
            ).fit(X)

    return run


def seconds_per_iteration(
    make: Callable[[int], Callable[[], object]],
    few: int,
    many: int,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Return the slope between a short and a long run: set-up cancels."""
    short, long = make(few), make(many)
    started = clock()
    short()
    between = clock()
    long()
    return (clock() - between - (between - started)) / (many - few)


def measure(
    workload: tuple[int, int, int, str, int], repeats: int, *, cpu: bool, smoke: bool
) -> tuple[float, float]:
    """Return the median seconds for an iteration: ours, scikit-learn's."""
    n_samples, n_features, n_components, covariance_type, _ = workload
    X, start = overlapping(n_samples, n_features, n_components, covariance_type)
    is_small = n_samples < 10_000 and not smoke
    clock = time.process_time if cpu else time.perf_counter
    n_threads = 1 if cpu else None
    mine, theirs = [], []
    with threadpool_limits(n_threads):
        for _ in range(repeats):
            theirs.append(
                seconds_per_iteration(
                    lambda n: sklearns(X, start, n),
                    *((2, 102) if is_small else (1, 3)),
                    clock,
                )
            )
            mine.append(
                seconds_per_iteration(
                    lambda n: ours(X, start, n, n_threads),
                    *((2, 402) if is_small else (2, 4 if smoke else 12)),
                    clock,
                )
            )
    return float(np.median(mine)), float(np.median(theirs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="seconds, on small data")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cpu", action="store_true", help="one thread, CPU seconds")
    options = parser.parse_args()
    rows = []
    for workload in WORKLOADS:
        n_samples, n_features, n_components, covariance_type, promised = workload
        if options.smoke:
            n_samples = 500
        smaller = (n_samples, *workload[1:])
        mine, theirs = measure(
            smaller,
            1 if options.smoke else options.repeats,
            cpu=options.cpu,
            smoke=options.smoke,
        )
        # Triangular matrices: D² multiply-adds for E and M together.
        operations = 2 * smaller[0] * n_components * n_features**2
        rows.append(
            [
                f"{smaller[0]:,} × {n_features}, {n_components} {covariance_type}",
                milliseconds(theirs),
                milliseconds(mine),
                f"{theirs / mine:.1f}",
                promised,
                f"{operations / mine / 1e9:.0f}" if covariance_type == "full" else "",
            ]
        )
        print(rows[-1], flush=True)
    write_table(
        "kernel",
        "One EM iteration",
        [
            "N × D, K",
            "scikit-learn ms",
            "gmm_engine ms",
            "ratio",
            "goal",
            "GFLOP/s",
        ],
        rows,
        [
            timing(cpu=options.cpu)
            + ", float64, same start, the slope between a short and a long run, so "
            f"that set-up cancels; median of {options.repeats} in turn.",
            "GFLOP/s counts the useful operations of full covariances, 2 N K D².",
        ],
        keep=not (options.smoke or options.cpu),
    )


if __name__ == "__main__":
    main()
