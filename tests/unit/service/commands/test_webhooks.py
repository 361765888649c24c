"""`gmm webhooks`: whose messages are signed with what."""

from __future__ import annotations

import pytest

from service.bootstrap import Wiring
from service.commands import webhooks
from service.domain.webhooks import parse_secrets
from service.errors import InvalidRequestError
from service.settings import Settings, SettingsError
from service.webhooks.signing import tenant_keys
from tests.receiver import OTHER_SECRET, SECRET


@pytest.mark.parametrize("secrets", [SECRET, f"{SECRET},{OTHER_SECRET}"])
def test_the_secret_shown_is_that_of_the_newest(capsys, secrets):
    webhooks.show_secret(Settings(webhook_secret=secrets), "acme")
    (shown,) = capsys.readouterr().out.split()
    assert parse_secrets(shown) == tenant_keys(parse_secrets(SECRET), "acme")


def test_the_secret_of_default_is_the_operators_and_that_is_told(capsys):
    webhooks.show_secret(Settings(webhook_secret=SECRET), "default")
    told = capsys.readouterr()
    assert told.out == f"{SECRET}\n"
    assert "GMM_WEBHOOK_SECRET itself" in told.err


def test_without_a_secret_there_is_none_to_show():
    with pytest.raises(SettingsError, match="GMM_WEBHOOK_SECRET"):
        webhooks.show_secret(Settings(), "acme")


def test_what_can_be_no_tenant_has_no_secret():
    with pytest.raises(InvalidRequestError, match="tenant"):
        webhooks.show_secret(Settings(webhook_secret=SECRET), "Acme Inc.")


def test_each_tenants_messages_are_signed_with_its_own(store_url):
    settings = Settings(webhook_secret=SECRET, redis_url=store_url)
    wiring = Wiring(settings, store_url)
    wiring.key_service.create("acme", frozenset())
    dispatchers = webhooks.dispatchers(wiring, webhooks.sender_for(settings))
    keys = parse_secrets(SECRET)
    # In the order of the tenants' names.
    assert [dispatcher.sender.keys for dispatcher in dispatchers] == [
        tenant_keys(keys, "acme"),
        keys,
    ]
    wiring.clients.close()
