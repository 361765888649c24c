"""The process that delivers webhooks: many attempts at once, until told to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from threading import Event, Thread
from urllib.parse import urlsplit

import structlog

from service.domain.fits import Fit
from service.domain.webhooks import Webhook, WebhookState
from service.errors import ServiceError
from service.use_cases.webhooks import WebhookDispatcher

_POLL_SECONDS = 0.5
_BUSY_SECONDS = 0.05
"""Between looks while there is something to send."""
_STORE_AWAY_SECONDS = 2.0
_GRACE_SECONDS = 5.0
"""For attempts under way when told to stop; the others' leases end soon."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class DeliveryLoop:
    """Takes what is due of all tenants and delivers each in a thread of its own."""

    dispatchers: Callable[[], Iterable[WebhookDispatcher]]
    stopping: Event
    n_threads: int = 32
    """One slow receiver holds one of them for 15 seconds."""
    _threads: list[Thread] = field(default_factory=list)

    def run(self) -> None:
        log.info("webhooks are sent")
        while not self.stopping.is_set():
            self.stopping.wait(self._turn())
        deadline = time.monotonic() + _GRACE_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _turn(self) -> float:
        """Start all deliveries that are due; return how long to wait then."""
        n_taken = 0
        try:
            for thread in self._deliveries():
                thread.start()
                self._threads.append(thread)
                n_taken += 1
        except ServiceError as error:
            log.warning("no webhooks taken", error=error.detail)
            return _STORE_AWAY_SECONDS
        return _BUSY_SECONDS if n_taken else _POLL_SECONDS

    def _deliveries(self) -> Iterator[Thread]:
        for dispatcher in self.dispatchers():
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            if (n_free := self.n_threads - len(self._threads)) == 0:
                return
            for fit in dispatcher.take(n_free):
                # Daemons: a stop does not wait for them longer than it wants to.
                yield Thread(target=_deliver, args=(dispatcher, fit), daemon=True)


def _deliver(dispatcher: WebhookDispatcher, fit: Fit) -> None:
    try:
        _log(fit, dispatcher.deliver(fit))
    except ServiceError as error:
        # Its lease ends, and it is sent again.
        log.warning("webhook not noted", fit_id=fit.id, error=error.detail)
    except Exception:
        log.exception("webhook not sent", fit_id=fit.id)


def _log(fit: Fit, webhook: Webhook) -> None:
    # Of the URL only the host: the rest may hold a token.
    told = log.bind(
        fit_id=fit.id, host=urlsplit(webhook.url).hostname, attempts=webhook.attempts
    )
    if webhook.status is WebhookState.DELIVERED:
        told.info("webhook delivered")
    elif webhook.status is WebhookState.FAILED:
        told.error("webhook given up", error=webhook.last_error)
    else:
        told.warning("webhook failed; it is tried again", error=webhook.last_error)
