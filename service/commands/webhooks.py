"""`gmm webhooks`: the process that delivers webhooks, and whose secret is whose."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version

import click

from service import processes
from service.api.schemas.fits import FitSchema
from service.bootstrap import Wiring, utc_now
from service.commands.stores import store_url
from service.domain.api_keys import DEFAULT_TENANT
from service.domain.webhooks import format_secret, parse_secrets
from service.settings import Settings, SettingsError
from service.use_cases.api_keys import require_tenant
from service.use_cases.webhooks import WebhookDispatcher
from service.webhooks.loop import DeliveryLoop
from service.webhooks.sender import HttpWebhookSender
from service.webhooks.signing import tenant_keys


def run(settings: Settings) -> None:
    """Deliver until told to stop."""
    sender = sender_for(settings)
    with store_url(settings) as url:
        wiring = Wiring(settings, url)
        wiring.check()
        for number in processes.stop_signals():
            signal.signal(number, lambda *_: wiring.stopping.set())
        DeliveryLoop(lambda: dispatchers(wiring, sender), wiring.stopping).run()


def show_secret(settings: Settings, tenant: str) -> None:
    """Print what a tenant's receivers verify with, alone on stdout."""
    require_tenant(tenant)
    click.echo(format_secret(tenant_keys(_keys(settings), tenant)[0]))
    if tenant == DEFAULT_TENANT:
        click.echo(
            "It is GMM_WEBHOOK_SECRET itself, which makes the secrets of all tenants.",
            err=True,
        )


def _keys(settings: Settings) -> tuple[bytes, ...]:
    if settings.webhook_secret is None:
        raise SettingsError("GMM_WEBHOOK_SECRET is not set: there are no webhooks.")
    return parse_secrets(settings.webhook_secret)


def sender_for(settings: Settings) -> HttpWebhookSender:
    """One that signs with the operator's keys."""
    return HttpWebhookSender(
        _keys(settings),
        settings.target_rules,
        utc_now,
        user_agent=f"gmm-service/{version('gmm-service')}",
    )


def dispatchers(
    wiring: Wiring, sender: HttpWebhookSender
) -> Iterator[WebhookDispatcher]:
    """One for each tenant, which signs with the tenant's keys."""
    # The message shows the fit as it ended: how far the telling is changes with it.
    schema = FitSchema(exclude=("webhook",))
    for tenant in wiring.tenants():
        outbox = wiring.outbox_for(tenant)
        own = replace(sender, keys=tenant_keys(sender.keys, tenant))
        yield WebhookDispatcher(outbox, own, schema.dump, utc_now)
