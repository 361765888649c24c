"""A running service to attack, and what its other clients see meanwhile."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.attack.clients import (
    Address,
    Waits,
    address_of,
    exchange,
    resident_bytes,
    timed,
)
from tests.integration.processes import command_of, descendants
from tests.integration.running import Service, running_service

MODEL = {
    "weights": [0.5, 0.5],
    "means": [[0, 0], [5, 5]],
    "covariances": [1, 1],
    "covariance_type": "spherical",
}
WORST_SECONDS = 1.0
"""An ordinary client's longest wait. On a quiet machine it is a tenth of that, which
`python -m tests.attack` measures."""


@dataclass
class Victim:
    """A service under attack."""

    service: Service
    model: str = ""

    def __post_init__(self) -> None:
        answer = self.service.post("/v1/models", json=MODEL)
        assert answer.status_code == 201, answer.text
        self.model = f"/v1/models/{answer.json()['id']}"
        # Once before it counts: the first prediction of a process takes longer.
        self.predict()

    @property
    def address(self) -> Address:
        return address_of(self.service.url)

    @property
    def api_pids(self) -> list[int]:
        pids = descendants(self.service.pid)
        return [pid for pid in pids if " api " in command_of(pid)]

    def resident_bytes(self) -> int:
        return resident_bytes(self.api_pids)

    def peak_bytes(self) -> int:
        return resident_bytes(self.api_pids, "VmHWM")

    def probe(self) -> None:
        request = (
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        assert exchange(self.address, request).startswith(b"HTTP/1.1 200 ")

    def predict(self) -> None:
        answer = self.service.post(f"{self.model}/predict", json={"data": [[5, 5]]})
        assert answer.status_code == 200, answer.text
        assert answer.json() == {"labels": [1]}

    def ask_as_others_do(self, seconds: float) -> tuple[Waits, Waits]:
        """How long a probe and another client wait while something else goes on."""
        return timed(self.probe, seconds / 2), timed(self.predict, seconds / 2)

    def assert_others_are_served(self, seconds: float, attack: str) -> None:
        probes, predictions = self.ask_as_others_do(seconds)
        print(f"{attack}: /healthz {probes}; predict {predictions}")
        assert probes.worst < WORST_SECONDS
        assert predictions.worst < WORST_SECONDS


@pytest.fixture(scope="session")
def victim() -> Iterator[Victim]:
    with (
        tempfile.TemporaryDirectory(prefix="gmm-") as folder,
        running_service(Path(folder), GMM_RATE_LIMIT="0") as service,
    ):
        yield Victim(service)
