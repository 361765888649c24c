"""A dataset: a stored table of numbers, described without its rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Dataset:
    """What is known of a stored table; the rows are stored beside it, in blocks."""

    id: str
    name: str | None
    n_samples: int
    n_features: int
    columns: tuple[str, ...] | None
    """Feature names where the upload had them."""
    content_hash: str
    """`sha256:` and the hash of the shape and the little-endian float64 rows."""
    size_bytes: int
    created_at: datetime
