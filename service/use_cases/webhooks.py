"""Webhooks: telling that a fit ended, until it is heard or given up."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta

from service.domain.fits import Fit
from service.domain.webhooks import Message, Webhook, WebhookState
from service.ports import Clock, WebhookOutbox, WebhookSender

LEASE = timedelta(minutes=1)
"""How long a message is left to whoever took it: longer than any attempt lasts."""


@dataclass(frozen=True, slots=True)
class WebhookDispatcher:
    """Send what is due of one tenant's outbox.

    At least once: whoever dies between the receiver's answer and the note of it
    leaves the message to be sent again, under the same id.
    """

    outbox: WebhookOutbox
    sender: WebhookSender
    present: Callable[[Fit], Mapping[str, object]]
    """A fit as the API shows it, but for the webhook's own progress."""
    clock: Clock
    jitter: Callable[[], float] = random.random

    def take(self, limit: int) -> Sequence[Fit]:
        """Take fits whose webhooks are due; each is to be delivered at once."""
        return self.outbox.take(self.clock(), LEASE, limit)

    def deliver(self, fit: Fit) -> Webhook:
        """Send a message once, and note what came of it."""
        assert fit.webhook is not None  # others are not in the outbox
        message = message_of(fit, self.present(fit))
        attempt = self.sender.send(fit.webhook.url, message)
        webhook, due = fit.webhook.tried(attempt), None
        if webhook.status is WebhookState.PENDING:
            due = self.clock() + webhook.next_delay(attempt, self.jitter())
        self.outbox.settle(fit, webhook, due)
        return webhook


def message_of(fit: Fit, document: Mapping[str, object]) -> Message:
    """The message of a fit's end; made of its record, so it is the same each time."""
    assert fit.finished_at is not None
    ended = fit.finished_at.astimezone(UTC).replace(tzinfo=None)
    content = {
        "type": f"fit.{fit.status}",
        "timestamp": f"{ended.isoformat(timespec='milliseconds')}Z",
        "data": document,
    }
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    # A fit ends once: its id names its only message. It has no dot, as the
    # signature's input demands.
    return Message(f"msg_{fit.id}", body.encode())
