"""The machine that a table was made on, and how tables are timed and written."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numba
import numpy as np
import scipy
import sklearn

import gmm_engine
from gmm_engine.team import n_processors

RESULTS = Path(__file__).parent / "results"


def description() -> str:
    """Return one line that names the processor and the versions."""
    versions = ", ".join(
        f"{module.__name__} {module.__version__}"
        for module in (gmm_engine, np, scipy, numba, sklearn)
    )
    return (
        f"{_processor()}, {n_processors()} cores · Python "
        f"{platform.python_version()}, {versions}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    wide = " with AVX-512" if "avx512f" in fields.get("flags", "") else ""
    model = f"family {fields.get('cpu family')} model {fields.get('model')}"
    return f"{fields.get('model name', platform.machine())} ({model}){wide}"


def interleaved(
    functions: Sequence[Callable[[], object]],
    repeats: int,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """Return the median seconds of each function, run in turn `repeats` times.

    In turn, so that a busy moment of the machine falls on all of them.
    """
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(repeats):
        for each, function in zip(times, functions, strict=True):
            started = clock()
            function()
            each.append(clock() - started)
    return [statistics.median(each) for each in times]


def write_table(
    name: str,
    title: str,
    header: Sequence[str],
    rows: Sequence[Sequence[object]],
    notes: Sequence[str] = (),
    *,
    keep: bool = True,
) -> str:
    """Print a table as text and, with `keep`, write it to results/<name>.md."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    today = datetime.now(UTC).date().isoformat()
    text = "\n".join(
        [f"# {title}", "", f"{description()} · {today}", "", *lines, ""]
        + [f"- {note}" for note in notes]
    )
    print(text, flush=True)
    if keep:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.md").write_text(text.rstrip() + "\n")
    return text


def milliseconds(seconds: float) -> str:
    """Return a time in milliseconds with three digits."""
    return f"{seconds * 1e3:.3g}" if seconds < 1 else f"{seconds * 1e3:.0f}"


def timing(*, cpu: bool) -> str:
    """Return a note on which clock was used."""
    if cpu:
        return (
            "CPU seconds of one thread on both sides, since the machine was busy with "
            "other work"
        )
    return f"Wall clock, {n_processors()} threads on both sides"
