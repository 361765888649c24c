"""A fit and its events as they are stored."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import datetime
from typing import Any

import orjson

from service.domain.fits import (
    Failure,
    Fit,
    FitEvent,
    FitEventKind,
    FitRequest,
    FitState,
    Progress,
)
from service.domain.webhooks import Webhook, WebhookState
from service.errors import InvalidRequestError, Place
from service.storage.codec import decode_head
from service.storage.records import decode_record, encode_record, fields_of

_EVENT_ID = re.compile(r"(\d{1,19})(-\d{1,19})?", re.ASCII)


def encode_fit(fit: Fit) -> bytes:
    fields = asdict(fit)
    del fields["queue_position"]
    return encode_record(fields)


def decode_fit(record: bytes) -> Fit:
    with fields_of("fit"):
        fields = decode_record(record)
        progress, error = fields["progress"], fields["error"]
        return Fit(
            **fields
            | {
                "request": FitRequest(**fields["request"]),
                "status": FitState(fields["status"]),
                "progress": None if progress is None else Progress(**progress),
                "error": None if error is None else Failure(**error),
                # Fits of older versions have none.
                "webhook": _webhook(fields.get("webhook")),
                "created_at": datetime.fromisoformat(fields["created_at"]),
                "started_at": _time(fields["started_at"]),
                "finished_at": _time(fields["finished_at"]),
            }
        )


def encode_event(
    kind: FitEventKind, payload: dict[str, object]
) -> tuple[bytes, bytes, bytes, bytes]:
    """Fields and values of a stream's entry."""
    document = orjson.dumps(payload, option=orjson.OPT_SERIALIZE_NUMPY)
    return b"kind", kind.encode(), b"payload", document


def decode_event(entry_id: str, fields: dict[bytes, bytes]) -> FitEvent:
    with fields_of("fit's event"):
        kind = FitEventKind(fields[b"kind"].decode())
        return FitEvent(entry_id, kind, decode_head(fields[b"payload"]))


def require_event_id(event_id: str) -> None:
    if not _EVENT_ID.fullmatch(event_id):
        detail = f"Expected the id of an event, or 0 for the first, got {event_id!r}."
        raise InvalidRequestError(detail, [Place(detail, pointer="?after")])


def _webhook(fields: dict[str, Any] | None) -> Webhook | None:
    if fields is None:
        return None
    return Webhook(**fields | {"status": WebhookState(fields["status"])})


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
