"""The signature, against the reference implementation of Standard Webhooks."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from service.domain.webhooks import Message, format_secret, parse_secrets
from service.webhooks.signing import derived_key, signed_headers, tenant_keys
from tests.receiver import OTHER_SECRET, SECRET
from tests.unit.service.webhooks.conftest import MESSAGE, a_sender

BOTH = parse_secrets(f"{OTHER_SECRET},{SECRET}")


def utc_now():
    return datetime.now(UTC)


def test_a_known_message_has_the_known_signature():
    """The example of the reference libraries' tests."""
    message = Message("msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}')
    now = datetime.fromtimestamp(1614265330, UTC)
    assert signed_headers(message, now, parse_secrets(SECRET)) == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@given(st.text())
def test_the_reference_implementation_verifies_any_body(text):
    message = Message("msg_1", text.encode())
    headers = signed_headers(message, utc_now(), parse_secrets(SECRET))
    Webhook(SECRET).verify(message.body, headers, json_parse=False)


@pytest.mark.parametrize("secret", [SECRET, OTHER_SECRET])
def test_while_secrets_change_each_verifies(receiver, secret):
    a_sender(receiver, utc_now, keys=BOTH).send(receiver.url, MESSAGE)
    (received,) = receiver.received
    document = Webhook(secret).verify(received.body, received.headers)
    assert document == {"type": "fit.succeeded", "data": "é"}


def test_another_body_time_id_or_secret_does_not_verify(receiver):
    a_sender(receiver, utc_now).send(receiver.url, MESSAGE)
    (received,) = receiver.received
    changed = [
        (SECRET, received.body + b" ", {}),
        (SECRET, received.body, {"webhook-id": "msg_f2"}),
        (SECRET, received.body, {"webhook-timestamp": "1"}),
        (OTHER_SECRET, received.body, {}),
    ]
    for secret, body, headers in changed:
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body, received.headers | headers)


def test_derivation_is_that_of_the_rfc():
    """RFC 5869, A.3: no salt, no info; the first block of its output."""
    expected = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
    assert derived_key(b"\x0b" * 22, b"").hex() == expected


def test_each_tenant_has_keys_of_its_own_and_default_the_operators():
    assert tenant_keys(BOTH, "default") == BOTH
    keys = [*BOTH, *tenant_keys(BOTH, "acme"), *tenant_keys(BOTH, "acme-2")]
    assert len(set(keys)) == 6
    assert tenant_keys(BOTH, "acme") == tenant_keys(BOTH, "acme")


def test_a_receiver_of_one_tenant_verifies_that_tenants_messages_only():
    secrets = {
        tenant: format_secret(tenant_keys(BOTH, tenant)[0])
        for tenant in ("default", "acme", "other")
    }
    keys = tenant_keys(BOTH, "acme")
    headers = signed_headers(MESSAGE, utc_now(), keys)
    Webhook(secrets["acme"]).verify(MESSAGE.body, headers)
    # While the operator's secret is changed, receivers may have the old one's.
    Webhook(format_secret(keys[1])).verify(MESSAGE.body, headers)
    for tenant in ("default", "other"):
        with pytest.raises(WebhookVerificationError):
            Webhook(secrets[tenant]).verify(MESSAGE.body, headers)
