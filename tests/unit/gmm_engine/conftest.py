"""Compiled kernels before the first test, so that no test is timed with them."""

from __future__ import annotations

import pytest
from hypothesis import settings

from gmm_engine.warm_up import warm_up

# Machines that run tests are busy: how long an example takes says nothing. The same
# examples each time, so that a failure is a change.
settings.register_profile("engine", deadline=None, derandomize=True)
settings.load_profile("engine")


@pytest.fixture(scope="session", autouse=True)
def _compiled_kernels():
    warm_up()
