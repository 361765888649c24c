"""Signatures of Standard Webhooks 1.0.0, symmetric: HMAC-SHA256 in base64."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime

from service.domain.webhooks import Message


def signed_headers(
    message: Message, now: datetime, keys: Sequence[bytes]
) -> dict[str, str]:
    """The headers by which a receiver that has one of the keys knows the message."""
    timestamp = str(int(now.timestamp()))
    content = b".".join([message.id.encode(), timestamp.encode(), message.body])
    return {
        "webhook-id": message.id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{_mac(key, content)}" for key in keys),
    }


def _mac(key: bytes, content: bytes) -> str:
    return base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
