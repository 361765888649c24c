"""How many fits and workers there are, of all tenants together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from service.domain.fits import FitState


@dataclass(frozen=True, slots=True)
class Census:
    """Numbers of one moment."""

    n_queued: int
    n_running: int
    n_ended: Mapping[FitState, int]
    """How many fits ever ended in each final state; a new store begins at 0."""
    n_workers: int
    """Those heard of within the last seconds."""
