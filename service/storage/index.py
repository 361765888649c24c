"""Lists, newest first, in pages.

A list is a sorted set of equal scores, so that its members stand in the order of their
bytes: `<time of creation, microseconds, 20 digits>:<id>`. That order is total, so a
page that begins after a member is the same whatever is added meanwhile, for records
of the same microsecond as well. A cursor is such a member in base64.

An expired record leaves its member behind. A page drops those it meets, and each
addition looks at a few at random, as Redis does with expired keys: so a list that
nobody reads does not grow for ever either.
"""

from __future__ import annotations

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from service.domain.pages import Page, PageRequest
from service.errors import InvalidRequestError, Place
from service.storage.store import Command, Store

Item = TypeVar("Item")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MEMBER = re.compile(r"\d{20}:.+", re.DOTALL)
_SWEEP = 10


class Index:
    """The list at `key` of records whose heads are at `head_key(id)`."""

    def __init__(self, store: Store, key: str, head_key: Callable[[str], str]) -> None:
        self._store = store
        self._key = key
        self._head_key = head_key

    def add(self, record_id: str, created_at: datetime) -> Command:
        return ("ZADD", self._key, 0, _member(record_id, created_at))

    def remove(self, record_id: str, created_at: datetime) -> Command:
        return ("ZREM", self._key, _member(record_id, created_at))

    def page(self, request: PageRequest, decode: Callable[[bytes], Item]) -> Page[Item]:
        below = None if request.cursor is None else decode_cursor(request.cursor)
        found: list[tuple[str, bytes]] = []
        # One more than asked for, to know whether there is a page after this one.
        while (missing := request.limit + 1 - len(found)) > 0:
            members = self._store.newest(self._key, below, missing)
            found += self._alive(members)
            if len(members) < missing:
                break
            below = members[-1]
        has_more = len(found) > request.limit
        found = found[: request.limit]
        return Page(
            items=tuple(decode(head) for _, head in found),
            next=encode_cursor(found[-1][0]) if has_more else None,
        )

    def sweep(self) -> None:
        """Drop the expired among a few members."""
        self._alive(self._store.random_members(self._key, _SWEEP))

    def _alive(self, members: list[str]) -> list[tuple[str, bytes]]:
        """The members with their heads; those without one leave the list."""
        heads = self._store.get_all([self._head_key(_id(member)) for member in members])
        expired = [
            member for member, head in zip(members, heads, strict=True) if head is None
        ]
        if expired:
            # No race with an addition: ids are never used again.
            self._store.run([("ZREM", self._key, *expired)])
        return [
            (member, head)
            for member, head in zip(members, heads, strict=True)
            if head is not None
        ]


def encode_cursor(member: str) -> str:
    return urlsafe_b64encode(member.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> str:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        member = urlsafe_b64decode(padded).decode()
    except (UnicodeError, binascii.Error):
        member = ""
    if not _MEMBER.fullmatch(member):
        detail = "Expected the cursor that the page before gave as `next`."
        raise InvalidRequestError(detail, [Place(detail, pointer="?cursor")])
    return member


def _member(record_id: str, created_at: datetime) -> str:
    return f"{(created_at - _EPOCH) // timedelta(microseconds=1):020d}:{record_id}"


def _id(member: str) -> str:
    return member.partition(":")[2]
