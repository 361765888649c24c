"""One attempt to deliver a webhook; nothing it meets is an exception to the caller."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse

from service.domain.webhook_targets import (
    RefusedTargetError,
    Target,
    TargetRules,
    parse_target,
)
from service.domain.webhooks import LONGEST_DELAY, Attempt, Message
from service.ports import Clock
from service.webhooks.connection import Deadline, PinnedConnection, cut_off
from service.webhooks.guard import Resolve, addresses_of, resolve
from service.webhooks.signing import signed_headers


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """How long an attempt may take, in seconds."""

    connect: float = 5.0
    total: float = 15.0
    """From looking the name up to the last header of the answer."""


@dataclass(frozen=True, slots=True)
class HttpWebhookSender:
    """Implements `service.ports.WebhookSender`."""

    keys: Sequence[bytes] = field(repr=False)
    rules: TargetRules
    clock: Clock
    user_agent: str
    limits: TimeLimits = field(default_factory=TimeLimits)
    resolve: Resolve = resolve
    context: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    def send(self, url: str, message: Message) -> Attempt:
        try:
            # The rules may be others than when the URL was accepted.
            target = parse_target(url, self.rules)
            answer = self._post(target, message)
        except RefusedTargetError as error:
            return Attempt(None, f"The URL {error}")
        except (OSError, HTTPException) as error:
            return Attempt(None, self._explain(error))
        return _judge(answer)

    def _post(self, target: Target, message: Message) -> HTTPResponse:
        deadline = Deadline(self.limits.total)
        addresses = addresses_of(
            target, self.rules.allow_private, self.resolve, deadline.left
        )
        connection = PinnedConnection(
            target, addresses, self.context, deadline, self.limits.connect
        )
        headers = {
            "Host": target.authority,
            "User-Agent": self.user_agent,
            "Content-Type": "application/json",
            "Connection": "close",
        }
        signed = signed_headers(message, self.clock(), self.keys)
        try:
            connection.connect()
            with cut_off(connection, deadline):
                connection.request("POST", target.path, message.body, headers | signed)
                # The status and the headers, which http.client bounds. The body is
                # not read: it says nothing to us, and may have no end.
                with connection.getresponse() as answer:
                    return answer
        finally:
            connection.close()

    def _explain(self, error: OSError | HTTPException) -> str:
        """What the owner of the fit may know: nothing of addresses or answers."""
        if isinstance(error, TimeoutError):
            return f"There was no answer within {self.limits.total:g} seconds."
        if isinstance(error, socket.gaierror):
            return "The host's name is not known."
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"The certificate is not accepted: {error.verify_message}"
        if isinstance(error, ssl.SSLError):
            return "There was no TLS connection."
        if isinstance(error, ConnectionRefusedError):
            return "The connection was refused."
        # First, as RemoteDisconnected is both.
        if isinstance(error, OSError):
            return "The connection failed."
        return "The answer was not HTTP."


def _judge(answer: HTTPResponse) -> Attempt:
    status = answer.status
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Attempt(status)
    error = f"The receiver answered {status}."
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        error = f"The receiver answered {status}; redirects are not followed."
    return Attempt(status, error, _retry_after(answer))


def _retry_after(answer: HTTPResponse) -> timedelta | None:
    value = answer.headers.get("Retry-After", "")
    # Seconds; a date would need their clock to agree with ours.
    if not (value.isascii() and value.isdigit() and len(value) < 8):
        return None
    return min(timedelta(seconds=int(value)), LONGEST_DELAY)
