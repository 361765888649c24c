"""Counting fits in Redis, without reading any."""

from __future__ import annotations

from service.domain.api_keys import DEFAULT_TENANT
from service.domain.census import Census
from service.domain.fits import FitState
from service.storage.connection import StoreClients
from service.storage.keys import TENANTS, Keys
from service.storage.store import Command, Store

_FINAL = tuple(state for state in FitState if state.is_final)


class RedisCensus:
    """Counts the fits of all tenants."""

    def __init__(self, clients: StoreClients) -> None:
        self._store = Store(clients)

    def take(self, n_workers: int) -> Census:
        """Return the numbers, with that of the workers, which the queue knows."""
        tenants = {DEFAULT_TENANT, *self._store.members(TENANTS)}
        commands: list[Command] = []
        for keys in map(Keys, sorted(tenants)):
            commands += [
                ("SCARD", keys.fits_in(FitState.QUEUED)),
                ("SCARD", keys.fits_in(FitState.RUNNING)),
                ("HMGET", keys.fits_ended, *_FINAL),
            ]
        answers = self._store.run(commands)
        ended = [
            sum(int(count or 0) for count in counts)
            for counts in zip(*answers[2::3], strict=True)
        ]
        return Census(
            n_queued=sum(answers[0::3]),
            n_running=sum(answers[1::3]),
            n_ended=dict(zip(_FINAL, ended, strict=True)),
            n_workers=n_workers,
        )
