"""The clock of a work-horse. In a process of its own: pytest needs the alarm itself."""

from __future__ import annotations

import subprocess
import sys

import pytest

WAITS = """
import time
from service.errors import TimeLimitExceededError
from service.worker.horse import clock_stopped, time_limit

def work(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass

try:
    with time_limit({limit}):
        with clock_stopped():
            time.sleep({waits})
        work({works})
    print("done")
except TimeLimitExceededError:
    print("exceeded")
"""


@pytest.mark.parametrize(
    ("limit", "waits", "works", "end"),
    [
        (30, 0.5, 0.01, "done"),
        (0.5, 1.5, 0.01, "done"),
        (0.5, 0.1, 30, "exceeded"),
        (0, 0.1, 0.2, "done"),
    ],
)
def test_what_is_waited_does_not_count(limit, waits, works, end):
    program = WAITS.format(limit=limit, waits=waits, works=works)
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == end
