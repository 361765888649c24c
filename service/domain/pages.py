"""Pages of a list: newest first, resumed by an opaque cursor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """At most `limit` items after `cursor` (None: from the newest)."""

    limit: int
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Items, and the cursor of the page after them (None: this was the last)."""

    items: tuple[Item, ...]
    next: str | None
