"""`gmm webhooks`: the process that delivers webhooks."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from importlib.metadata import version

from service import processes
from service.api.schemas.fits import FitSchema
from service.bootstrap import Wiring, utc_now
from service.commands.stores import store_url
from service.domain.webhooks import parse_secrets
from service.settings import Settings, SettingsError
from service.use_cases.webhooks import WebhookDispatcher
from service.webhooks.loop import DeliveryLoop
from service.webhooks.sender import HttpWebhookSender


def run(settings: Settings) -> None:
    """Deliver until told to stop."""
    if settings.webhook_secret is None:
        raise SettingsError("GMM_WEBHOOK_SECRET is not set: there are no webhooks.")
    sender = HttpWebhookSender(
        parse_secrets(settings.webhook_secret),
        settings.target_rules,
        utc_now,
        user_agent=f"gmm-service/{version('gmm-service')}",
    )
    with store_url(settings) as url:
        wiring = Wiring(settings, url)
        wiring.check()
        for number in processes.stop_signals():
            signal.signal(number, lambda *_: wiring.stopping.set())
        DeliveryLoop(lambda: _dispatchers(wiring, sender), wiring.stopping).run()


def _dispatchers(
    wiring: Wiring, sender: HttpWebhookSender
) -> Iterator[WebhookDispatcher]:
    # The message shows the fit as it ended: how far the telling is changes with it.
    schema = FitSchema(exclude=("webhook",))
    for tenant in wiring.tenants():
        outbox = wiring.outbox_for(tenant)
        yield WebhookDispatcher(outbox, sender, schema.dump, utc_now)
