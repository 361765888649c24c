"""What the API allows: every bound on a request, in one immutable value."""

from __future__ import annotations

from dataclasses import dataclass, field

from service.domain.webhook_targets import TargetRules
from service.tables import TableLimits

_MEBIBYTE = 2**20


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """Bounds on what one request may ask for."""

    max_body_bytes: int = 256 * _MEBIBYTE
    """Bytes of a body as sent, that is, compressed."""
    max_inflated_bytes: int = 1024 * _MEBIBYTE
    """Bytes of a body once its Content-Encoding is undone."""
    max_json_bytes: int = 64 * _MEBIBYTE
    """Bytes of a JSON body; it takes ten times that in memory."""
    max_bodies_bytes: int = 2048 * _MEBIBYTE
    """Bytes of all bodies that are read or answered at a time, JSON counted tenfold."""
    max_drained_bytes: int = 64 * _MEBIBYTE
    """What is read of a refused body, so that the client gets to read the answer."""
    max_drain_seconds: float = 10.0
    table_limits: TableLimits = field(default_factory=TableLimits)
    max_components: int = 1_000
    max_iterations: int = 100_000
    max_starts: int = 1_000
    max_samples: int = 1_000_000
    """Rows that one request to sample may draw."""
    max_page_items: int = 200
    max_wait_seconds: float = 60.0
    """How long one request may wait for a fit."""
    max_waiting: int = 32
    """Requests that wait at a time; one more is answered at once."""
    max_event_streams: int = 64
    heartbeat_seconds: float = 5.0
    """Longest silence on an event stream; also how fast streams end on shutdown."""
    webhook_rules: TargetRules | None = None
    """Where webhooks may go; None: there are none."""
    max_renderings: int = 2
    """Pictures drawn at a time."""
    max_rendering_wait_seconds: float = 10.0
    """How long a request waits for its turn to draw."""
