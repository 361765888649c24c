"""Receivers, and senders that may reach them."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trustme

from service.domain.webhook_targets import TargetRules
from service.domain.webhooks import Message, parse_secrets
from service.webhooks.sender import HttpWebhookSender, TimeLimits
from tests.receiver import SECRET, Receiver, receiving
from tests.records import NOW

MESSAGE = Message("msg_f1", '{"type":"fit.succeeded","data":"é"}'.encode())
SHORT = TimeLimits(connect=0.2, total=0.4)


class Names:
    """A resolver whose answers a test chooses; the last is given for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, host: str, _port: int, _timeout: float) -> list[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure_receiver(authority: trustme.CA) -> Iterator[Receiver]:
    """Has a certificate for hooks.example, and for no address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("hooks.example").configure_cert(context)
    with receiving(context) as receiver:
        yield receiver


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def a_sender(
    receiver: Receiver, clock: Callable[[], Any] = lambda: NOW, **fields: Any
) -> HttpWebhookSender:
    """A sender that may go to the receiver, unless told otherwise."""
    rules = TargetRules((receiver.port,), allow_http=True, allow_private=True)
    return HttpWebhookSender(
        **{
            "keys": parse_secrets(SECRET),
            "rules": rules,
            "clock": clock,
            "user_agent": "gmm-service/0",
        }
        | fields
    )
