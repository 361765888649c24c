"""Idempotency keys in Redis: what each stands for, and who is at work on it.

The two are apart because they end differently: a reservation is kept for a day and must
outlive the process that made it, whereas a hold must not.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from service.domain.idempotency import Answer, Reservation
from service.errors import StorageUnavailableError
from service.ports import Clock
from service.storage.connection import StoreClients
from service.storage.keys import Keys
from service.storage.records import commit, decode_record, encode_record, fields_of
from service.storage.staging import milliseconds, set_value
from service.storage.store import Command, Store

HOLD = timedelta(seconds=30)
"""After a crash a request is refused for so long; a living one takes a moment."""


class RedisIdempotencyRepository:
    """Implements `service.ports.IdempotencyRepository`.

    Of each tenant's keys the `most` newest are kept, each for `ttl`.
    """

    def __init__(
        self,
        clients: StoreClients,
        clock: Clock,
        tenant: str = "default",
        ttl: timedelta = timedelta(days=1),
        most: int = 10_000,
    ) -> None:
        self._store = Store(clients)
        self._keys = Keys(tenant)
        self._clock = clock
        self._ttl = ttl
        self._most = most

    def reserve(self, reservation: Reservation) -> Reservation:
        name = _hash(reservation.key)
        key = self._keys.idempotency(name)
        found = self._store.get(key)
        if found is None:
            record = _encode(reservation)
            commands = [
                set_value(key, record, self._ttl),
                ("ZADD", self._keys.idempotency_keys, self._expiry(), name),
            ]
            commit(self._store, key, None, record, commands)
            self._forget()
            # Ours, or that of a request which was faster.
            found = self._store.get(key) or record
        return _decode(reservation.key, found)

    def hold(self, key: str, holder: str) -> bool:
        name, value = self._keys.idempotency_hold(_hash(key)), holder.encode()
        words: Command = ("SET", name, value, "NX", "PX", milliseconds(HOLD))
        # Read back: when an answer is lost the command is sent again, and is refused.
        _, held_by = self._store.run([words, ("GET", name)])
        return bool(held_by == value)

    def remember(self, reservation: Reservation, holder: str) -> None:
        name = _hash(reservation.key)
        key = self._keys.idempotency(name)
        # Not when the hold has expired: then another request answers.
        self._store.commit(
            self._keys.idempotency_hold(name),
            holder.encode(),
            holder.encode(),
            [("SET", key, _encode(reservation), "XX", "KEEPTTL")],
        )

    def release(self, key: str, holder: str) -> None:
        name = self._keys.idempotency_hold(_hash(key))
        # Only a courtesy: it expires anyway.
        with suppress(StorageUnavailableError):
            self._store.commit(name, holder.encode(), None, [("UNLINK", name)])

    def _expiry(self) -> int:
        return _milliseconds_of(self._clock() + self._ttl)

    def _forget(self) -> None:
        """Let the list forget expired keys, and the store those that are too many."""
        names = self._keys.idempotency_keys
        now = _milliseconds_of(self._clock())
        _, n_keys = self._store.run(
            [("ZREMRANGEBYSCORE", names, "-inf", now), ("ZCARD", names)]
        )
        if (surplus := n_keys - self._most) > 0:
            (oldest,) = self._store.run([("ZRANGE", names, 0, surplus - 1)])
            keys = [self._keys.idempotency(name.decode()) for name in oldest]
            if keys:
                self._store.run([("UNLINK", *keys), ("ZREM", names, *oldest)])


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:40]


def _milliseconds_of(time: datetime) -> int:
    return round(1000 * time.timestamp())


def _encode(reservation: Reservation) -> bytes:
    fields, answer = asdict(reservation), reservation.answer
    if answer is not None and answer.body is not None:
        fields["answer"]["body"] = b64encode(answer.body).decode()
    # The key itself is a client's secret, if it wants: only its hash is kept.
    del fields["key"]
    return encode_record(fields)


def _decode(key: str, record: bytes) -> Reservation:
    with fields_of("idempotency key"):
        fields: dict[str, Any] = decode_record(record)
        answer = fields.pop("answer")
        if answer is not None:
            body = answer["body"]
            kept = None if body is None else b64decode(body)
            answer = Answer(**answer | {"body": kept})
        return Reservation(key=key, answer=answer, **fields)
