"""The long form of these tests: `python -m tests.attack [--seconds 60]`.

Each kind of attack goes on for a while against one service. Printed is how long a probe
and another client wait meanwhile, and the memory of the API; the exit status is 1 when
a probe had to wait longer than 100 ms more than once in a hundred times.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.attack.clients import Crowd, head
from tests.attack.conftest import Victim
from tests.attack.test_large_bodies import BOMBS
from tests.attack.test_slow_clients import (
    never_reading,
    silent,
    slow_bodies,
    slow_chunks,
    slow_heads,
)
from tests.integration.running import ENDLESS, cloud, running_service

LIMIT_SECONDS = 0.1
ROW = "| {:<34} | {:>9} | {:>9} | {:>9} | {:>9} | {:>9} | {:>7} |"


@contextmanager
def crowds(*present: Crowd) -> Iterator[None]:
    with ExitStack() as stack:
        for crowd in present:
            stack.enter_context(crowd.present())
        yield


@contextmanager
def bombs(victim: Victim, content_types: Sequence[str]) -> Iterator[None]:
    """One bomb of each kind after the other, over and over."""
    stopped = threading.Event()

    def drop() -> None:
        while not stopped.is_set():
            for kind in content_types:
                headers = {"Content-Type": kind, "Content-Encoding": "gzip"}
                path = f"{victim.model}/predict"
                victim.service.post(path, data=BOMBS[kind](), headers=headers)

    thread = threading.Thread(target=drop)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


@contextmanager
def streams(victim: Victim, n_streams: int) -> Iterator[None]:
    service = victim.service
    fit_id = service.submit(data=cloud(50_000, 8).tolist(), **ENDLESS)
    opening = head("GET", f"/v1/fits/{fit_id}/events", "", "")
    with Crowd(victim.address, n_streams, opening).present():
        yield
    service.post(f"/v1/fits/{fit_id}/cancel")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="of each attack")
    seconds = parser.parse_args().seconds
    with (
        tempfile.TemporaryDirectory(prefix="gmm-") as folder,
        running_service(Path(folder), GMM_RATE_LIMIT="0") as service,
    ):
        return _attack(Victim(service), seconds)


def _attack(victim: Victim, seconds: float) -> int:
    for kind in BOMBS.values():
        kind()
    attacks = {
        "nothing": crowds(),
        "100 heads, a byte a second": crowds(slow_heads(victim, 100)),
        "100 bodies, a byte a second": crowds(slow_bodies(victim, 100)),
        "100 bodies in chunks, likewise": crowds(slow_chunks(victim, 100)),
        "1000 silent connections": crowds(silent(victim, 1000)),
        "10 that read nothing": crowds(never_reading(victim, 10)),
        "64 event streams": streams(victim, 64),
        "gzip bombs, 10 MB for 10 GB": bombs(victim, list(BOMBS)),
    }
    columns = ("/healthz", "99 %", "worst", "predict", "worst", "MB")
    print(ROW.format("meanwhile", *columns))
    print("|---|---:|---:|---:|---:|---:|---:|")
    is_slow = False
    for name, attack in attacks.items():
        with attack:
            probes, others = victim.ask_as_others_do(seconds)
        times = (probes.median, probes.nearly_worst, probes.worst)
        shown = (f"{1000 * t:.1f} ms" for t in (*times, others.median, others.worst))
        print(ROW.format(name, *shown, victim.resident_bytes() >> 20), flush=True)
        is_slow |= probes.nearly_worst > LIMIT_SECONDS
    return int(is_slow)


if __name__ == "__main__":
    sys.exit(main())
