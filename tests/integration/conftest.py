"""A running service, shared by the tests that leave it as it was."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.running import Service, running_service


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """A service that every test may use, and none may harm."""
    with (
        tempfile.TemporaryDirectory(prefix="gmm-") as folder,
        running_service(Path(folder)) as service,
    ):
        yield service


@pytest.fixture
def own_folder() -> Iterator[Path]:
    """A folder with a path short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="gmm-") as folder:
        yield Path(folder)
