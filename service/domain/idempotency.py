"""Idempotency keys: what was promised to a request that may be sent again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it was sent, to be sent again."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None
    """None: it was too long to be kept, and is made again."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """What a key stands for, from the first request that came with it."""

    key: str
    fingerprint: str
    """Hash of that request: another request must not come with the same key."""
    new_id: str
    """The id of what the request creates, chosen before anything is created."""
    answer: Answer | None = None
    """None until it was answered."""
