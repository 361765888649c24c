"""API keys: made, listed and revoked by an operator; checked in each request."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from service.domain.api_keys import (
    ANYBODY,
    TENANT_PATTERN,
    ApiKey,
    Client,
    Scope,
    hash_of,
    id_of,
    new_key,
)
from service.errors import InvalidRequestError, NotAuthenticatedError
from service.ports import ApiKeyRepository, Clock

OFF_SECONDS = 1.0
"""How late a process notices the first key, before which it needed none."""


@dataclass(frozen=True, slots=True)
class ApiKeyService:
    """What `gmm keys` does."""

    keys: ApiKeyRepository
    random_letters: Callable[[int], str]
    clock: Clock

    def create(
        self,
        tenant: str,
        scopes: frozenset[Scope],
        name: str | None = None,
        expires_at: datetime | None = None,
    ) -> tuple[ApiKey, str]:
        """Return what is stored, and the key itself, which nobody can return again.

        From the first key on, keys are required.
        """
        now = self.clock()
        require_tenant(tenant)
        if expires_at is not None and expires_at <= now:
            raise InvalidRequestError("The key would have expired; give a later time.")
        key = new_key(self.random_letters)
        key_id = id_of(key)
        assert key_id is not None
        record = ApiKey(key_id, tenant, scopes, hash_of(key), now, name, expires_at)
        self.keys.add(record)
        return record, key

    def list(self) -> Sequence[ApiKey]:
        return self.keys.list()

    def revoke(self, key_id: str) -> ApiKey:
        return self.keys.revoke(key_id, self.clock())

    def stop_requiring(self) -> None:
        self.keys.stop_requiring()


@dataclass(slots=True)
class Gatekeeper:
    """Tells who a client is, or refuses it."""

    keys: ApiKeyRepository
    clock: Clock
    is_open: bool
    """Whether clients without a key are let in as long as there never was a key."""
    monotonic: Callable[[], float] = time.monotonic
    _off_until: float = field(default=float("-inf"))

    def admit(self, key: str | None) -> Client:
        """Return whose key it is; raise NotAuthenticatedError for all but good keys."""
        if key is None:
            return self._without_key()
        key_id = id_of(key)
        # Asked for each time: a revoked key is refused at once.
        record = None if key_id is None else self.keys.find(key_id)
        if record is None or not record.matches(key):
            raise NotAuthenticatedError("The key is none of this service.", "unknown")
        if record.is_over(self.clock()):
            # Only its holder gets to read this.
            raise NotAuthenticatedError(
                "The key was revoked or has expired; ask the operator for another.",
                "over",
            )
        return Client(record.tenant, record.scopes, record.id)

    def _without_key(self) -> Client:
        if not self.is_open or self._are_required():
            raise NotAuthenticatedError(
                "A key is needed; send it as `Authorization: Bearer gmm_…`. The "
                "operator makes one with `gmm keys create`."
            )
        return ANYBODY

    def _are_required(self) -> bool:
        if self.monotonic() < self._off_until:
            return False
        if self.keys.are_required():
            return True
        self._off_until = self.monotonic() + OFF_SECONDS
        return False


def require_tenant(tenant: str) -> None:
    """Raise InvalidRequestError for what can be no tenant's name."""
    if not re.fullmatch(TENANT_PATTERN, tenant):
        raise InvalidRequestError(
            f"The tenant is {tenant[:70]!r}; give 1 to 63 lower-case letters, "
            "digits and hyphens, not starting with a hyphen."
        )
