"""The service stops in time, whatever its clients are doing."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

from tests.attack.clients import Crowd, head
from tests.attack.conftest import Victim
from tests.attack.test_slow_clients import (
    never_reading,
    silent,
    slow_bodies,
    slow_chunks,
    slow_heads,
)
from tests.integration.processes import is_alive
from tests.integration.running import ENDLESS, cloud, running_service


def test_a_service_full_of_hanging_clients_stops_within_ten_seconds(tmp_path: Path):
    with running_service(tmp_path, GMM_RATE_LIMIT="0") as service, ExitStack() as stack:
        victim = Victim(service)
        fit_id = service.submit(data=cloud(50_000, 8).tolist(), **ENDLESS)
        service.wait_until_running(fit_id)
        events = head("GET", f"/v1/fits/{fit_id}/events", "", "")
        poll = head("GET", f"/v1/fits/{fit_id}?wait=60", "", "")
        for crowd in (
            slow_heads(victim, 50),
            slow_bodies(victim, 50),
            slow_chunks(victim, 50),
            silent(victim, 50),
            never_reading(victim, 10),
            Crowd(victim.address, 30, events),
            Crowd(victim.address, 30, events, reads=False),
            Crowd(victim.address, 30, poll),
        ):
            stack.enter_context(crowd.present())
        time.sleep(1.5)
        everything = service.everything
        began = time.monotonic()
        assert service.stop() == 0
        seconds = time.monotonic() - began
        print(f"stopped in {seconds:.1f} s")
        assert seconds < 10
        assert not any(map(is_alive, everything))
