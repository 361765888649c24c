"""Each benchmark runs: a short form that takes seconds and writes nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["kernel", "end_to_end", "queries", "memory", "scaling", "optima", "acceleration"],
)
def test_a_benchmark_runs(name):
    answer = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", "--smoke"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert "gmm_engine" in answer.stdout
