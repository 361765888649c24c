from __future__ import annotations

from datetime import UTC, datetime

import pytest

from service.bootstrap import Wiring
from service.commands.exposure import is_open
from service.domain.api_keys import ApiKey
from service.listening import listen
from service.settings import Settings, SettingsError

KEY = ApiKey("a", "acme", frozenset(), "", datetime(2026, 1, 31, tzinfo=UTC))
LOOPBACK = ["127.0.0.1", "localhost", "127.0.0.7", "::1"]
ELSEWHERE = ["0.0.0.0", "::"]


@pytest.fixture
def decide(store_url):
    """Whether a service with these settings needs no key."""

    def decide(host, *, insecure=False, require_keys=False, with_key=False):
        settings = Settings(host=host, redis_url=store_url, require_keys=require_keys)
        wiring = Wiring(settings, store_url)
        try:
            if with_key:
                wiring.api_keys.add(KEY)
            with listen(host, 0) as listener:
                return is_open(wiring, listener, insecure)
        finally:
            wiring.clients.close()

    return decide


@pytest.mark.parametrize("host", LOOPBACK)
def test_on_loopback_no_key_is_needed_before_there_is_one(decide, host):
    assert decide(host)
    assert not decide(host, require_keys=True)


@pytest.mark.parametrize("host", ELSEWHERE)
def test_elsewhere_a_key_is_needed_or_the_word(decide, host):
    with pytest.raises(SettingsError, match="--insecure"):
        decide(host)
    assert decide(host, insecure=True)
    assert not decide(host, require_keys=True)


@pytest.mark.parametrize("host", ELSEWHERE)
@pytest.mark.parametrize("insecure", [False, True])
def test_where_there_is_a_key_the_word_does_not_open(decide, host, insecure):
    assert not decide(host, insecure=insecure, with_key=True)


@pytest.mark.parametrize("host", ELSEWHERE)
def test_the_setting_is_stronger_than_the_word(decide, host):
    assert not decide(host, insecure=True, require_keys=True)
