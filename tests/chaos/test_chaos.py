"""The short form of `python -m tests.chaos`."""

from __future__ import annotations

import pytest

from tests.chaos.trial import Plan, try_out


@pytest.mark.slow
def test_no_fit_is_lost_whatever_is_killed():
    plan = Plan(
        n_fits=20,
        seconds=10,
        seed=3,
        mean_seconds=0.5,
        longest_pause_seconds=3,
        max_iter=100,
    )
    outcome = try_out(plan)
    assert outcome.is_good, str(outcome)
    assert outcome.faults
