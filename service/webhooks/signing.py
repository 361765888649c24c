"""Signatures of Standard Webhooks 1.0.0, symmetric: HMAC-SHA256 in base64."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime

from service.domain.api_keys import DEFAULT_TENANT
from service.domain.webhooks import Message

_INFO = b"gmm-service webhooks v1: "


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


def tenant_keys(keys: Sequence[bytes], tenant: str) -> tuple[bytes, ...]:
    """The keys that sign for a tenant, one from each of the operator's.

    Those of the default tenant are the operator's own, which make all others; from
    another's nothing follows.
    """
    if tenant == DEFAULT_TENANT:
        return tuple(keys)
    return tuple(derived_key(key, _INFO + tenant.encode()) for key in keys)


def derived_key(key: bytes, info: bytes) -> bytes:
    """HKDF-SHA256 without salt, of one block: 32 bytes (RFC 5869, 2.2 and 2.3)."""
    extracted = hmac.digest(bytes(hashlib.sha256().digest_size), key, hashlib.sha256)
    return hmac.digest(extracted, info + b"\x01", hashlib.sha256)


def _mac(key: bytes, content: bytes) -> str:
    return base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
