"""API keys in Redis, beside all tenants' data; the key space is in `keys`.

A revoked key's record is kept for a while, so that its holder reads why it is refused
and the operator sees it in the list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta

from service.domain.api_keys import ApiKey, Scope
from service.errors import ApiKeyNotFoundError
from service.storage.connection import StoreClients
from service.storage.keys import API_KEYS, KEYS_REQUIRED, TENANTS, api_key
from service.storage.records import (
    commit,
    commit_new,
    decode_record,
    encode_record,
    fields_of,
)
from service.storage.staging import set_value
from service.storage.store import Store

REVOKED_TTL = timedelta(days=30)


class RedisApiKeyRepository:
    """Implements `service.ports.ApiKeyRepository`."""

    def __init__(self, clients: StoreClients) -> None:
        self._store = Store(clients)

    def add(self, key: ApiKey) -> None:
        head = _encode(key)
        commands = [
            set_value(api_key(key.id), head, None),
            ("SADD", API_KEYS, key.id),
            ("SADD", TENANTS, key.tenant),
            ("SET", KEYS_REQUIRED, 1),
        ]
        commit_new(self._store, api_key(key.id), head, commands)

    def find(self, key_id: str) -> ApiKey | None:
        head = self._store.get(api_key(key_id))
        return None if head is None else _decode(head)

    def list(self) -> Sequence[ApiKey]:
        ids = self._store.members(API_KEYS)
        heads = self._store.get_all([api_key(key_id) for key_id in ids])
        gone = [i for i, head in zip(ids, heads, strict=True) if head is None]
        if gone:
            self._store.run([("SREM", API_KEYS, *gone)])
        found = [_decode(head) for head in heads if head is not None]
        return sorted(found, key=lambda key: (key.created_at, key.id))

    def revoke(self, key_id: str, now: datetime) -> ApiKey:
        name = api_key(key_id)
        while (head := self._store.get(name)) is not None:
            key = _decode(head).revoked(now)
            revoked = _encode(key)
            command = set_value(name, revoked, REVOKED_TTL)
            if commit(self._store, name, head, revoked, [command]):
                return key
        raise ApiKeyNotFoundError(key_id)

    def are_required(self) -> bool:
        return self._store.get(KEYS_REQUIRED) is not None

    def stop_requiring(self) -> None:
        self._store.run([("DEL", KEYS_REQUIRED)])

    def tenants(self) -> Sequence[str]:
        return self._store.members(TENANTS)


def _encode(key: ApiKey) -> bytes:
    return encode_record(asdict(key) | {"scopes": sorted(key.scopes)})


def _decode(head: bytes) -> ApiKey:
    with fields_of("key"):
        fields = decode_record(head)
        times = {
            name: datetime.fromisoformat(fields[name]) if fields[name] else None
            for name in ("created_at", "expires_at", "revoked_at")
        }
        scopes = frozenset(map(Scope, fields["scopes"]))
        return ApiKey(**fields | times | {"scopes": scopes})
