"""Who may ask for what: the key of a request, its scope, and how often.

Keys come as `Authorization: Bearer …` and in no other way: one way is one to document,
to mask and to test, and this is the one that proxies hide in their logs, that generated
clients know and that Prometheus can send.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from flask import Flask, Request, Response, g

from service.api.current import current_globals, current_request
from service.api.foreign_pages import is_loopback, refuse_foreign_pages
from service.domain.api_keys import ANYBODY, Client, Scope
from service.errors import (
    MissingScopeError,
    NotAuthenticatedError,
    RateLimitedError,
    StorageUnavailableError,
)
from service.use_cases.rate_limits import WINDOW_SECONDS, Allowance

UNGUARDED = frozenset({"show_health", "show_readiness"})
"""For probes, which have no key, give no name and must never be told to wait."""

OPEN = UNGUARDED | {
    "show_landing",
    "show_reader",
    "show_asset",
    "show_contract",
    "show_problem_type",
}
"""Operations that need no key: they are the same in every service of this kind."""

SCOPES = {
    "create_dataset": Scope.FIT,
    "list_datasets": Scope.READ,
    "show_dataset": Scope.READ,
    "delete_dataset": Scope.DELETE,
    "submit_fit": Scope.FIT,
    "list_fits": Scope.READ,
    "show_fit": Scope.READ,
    "watch_fit": Scope.READ,
    "cancel_fit": Scope.FIT,
    "create_model": Scope.FIT,
    "list_models": Scope.READ,
    "show_model": Scope.READ,
    "rename_model": Scope.FIT,
    "delete_model": Scope.DELETE,
    "predict": Scope.READ,
    "predict_proba": Scope.READ,
    "score": Scope.READ,
    "score_samples": Scope.READ,
    "sample": Scope.READ,
    "show_animation": Scope.READ,
    "show_metrics": Scope.METRICS,
}
"""The scope that each other operation needs, by its operationId."""

_BEARER = re.compile(r"bearer +(\S+) *", re.ASCII | re.IGNORECASE)
_POLICY = "minute"
_METRICS = "show_metrics"
_MAX_SCRAPERS = 16

log = structlog.get_logger("service.api")


@dataclass(frozen=True, slots=True)
class Access:
    """Who is let in; as it stands, everybody."""

    admit: Callable[[str | None], Client] = lambda key: ANYBODY
    """The client with that key; None: without one. Raises NotAuthenticatedError."""
    count: Callable[[str], Allowance | None] = lambda client: None
    """Counts a request of a client, or raises RateLimitedError."""
    any_host: bool = False
    """Whether clients without a key may call this service by whatever name."""
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may call this service from a browser."""


def current_tenant() -> str:
    """Return the tenant on whose behalf the request is answered."""
    client: Client = g.client
    return client.tenant


def scope_of(operation: str) -> Scope | None:
    """Return the scope that an operation needs; what nobody thought of needs most."""
    return None if operation in OPEN else SCOPES.get(operation, Scope.ADMIN)


def register_access(app: Flask, access: Access) -> None:
    """Let in who may, for what it may, as often as it may."""
    scrapers: dict[bytes, Client] = {}

    @app.before_request
    def check() -> None:
        request = current_request()
        operation = operation_of(request)
        # OPTIONS tells what is in the contract; what matches no path is not there.
        if operation in UNGUARDED or request.method == "OPTIONS":
            return
        scope = None if operation is None else scope_of(operation)
        if scope is None:
            _count_address(access, request)
            return
        try:
            client = _client(access, request)
            if client.key_id is None:
                refuse_foreign_pages(request, access.cors_origins, access.any_host)
                _count_address(access, request)
            else:
                structlog.contextvars.bind_contextvars(key_id=client.key_id)
                g.key_id = client.key_id
                _count(access, f"key {client.key_id}")
        except StorageUnavailableError:
            # What shows that the store is away must not need it: who was let in last
            # still is, with the same key.
            if operation != _METRICS or _digest(request) not in scrapers:
                raise
            client = scrapers[_digest(request)]
            if client.key_id is None:
                refuse_foreign_pages(request, access.cors_origins, access.any_host)
        if not client.may(scope):
            raise MissingScopeError(scope.value)
        if operation == _METRICS:
            if len(scrapers) >= _MAX_SCRAPERS:
                scrapers.clear()
            scrapers[_digest(request)] = client
        g.client = client

    @app.after_request
    def tell_limit(response: Response) -> Response:
        allowance: Allowance | None = current_globals().get("allowance")
        if allowance is not None:
            policy = f'"{_POLICY}";q={allowance.limit};w={WINDOW_SECONDS}'
            left = f"r={allowance.remaining};t={round(allowance.reset_seconds)}"
            response.headers["RateLimit-Policy"] = policy
            response.headers["RateLimit"] = f'"{_POLICY}";{left}'
        return response


def operation_of(request: Request) -> str | None:
    """The operationId of a request; None when it is for nothing there is."""
    endpoint = request.endpoint
    return None if endpoint is None else endpoint.rpartition(".")[2]


def _client(access: Access, request: Request) -> Client:
    try:
        return access.admit(_key(request))
    except NotAuthenticatedError:
        _count(access, f"address {_network_of(request.remote_addr or '')}")
        raise


def _digest(request: Request) -> bytes:
    """What stands for the key that came, or for none; a secret is not kept."""
    return hashlib.sha256(request.headers.get("Authorization", "").encode()).digest()


def _key(request: Request) -> str | None:
    """The key that came; not its place in the query, which ends in logs."""
    header = request.environ.get("HTTP_AUTHORIZATION")
    if header is None:
        return None
    found = _BEARER.fullmatch(header)
    if found is None:
        raise NotAuthenticatedError(
            "The Authorization is not of the form `Bearer gmm_…`; send the key so.",
            "unreadable",
        )
    return found[1]


def _count_address(access: Access, request: Request) -> None:
    """Count a request without a key; this machine's own are its user's business."""
    address = request.remote_addr or ""
    if not is_loopback(address):
        _count(access, f"address {_network_of(address)}")


def _count(access: Access, client: str) -> None:
    try:
        g.allowance = access.count(client)
    except RateLimitedError as error:
        g.allowance = Allowance(error.limit, 0, error.retry_after_seconds)
        raise


def _network_of(address: str) -> str:
    """Who counts as one client: of IPv6 the first half, the rest is its own choice."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 6:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
