"""Queries of a fitted mixture beside scikit-learn: `python -m benchmarks.queries`."""

from __future__ import annotations

import argparse
import time

import numpy as np
from sklearn.mixture import GaussianMixture as Sklearn
from sklearn.mixture._gaussian_mixture import _compute_precision_cholesky
from threadpoolctl import threadpool_limits

from benchmarks.machine import interleaved, milliseconds, timing, write_table
from benchmarks.problems import random_truth
from gmm_engine import GaussianMixture

QUERIES = ("predict", "predict_proba", "score_samples")


def as_sklearn(mixture: GaussianMixture) -> Sklearn:
    """Return scikit-learn's model with the same parameters."""
    model = Sklearn(mixture.n_components, covariance_type=mixture.covariance_type)
    model.weights_, model.means_ = mixture.weights, mixture.means
    model.covariances_ = mixture.covariances
    model.precisions_cholesky_ = _compute_precision_cholesky(
        mixture.covariances, mixture.covariance_type
    )
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="seconds, on small data")
    parser.add_argument("--cpu", action="store_true", help="CPU seconds, one thread")
    options = parser.parse_args()
    clock = time.process_time if options.cpu else time.perf_counter
    threadpool_limits(1 if options.cpu else None)
    n_samples, n_features, n_components = 1_000_000, 10, 10
    if options.smoke:
        n_samples = 10_000
    truth = random_truth(np.random.default_rng(0), n_features, n_components, 4.0)
    X, _ = truth.sample(n_samples, 0)
    theirs = as_sklearn(truth)
    rows = []
    for query in QUERIES:
        expected, got = getattr(theirs, query)(X), getattr(truth, query)(X)
        np.testing.assert_allclose(got, expected, rtol=1e-7, atol=1e-9)
        slow, fast = interleaved(
            [
                lambda q=query: getattr(theirs, q)(X),
                lambda q=query: getattr(truth, q)(X),
            ],
            1 if options.smoke else 5,
            clock,
        )
        rows.append([query, milliseconds(slow), milliseconds(fast), slow / fast])
    slow, fast = interleaved(
        [lambda: theirs.sample(n_samples), lambda: truth.sample(n_samples, 0)],
        1 if options.smoke else 5,
        clock,
    )
    rows.append(["sample", milliseconds(slow), milliseconds(fast), slow / fast])
    rows = [
        [*row[:3], f"{row[3]:.1f}", "" if row[0] == "sample" else 10] for row in rows
    ]
    write_table(
        "queries",
        f"Queries of {n_samples:,} × {n_features}, {n_components} components",
        ["query", "scikit-learn ms", "gmm_engine ms", "ratio", "goal"],
        rows,
        [
            f"{timing(cpu=options.cpu)}; full covariances, medians of 5 in turn; the "
            "answers agree to 1e-7.",
        ],
        keep=not options.smoke,
    )


if __name__ == "__main__":
    main()
