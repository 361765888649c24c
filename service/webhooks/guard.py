"""Which addresses a host stands for, and whether a webhook may go there."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from queue import Empty, SimpleQueue

from service.domain.webhook_targets import (
    IPAddress,
    RefusedTargetError,
    Target,
    is_public,
)

Resolve = Callable[[str, int, float], Sequence[str]]
"""From a host, a port and a time limit in seconds to addresses; OSError."""


def addresses_of(
    target: Target, allow_private: bool, resolve: Resolve, timeout_seconds: float
) -> list[IPAddress]:
    """Look a host up, once; the connection goes to what is returned, and checked.

    One address that is not public refuses them all: a name that stands for both kinds
    is either a mistake or a trick.
    """
    found = resolve(target.host, target.port, timeout_seconds)
    addresses = [ip_address(address) for address in dict.fromkeys(found)]
    if not allow_private and not all(map(is_public, addresses)):
        raise RefusedTargetError("has a host whose address is not public.")
    return addresses


def resolve(host: str, port: int, timeout_seconds: float) -> Sequence[str]:
    """Ask the system's resolver, which knows no time limit of ours."""
    answers: SimpleQueue[Sequence[str] | OSError] = SimpleQueue()

    def ask() -> None:
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put([str(info[4][0]) for info in infos])
        except OSError as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=timeout_seconds)
    except Empty:
        raise TimeoutError from None
    if isinstance(answer, OSError):
        raise answer
    return answer
