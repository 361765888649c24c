"""Webhooks: whom to tell that a fit ended, what is told, and when it is tried again.

The form of messages and signatures, and the times of retries, are those of Standard
Webhooks 1.0.0 (https://www.standardwebhooks.com).
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

RETRY_DELAYS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""After each failed attempt; after one more the webhook is given up."""
JITTER = 0.2
"""Up to this part of a delay is added, so that many do not come back at once."""
LONGEST_DELAY = timedelta(days=1)
"""No receiver can ask for a longer one."""

_SECRET_PREFIX = "whsec_"
_GONE = 410


class WebhookState(StrEnum):
    """How far a webhook has come; the last two are final."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of sending a message once."""

    status: int | None
    """Of the receiver's answer; None where there was none."""
    error: str | None = None
    """Why it failed, without anything that the receiver said; None: it did not."""
    retry_after: timedelta | None = None
    """What the receiver asked for."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where the end of a fit is told, and what became of it."""

    url: str
    status: WebhookState = WebhookState.PENDING
    attempts: int = 0
    last_error: str | None = None
    """None once it is delivered, and before the first attempt."""

    def tried(self, attempt: Attempt) -> Webhook:
        attempts = self.attempts + 1
        if attempt.error is None:
            status = WebhookState.DELIVERED
        elif attempt.status == _GONE or attempts > len(RETRY_DELAYS):
            status = WebhookState.FAILED
        else:
            status = WebhookState.PENDING
        return replace(self, status=status, attempts=attempts, last_error=attempt.error)

    def next_delay(self, attempt: Attempt, jitter: float) -> timedelta:
        """How long to wait after the last attempt; `jitter` is from 0 to 1."""
        delay = RETRY_DELAYS[self.attempts - 1] * (1 + JITTER * jitter)
        asked = attempt.retry_after or timedelta(0)
        return max(delay, min(asked, LONGEST_DELAY))


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: the same bytes under the same id at every attempt."""

    id: str
    body: bytes


def parse_secrets(text: str) -> tuple[bytes, ...]:
    """The keys in a list of `whsec_…` secrets, separated by commas.

    Raises ValueError, which says nothing of the secrets.
    """
    return tuple(_parse_secret(secret.strip()) for secret in text.split(","))


def format_secret(key: bytes) -> str:
    """A key as `parse_secrets` reads it, and receivers' libraries do."""
    return _SECRET_PREFIX + base64.b64encode(key).decode()


def _parse_secret(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(_SECRET_PREFIX) or not 24 <= len(key) <= 64:
        raise ValueError(
            "Expected whsec_ and 24 to 64 random bytes in base64; several are "
            "separated by commas."
        )
    return key
