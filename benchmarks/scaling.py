"""Time of an EM iteration against N, D and K: `python -m benchmarks.scaling`."""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.kernel import ours, overlapping, seconds_per_iteration
from benchmarks.machine import milliseconds, write_table
from gmm_engine.kernels.compiled import FEW
from gmm_engine.kernels.layout import tile_for

SIZES = [
    *[(n, 4, 8) for n in (1_000, 10_000, 100_000, 1_000_000, 4_000_000)],
    *[(200_000, d, 10) for d in (1, 2, 3, 4, 5, 8, 12, 16, 17, 32, 64, 80, 81)],
    *[(20_000, d, 10) for d in (128, 200)],
    *[(200_000, 8, k) for k in (2, 5, 10, 20, 50, 100)],
]


def path(n_features: int) -> str:
    """Return which code a full covariance of this size goes through."""
    loops = "in registers" if n_features <= FEW else "blocks of 4 × 4"
    return f"{loops}, tiles of {tile_for(n_features)}"


def measure(n_samples: int, n_features: int, n_components: int, repeats: int) -> float:
    """Return the median seconds of an iteration."""
    X, start = overlapping(n_samples, n_features, n_components, "full")
    many = 12 if n_samples * n_components * n_features**2 > 1e8 else 42
    return float(
        np.median(
            [
                seconds_per_iteration(lambda n: ours(X, start, n), 2, many)
                for _ in range(repeats)
            ]
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="seconds, on small data")
    options = parser.parse_args()
    rows = []
    for n, d, k in SIZES[:2] if options.smoke else SIZES:
        seconds = measure(n, d, k, 1 if options.smoke else 3)
        rows.append(
            [
                f"{n:,}",
                d,
                k,
                milliseconds(seconds),
                f"{seconds / (n * k) * 1e9:.2f}",
                f"{2 * n * k * d * d / seconds / 1e9:.0f}",
                path(d),
            ]
        )
    write_table(
        "scaling",
        "One EM iteration of full covariances, by size",
        ["N", "D", "K", "ms", "ns per row and component", "GFLOP/s", "path"],
        rows,
        ["GFLOP/s counts 2 N K D²; medians of 3."],
        keep=not options.smoke,
    )


if __name__ == "__main__":
    main()
