"""From data to model beside scikit-learn: `python -m benchmarks.end_to_end`.

Defaults on both sides, but the same tol (scikit-learn's 1e-3), on overlapping clusters.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable

import numpy as np
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as Sklearn
from threadpoolctl import threadpool_limits

from benchmarks.machine import milliseconds, timing, write_table
from benchmarks.problems import overlapping
from gmm_engine import fit
from gmm_engine.types import FloatArray

TOL = 1e-3
# N, D, K, ratio promised, how many seeds are run.
WORKLOADS = [
    (1_000_000, 2, 10, 100, 20),
    (200_000, 10, 10, 15, 20),
    (100_000, 50, 20, 8, 20),
    (5_000, 5, 8, 3, 20),
]


# Before each run: threads of the other side's BLAS and OpenMP still wait busily.
_PAUSE = 0.25

Clock = Callable[[], float]


def by_sklearn(
    X: FloatArray, n_components: int, seed: int, clock: Clock = time.perf_counter
) -> tuple[float, float, int]:
    """Return seconds, mean log-likelihood and iterations of scikit-learn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        started = clock()
        model = Sklearn(n_components, tol=TOL, random_state=seed).fit(X)
        seconds = clock() - started
    return seconds, float(model.score(X)), int(model.n_iter_)


def by_us(
    X: FloatArray, n_components: int, seed: int, clock: Clock = time.perf_counter
) -> tuple[float, float, int]:
    """Return the same of this engine."""
    n_threads = 1 if clock is time.process_time else None
    started = clock()
    result = fit(X, n_components, tol=TOL, random_state=seed, n_threads=n_threads)
    seconds = clock() - started
    return seconds, result.log_likelihood / len(X), result.n_iter


def compare(
    name: str, data: list[FloatArray], n_components: int, goal: int, clock: Clock
) -> list:
    """Return a row of the table; each data set with another seed."""
    mine, theirs = [], []
    by_us(data[0][:1000], n_components, 0)
    for seed, X in enumerate(data):
        time.sleep(_PAUSE)
        theirs.append(by_sklearn(X, n_components, seed, clock))
        time.sleep(_PAUSE)
        mine.append(by_us(X, n_components, seed, clock))
    gains = np.array([m[1] - t[1] for m, t in zip(mine, theirs, strict=True)])
    seconds = [np.median([run[0] for run in runs]) for runs in (theirs, mine)]
    iterations = [np.median([run[2] for run in runs]) for runs in (theirs, mine)]
    row = [
        name,
        milliseconds(seconds[0]),
        milliseconds(seconds[1]),
        f"{seconds[0] / seconds[1]:.1f}",
        goal,
        f"{iterations[0]:.0f} / {iterations[1]:.0f}",
        f"{(gains >= -1e-4).sum()} of {len(gains)}",
        f"{gains.mean():+.5f}",
        f"{gains.min():+.5f}",
    ]
    print(row, flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="seconds, on small data")
    parser.add_argument("--seeds", type=int, help="data sets for each workload")
    parser.add_argument("--only", type=int, nargs="*", help="numbers of workloads")
    parser.add_argument("--cpu", action="store_true", help="CPU seconds, one thread")
    options = parser.parse_args()
    clock = time.process_time if options.cpu else time.perf_counter
    threadpool_limits(1 if options.cpu else None)
    rows = []
    if options.only is None:
        iris = load_iris().data
        n_seeds = 1 if options.smoke else 20
        rows.append(compare("iris, 3", [iris] * n_seeds, 3, 1, clock))
    # The quick ones first.
    for number, workload in reversed(list(enumerate(WORKLOADS))):
        n_samples, n_features, n_components, goal, n_seeds = workload
        if options.only is not None and number not in options.only:
            continue
        if options.smoke:
            n_samples, n_seeds = 1_000, 1
        data = [
            overlapping(n_samples, n_features, n_components, seed)
            for seed in range(options.seeds or n_seeds)
        ]
        name = f"{n_samples:,} × {n_features}, {n_components}"
        rows.append(compare(name, data, n_components, goal, clock))
    write_table(
        "end_to_end",
        "From data to model",
        [
            "N × D, K",
            "scikit-learn ms",
            "gmm_engine ms",
            "ratio",
            "goal",
            "iterations",
            "not lower by 1e-4",
            "mean gain",
            "smallest gain",
        ],
        rows,
        [
            f"{timing(cpu=options.cpu)}; full covariances, tol {TOL:g}, otherwise "
            "defaults; medians over data sets that differ in their seed, in turn.",
            "Gains are ours minus scikit-learn's, in mean log-likelihood per sample; "
            "iterations over the full data, scikit-learn's / ours.",
        ],
        keep=not options.smoke and options.only is None,
    )


if __name__ == "__main__":
    main()
