from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from service.domain.api_keys import ApiKey, Scope, hash_of
from service.errors import ApiKeyNotFoundError
from service.storage.api_keys import RedisApiKeyRepository
from service.storage.connection import StoreClients
from service.storage.keys import api_key
from service.storage.rate_limits import RedisRequestCounts
from tests.conftest import emptied
from tests.fakes import InMemoryApiKeyRepository, InMemoryRequestCounts

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture(params=["memory", "valkey", "redis"])
def adapters(request):
    """The keys and the counts of one store."""
    if request.param == "memory":
        yield InMemoryApiKeyRepository(), InMemoryRequestCounts()
        return
    url = emptied(request.getfixturevalue(f"{request.param}_store_url"))
    clients = StoreClients(url)
    yield RedisApiKeyRepository(clients), RedisRequestCounts(clients)
    clients.close()


@pytest.fixture
def keys(adapters):
    return adapters[0]


@pytest.fixture
def counts(adapters):
    return adapters[1]


def key(key_id="a", tenant="acme", **fields) -> ApiKey:
    scopes = frozenset({Scope.READ, Scope.FIT})
    return ApiKey(key_id, tenant, scopes, hash_of(key_id), NOW, **fields)


def test_a_stored_key_comes_back_equal(keys):
    stored = key(name="für mich", expires_at=NOW + timedelta(days=1))
    keys.add(stored)
    assert keys.find("a") == stored


def test_an_unknown_key_is_none(keys):
    assert keys.find("nowhere") is None


def test_the_list_begins_with_the_oldest(keys):
    newer = ApiKey("a", "acme", frozenset(), "", NOW + timedelta(seconds=1))
    keys.add(newer)
    keys.add(key("b"))
    assert [found.id for found in keys.list()] == ["b", "a"]


def test_a_revoked_key_stays_in_the_list_with_the_time_of_its_revocation(keys):
    keys.add(key())
    later = NOW + timedelta(hours=1)
    assert keys.revoke("a", later).revoked_at == later
    assert keys.find("a").revoked_at == later
    assert keys.revoke("a", later + timedelta(hours=1)).revoked_at == later
    assert keys.list() == [keys.find("a")]


def test_a_key_that_is_not_there_cannot_be_revoked(keys):
    with pytest.raises(ApiKeyNotFoundError, match="gmm keys list"):
        keys.revoke("nowhere", NOW)


def test_keys_are_required_from_the_first_on_even_when_all_are_revoked(keys):
    assert not keys.are_required()
    keys.add(key())
    assert keys.are_required()
    keys.revoke("a", NOW)
    assert keys.are_required()
    keys.stop_requiring()
    assert not keys.are_required()
    assert keys.find("a") is not None


def test_a_tenant_is_known_from_its_first_key_on_and_for_ever(keys):
    assert list(keys.tenants()) == []
    keys.add(key("a", "acme"))
    keys.add(key("b", "acme"))
    keys.add(key("c", "zeta"))
    keys.revoke("c", NOW)
    assert list(keys.tenants()) == ["acme", "zeta"]


def test_a_revoked_key_is_forgotten_in_the_end(store_clients):
    keys = RedisApiKeyRepository(store_clients)
    keys.add(key())
    keys.revoke("a", NOW)
    client = store_clients.ordinary
    assert 29 < client.ttl(api_key("a")) / 86400 <= 30
    client.delete(api_key("a"))
    assert keys.list() == []
    assert client.keys("gmm:_:api-key*") == []


def test_the_store_has_no_key_only_its_hash(store_clients):
    RedisApiKeyRepository(store_clients).add(key("a"))
    stored = store_clients.ordinary.get(api_key("a"))
    assert hash_of("a").encode() in stored
    assert len(hash_of("a")) == 64


def test_requests_are_counted_for_each_client(counts):
    assert counts.add("a", 3, 60)[0] == 3
    assert counts.add("b", 1, 60)[0] == 1
    counted, seconds = counts.add("a", 2, 60)
    assert counted == 5
    assert 50 < seconds <= 60


def test_a_count_is_forgotten_when_its_time_is_over(store_clients):
    counts = RedisRequestCounts(store_clients)
    counts.add("somebody", 3, 60)
    (stored,) = store_clients.ordinary.keys("*")
    assert b"somebody" not in stored
    assert 0 < store_clients.ordinary.ttl(stored) <= 60
    store_clients.ordinary.delete(stored)
    assert counts.add("somebody", 1, 60)[0] == 1
