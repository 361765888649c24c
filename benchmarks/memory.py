"""Peak memory above the data beside scikit-learn: `python -m benchmarks.memory`.

Each fit runs in a process of its own, which reports its largest resident set before and
after; the data are made before.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from benchmarks.machine import write_table

_CODE = """
import resource, sys, warnings
import numpy as np
warnings.simplefilter("ignore")
engine, n, d, k, what = sys.argv[1], *map(int, sys.argv[2:5]), sys.argv[5]
rng = np.random.default_rng(0)
X = rng.standard_normal((n, d))
X += 3 * rng.integers(k, size=n)[:, None]
if engine == "gmm_engine":
    from gmm_engine import fit
    from gmm_engine.warm_up import warm_up
    warm_up()
    run = lambda: fit(X, k, max_iter=10)
else:
    from sklearn.mixture import GaussianMixture
    GaussianMixture(2).fit(X[:100])
    run = lambda: GaussianMixture(
        k, max_iter=2, init_params="random_from_data").fit(X)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak()
run()
print(peak() - before)
"""


def megabytes_above_data(engine: str, n: int, d: int, k: int) -> float:
    """Return how far the largest resident set grew during a fit, in MB."""
    answer = subprocess.run(
        [sys.executable, "-c", _CODE, engine, str(n), str(d), str(k), "fit"],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(answer.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="seconds, on small data")
    options = parser.parse_args()
    workloads = [
        (1_000_000, 10, 50, 100),
        (1_000_000, 2, 10, ""),
        (100_000, 50, 20, ""),
    ]
    if options.smoke:
        workloads = [(20_000, 10, 5, "")]
    rows = []
    for n, d, k, goal in workloads:
        theirs = megabytes_above_data("sklearn", n, d, k)
        mine = megabytes_above_data("gmm_engine", n, d, k)
        rows.append([f"{n:,} × {d}, {k}", f"{theirs:.0f}", f"{mine:.0f}", goal])
        print(rows[-1], flush=True)
    write_table(
        "memory",
        "Peak memory above the data",
        ["N × D, K", "scikit-learn MB", "gmm_engine MB", "goal"],
        rows,
        [
            "Growth of the largest resident set during a fit, in a fresh process that "
            "has made its data and loaded its code.",
            "scikit-learn without its k-means, and two iterations: its arrays of N × K "
            "numbers are all there by then. Ours with its search, and ten iterations.",
        ],
        keep=not options.smoke,
    )


if __name__ == "__main__":
    main()
