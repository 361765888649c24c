"""`gmm worker`: one worker process."""

from __future__ import annotations

from gmm_engine.warm_up import warm_up
from service.bootstrap import Wiring, utc_now
from service.commands.stores import store_url
from service.settings import Settings
from service.storage.connection import StoreClients
from service.worker.horse import Harness, Limits
from service.worker.notes import StopNotes
from service.worker.recovery import Records
from service.worker.worker import FitWorker


def run(settings: Settings) -> None:
    """Work until told to stop."""
    with store_url(settings) as url:
        wiring = Wiring(settings, url)
        wiring.check()
        # Work-horses are forked, and find the compiled code loaded.
        warm_up()
        limits = Limits(
            settings.fit_time_limit_seconds, settings.fit_memory_limit_bytes
        )
        worker = FitWorker(
            # Its own client: RQ changes the timeouts of the one it gets.
            StoreClients(url).blocking,
            Records(wiring.tenants, wiring.fits_for, utc_now),
            Harness(wiring.runner_for, limits),
            StopNotes(settings.state_dir / "handed-back"),
        )
        worker.run()
