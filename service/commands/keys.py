"""`gmm keys`: makes, lists and revokes API keys; also while the service runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import click

from service.bootstrap import Wiring, utc_now
from service.commands.stores import prepare, store_url
from service.domain.api_keys import ApiKey, Scope
from service.settings import Settings
from service.use_cases.api_keys import ApiKeyService

_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


def create(
    settings: Settings, tenant: str, scopes: str, name: str | None, expires: str | None
) -> None:
    """Print the key, alone on stdout, so that a script can take it."""
    wanted = _scopes(scopes)
    expires_at = None if expires is None else _time(expires, utc_now())
    with _service(settings) as service:
        record, key = service.create(tenant, wanted, name, expires_at)
    click.echo(key)
    click.echo(
        f"Key {record.id} of tenant {tenant}, scopes {scopes}. It is shown only now; "
        "from the first key on, requests without one are refused.",
        err=True,
    )


def show(settings: Settings, as_json: bool) -> None:
    with _service(settings) as service:
        keys = service.list()
    if as_json:
        click.echo(json.dumps([_document(key) for key in keys], indent=2))
        return
    for key in keys:
        click.echo("  ".join(_columns(key)))


def revoke(settings: Settings, key_id: str) -> None:
    with _service(settings) as service:
        key = service.revoke(key_id)
    click.echo(f"Key {key.id} of tenant {key.tenant} is revoked.")


def stop_requiring(settings: Settings) -> None:
    with _service(settings) as service:
        service.stop_requiring()
    click.echo("Keys are off: a service on loopback lets everybody in.")


@contextmanager
def _service(settings: Settings) -> Iterator[ApiKeyService]:
    with store_url(settings) as url:
        prepare(url, is_ours=settings.redis_url is None)
        yield Wiring(settings, url).key_service


def _scopes(text: str) -> frozenset[Scope]:
    words = [word.strip() for word in text.split(",")]
    known = [scope.value for scope in Scope]
    for word in words:
        if word not in known:
            raise click.BadParameter(f"{word!r} is none of {', '.join(known)}.")
    return frozenset(map(Scope, words))


def _time(text: str, now: datetime) -> datetime:
    """`30d`, `12h`, or a time in ISO 8601, in UTC where it names no zone."""
    number, unit = text[:-1], text[-1:]
    try:
        if unit in _UNITS and number.isascii() and number.isdigit():
            return now + timedelta(**{_UNITS[unit]: int(number)})
        time = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(
            f"{text!r} is no time; give one like 30d, 12h or 2030-01-31."
        ) from error
    return time.replace(tzinfo=time.tzinfo or UTC)


def _document(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "tenant": key.tenant,
        "scopes": _listed(key),
        "name": key.name,
        "created_at": _shown(key.created_at),
        "expires_at": _shown(key.expires_at),
        "revoked_at": _shown(key.revoked_at),
    }


def _columns(key: ApiKey) -> Sequence[str]:
    state = "revoked" if key.revoked_at else "expired" if key.is_over(utc_now()) else ""
    expires = f"until {_shown(key.expires_at)}" if key.expires_at else ""
    name = repr(key.name) if key.name else ""
    scopes = ",".join(_listed(key))
    return [part for part in (key.id, key.tenant, scopes, name, expires, state) if part]


def _listed(key: ApiKey) -> list[str]:
    return [scope.value for scope in Scope if scope in key.scopes]


def _shown(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat(timespec="seconds")
