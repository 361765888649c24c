"""API keys: who may ask for what. The key itself is never here, only its hash."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

KEY_PATTERN = r"gmm_([a-z2-7]{16})_[a-z2-7]{52}"
"""A prefix for scanners of leaked secrets, the key's id, and 256 random bits."""
TENANT_PATTERN = r"[a-z0-9][a-z0-9-]{0,62}"
DEFAULT_TENANT = "default"
"""Whose everything is that is stored without a key."""

_KEY = re.compile(KEY_PATTERN, re.ASCII)


class Scope(StrEnum):
    """What a key allows; the table of `service.api.access` names each operation's."""

    READ = "read"
    FIT = "fit"
    DELETE = "delete"
    METRICS = "metrics"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is stored of a key."""

    id: str
    tenant: str
    scopes: frozenset[Scope]
    key_hash: str
    created_at: datetime
    name: str | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def matches(self, key: str) -> bool:
        """Whether this is the record of a key, in a time that tells nothing of it."""
        return hmac.compare_digest(self.key_hash, hash_of(key))

    def is_over(self, now: datetime) -> bool:
        """Whether it was revoked or has expired."""
        expired = self.expires_at is not None and now >= self.expires_at
        return expired or self.revoked_at is not None

    def revoked(self, now: datetime) -> ApiKey:
        return self if self.revoked_at else replace(self, revoked_at=now)


@dataclass(frozen=True, slots=True)
class Client:
    """On whose behalf a request is answered."""

    tenant: str
    scopes: frozenset[Scope]
    key_id: str | None = None
    """None: without a key."""

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes


ANYBODY = Client(DEFAULT_TENANT, frozenset({Scope.ADMIN}))
"""Whoever asks a service that needs no keys."""


def hash_of(key: str) -> str:
    """SHA-256 in hexadecimal.

    A slow hash would protect what people choose and others can guess. Nobody guesses
    256 random bits, however fast the hash, and this one is computed in each request.
    """
    return hashlib.sha256(key.encode()).hexdigest()


def id_of(key: str) -> str | None:
    """The id in a key; None when it is not even the form of one."""
    found = _KEY.fullmatch(key)
    return found[1] if found else None


def new_key(random_letters: Callable[[int], str]) -> str:
    """A key; `random_letters(n)` are n random letters of 5 bits each."""
    return f"gmm_{random_letters(16)}_{random_letters(52)}"
