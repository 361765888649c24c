"""Requests that create, sent again: the same thing is created once.

`docs/decisions/` says why a crash at any moment leaves one thing and not two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from service.domain.idempotency import Answer, Reservation
from service.errors import (
    IdempotencyKeyReusedError,
    NotFoundError,
    RequestInProgressError,
    ResultGoneError,
)
from service.ports import IdempotencyRepository

_MAX_ANSWER_BYTES = 8192


@dataclass(frozen=True, slots=True)
class IdempotencyService:
    """Answer a request once, however often it is sent."""

    reservations: IdempotencyRepository
    new_id: Callable[[], str]

    def once(
        self,
        key: str,
        fingerprint: str,
        create: Callable[[str], Answer],
        find: Callable[[Answer], object],
    ) -> tuple[Answer, bool]:
        """Return the answer to a request, and whether it was given before.

        `create` makes the thing of the id it is given, or finds it. Its errors are
        not remembered: the same request may be sent again, and is tried again.
        `find` looks for what an answer speaks of; once that is gone, a NotFoundError,
        the answer is not given again, and ResultGoneError is raised.
        """
        mine = Reservation(key, fingerprint, self.new_id())
        reserved = self.reservations.reserve(mine)
        if reserved.fingerprint != fingerprint:
            raise IdempotencyKeyReusedError
        if (kept := _kept(reserved, find)) is not None:
            return kept, True
        holder = self.new_id()
        if not self.reservations.hold(key, holder):
            raise RequestInProgressError
        try:
            # Again: between the two steps another request may have been answered.
            reserved = self.reservations.reserve(mine)
            if (kept := _kept(reserved, find)) is not None:
                return kept, True
            answer = create(reserved.new_id)
            if reserved.answer is None:
                answered = replace(reserved, answer=_bounded(answer))
                self.reservations.remember(answered, holder)
            return answer, reserved.answer is not None
        finally:
            self.reservations.release(key, holder)


def _kept(reserved: Reservation, find: Callable[[Answer], object]) -> Answer | None:
    answer = reserved.answer
    if answer is None:
        return None
    try:
        find(answer)
    except NotFoundError as error:
        raise ResultGoneError from error
    return None if answer.body is None else answer


def _bounded(answer: Answer) -> Answer:
    if answer.body is None or len(answer.body) <= _MAX_ANSWER_BYTES:
        return answer
    return replace(answer, body=None)
