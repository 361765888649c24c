"""The app behind keys: two tenants with a world each, and what strangers try."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from service.api.access import Access, current_tenant
from service.api.app import create_app
from service.bootstrap import random_letters
from service.domain.api_keys import Scope
from service.use_cases.api_keys import ApiKeyService, Gatekeeper
from service.use_cases.rate_limits import RateLimiter
from tests.fakes import InMemoryApiKeyRepository, InMemoryRequestCounts
from tests.unit.service.api.conftest import OPTIONS, POINTS, SteppingClock, World

BODIES = {
    "create_dataset": {"data": POINTS},
    "submit_fit": {"data": POINTS, "n_components": 2},
    "create_model": {"weights": [1], "means": [[0]], "covariances": [[[1]]]},
    "rename_model": {"name": "another"},
    "predict": {"data": POINTS},
    "predict_proba": {"data": POINTS},
    "score": {"data": POINTS},
    "score_samples": {"data": POINTS},
    "sample": {"n_samples": 2},
}
"""A good body for each operation that needs one."""


@dataclass
class Guarded:
    """A service behind keys: its tenants' worlds, and the keys."""

    rate_limit: int = 0
    is_open: bool = False
    any_host: bool = False
    cors_origins: tuple[str, ...] = ()
    worlds: dict[str, World] = field(default_factory=dict)
    clock: SteppingClock = field(default_factory=SteppingClock)
    keys: InMemoryApiKeyRepository = field(default_factory=InMemoryApiKeyRepository)
    counts: InMemoryRequestCounts = field(default_factory=InMemoryRequestCounts)

    def __post_init__(self) -> None:
        self.service = ApiKeyService(self.keys, random_letters, self.clock)
        gatekeeper = Gatekeeper(self.keys, self.clock, self.is_open, lambda: 0.0)
        limiter = RateLimiter(self.counts, self.rate_limit, lambda: self.counts.now)
        access = Access(
            gatekeeper.admit, limiter.count, self.any_host, self.cors_origins
        )
        self.app: Flask = create_app(
            lambda: self.world(current_tenant()).services, self, OPTIONS, access
        )

    def check(self) -> None:
        """Implements `service.ports.Readiness`."""

    def world(self, tenant: str) -> World:
        return self.worlds.setdefault(tenant, World())

    def key(
        self, tenant: str = "acme", scopes: Iterable[Scope] = (Scope.ADMIN,)
    ) -> str:
        return self.service.create(tenant, frozenset(scopes))[1]

    def expiring_key(self) -> str:
        """A key that will have expired when it is used: the clock steps."""
        later = self.clock() + timedelta(seconds=2)
        return self.service.create("acme", frozenset(Scope), expires_at=later)[1]

    def client(self) -> FlaskClient:
        return self.app.test_client()

    def rules(self) -> Iterator[tuple[str, str, Rule]]:
        """Each operation with its method and rule."""
        for rule in self.app.url_map.iter_rules():
            name = rule.endpoint.rpartition(".")[2]
            for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
                yield name, method, rule

    def call(
        self, operation: str, key: str | None = None, **arguments: str
    ) -> TestResponse:
        """Ask for an operation with a good body and, unless given, unknown ids."""
        ((method, rule),) = (
            (method, rule) for name, method, rule in self.rules() if name == operation
        )
        path = rule.rule
        for argument in rule.arguments:
            value = arguments.get(argument, "unknown")
            path = path.replace(f"<id:{argument}>", value)
            path = path.replace(f"<{argument}>", value)
        body: Any = BODIES.get(operation)
        with self.client() as client:
            return client.open(
                path,
                method=method,
                headers=bearer(key),
                json=body if method in ("POST", "PATCH") else None,
            )


def bearer(key: str | None) -> dict[str, str]:
    return {} if key is None else {"Authorization": f"Bearer {key}"}
