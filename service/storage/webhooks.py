"""The outbox of webhooks in Redis: which fits' ends are still to be told, and when.

Key space
---------
gmm:<tenant>:webhooks
    Sorted set, never expires. Ids of fits by the time, in milliseconds, at which their
    webhook is due. A member is added in the step that ends the fit and removed in the
    one that notes the last attempt; what is told stands in the fit's record.

Taking an entry puts its time off: so a dispatcher that dies leaves it to another.
Entries that nobody took for a week are dropped as others are added, so the set is
bounded when no dispatcher runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from service.domain.fits import Fit
from service.domain.webhooks import Webhook, WebhookState
from service.errors import CorruptValueError
from service.storage.connection import StoreClients
from service.storage.errors import translate_redis_errors
from service.storage.fit_records import decode_fit, encode_fit
from service.storage.keys import Keys
from service.storage.records import commit
from service.storage.store import Command, Store

UNTAKEN_TTL = timedelta(days=7)

# KEYS: the outbox. ARGV: now, the end of the lease, how many at most.
_TAKE = """
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
for _, id in ipairs(ids) do
  redis.call('ZADD', KEYS[1], 'XX', ARGV[2], id)
end
return ids
"""

log = structlog.get_logger(__name__)


class RedisWebhookOutbox:
    """Implements `service.ports.WebhookOutbox`."""

    def __init__(self, clients: StoreClients, tenant: str = "default") -> None:
        self._store = Store(clients)
        self._keys = Keys(tenant)
        self._take = clients.ordinary.register_script(_TAKE)

    def take(self, now: datetime, lease: timedelta, limit: int) -> Sequence[Fit]:
        fit_ids = self._take_ids(now, now + lease, limit)
        records = self._store.get_all([self._keys.fit(fit_id) for fit_id in fit_ids])
        found = zip(fit_ids, map(_pending, records), strict=True)
        taken = {fit_id: fit for fit_id, fit in found if fit is not None}
        # Expired, or noted as told by a dispatcher that was slower than its lease.
        if useless := [fit_id for fit_id in fit_ids if fit_id not in taken]:
            self._store.run([("ZREM", self._keys.webhooks, *useless)])
        return list(taken.values())

    def settle(self, fit: Fit, webhook: Webhook, due: datetime | None) -> None:
        key = self._keys.fit(fit.id)
        while True:
            record = self._store.get(key)
            current = _pending(record)
            # Gone, or another dispatcher took it meanwhile: its note counts.
            if record is None or current is None or current.webhook != fit.webhook:
                return
            new = encode_fit(replace(current, webhook=webhook))
            commands = [*self._moved(fit.id, due), ("SET", key, new, "KEEPTTL")]
            if commit(self._store, key, record, new, commands):
                return

    def _moved(self, fit_id: str, due: datetime | None) -> Iterator[Command]:
        # First, as a full store allows it: then it takes the rest as well, and what
        # was told is not told again for want of room to note it.
        yield ("ZREM", self._keys.webhooks, fit_id)
        if due is not None:
            yield ("ZADD", self._keys.webhooks, _milliseconds(due), fit_id)

    @translate_redis_errors()
    def _take_ids(self, now: datetime, until: datetime, limit: int) -> list[str]:
        ids = self._take(
            keys=[self._keys.webhooks],
            args=[_milliseconds(now), _milliseconds(until), limit],
        )
        return [fit_id.decode() for fit_id in ids]


def outbox_entry(keys: Keys, fit: Fit) -> Iterator[Command]:
    """Commands that put a fit that ended into the outbox, if it has a webhook."""
    if fit.webhook is not None and fit.finished_at is not None:
        oldest = _milliseconds(fit.finished_at - UNTAKEN_TTL)
        yield ("ZREMRANGEBYSCORE", keys.webhooks, "-inf", oldest)
        yield ("ZADD", keys.webhooks, _milliseconds(fit.finished_at), fit.id)


def _pending(record: bytes | None) -> Fit | None:
    if record is None:
        return None
    try:
        fit = decode_fit(record)
    except CorruptValueError as error:
        log.error("webhook dropped", reason=error.detail)
        return None
    if fit.webhook is None or fit.webhook.status is not WebhookState.PENDING:
        return None
    # Not over: restored from a backup that caught it before its end, which will put
    # it into the outbox again.
    return fit if fit.status.is_final else None


def _milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)
