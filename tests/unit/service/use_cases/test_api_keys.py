from __future__ import annotations

import hmac
from collections import Counter
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from service.bootstrap import random_letters
from service.domain import api_keys
from service.domain.api_keys import ANYBODY, Client, Scope, hash_of, id_of
from service.errors import InvalidRequestError, NotAuthenticatedError
from service.use_cases.api_keys import OFF_SECONDS, ApiKeyService, Gatekeeper
from tests.fakes import InMemoryApiKeyRepository


class Clock:
    def __init__(self):
        self.now = datetime(2026, 1, 31, 12, tzinfo=UTC)

    def __call__(self):
        return self.now

    def monotonic(self):
        return self.now.timestamp()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def keys():
    return InMemoryApiKeyRepository()


@pytest.fixture
def service(keys, clock):
    return ApiKeyService(keys, random_letters, clock)


@pytest.fixture
def gatekeeper(keys, clock):
    return Gatekeeper(keys, clock, is_open=True, monotonic=clock.monotonic)


def refusal(gatekeeper, key) -> str:
    with pytest.raises(NotAuthenticatedError) as refused:
        gatekeeper.admit(key)
    return refused.value.detail


READ = frozenset({Scope.READ})


def test_a_key_has_256_random_bits_and_names_itself(service):
    record, key = service.create("acme", READ)
    prefix, key_id, secret = key.split("_")
    assert prefix == "gmm"
    assert key_id == record.id == id_of(key)
    assert len(secret) * 5 >= 256
    assert key not in repr(record)
    assert secret not in repr(record)


def test_no_two_keys_are_alike_and_no_letter_is_preferred(service):
    made = [service.create("acme", READ)[1] for _ in range(300)]
    assert len(set(made)) == len(made)
    letters = Counter("".join(key.split("_")[2] for key in made))
    assert len(letters) == 32
    # 487.5 expected of each, with a deviation of 21.7.
    assert 350 < min(letters.values()) <= max(letters.values()) < 650


def test_a_key_opens_its_own_tenant_with_its_scopes(service, gatekeeper):
    record, key = service.create("acme", READ)
    assert gatekeeper.admit(key) == Client("acme", READ, record.id)


def test_admin_may_everything_and_others_only_what_they_say():
    assert all(ANYBODY.may(scope) for scope in Scope)
    reader = Client("acme", READ)
    assert [scope for scope in Scope if reader.may(scope)] == [Scope.READ]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda key: key[:-1],
        lambda key: key + "a",
        lambda key: key[:-1] + ("a" if key[-1] != "a" else "b"),
        lambda key: key.upper(),
        lambda key: key[:21],
        lambda key: f" {key}",
        lambda key: f"{key}\n",
        lambda key: key.replace("gmm_", "gmm-"),
        lambda key: "",
        lambda key: "gmm_" + "a" * 16 + "_" + "a" * 52,
        lambda key: "*",
    ],
)
def test_a_spoiled_key_is_refused(service, gatekeeper, spoil):
    _, key = service.create("acme", READ)
    detail = refusal(gatekeeper, spoil(key))
    assert key[21:] not in detail
    assert "none of this service" in detail


def test_an_expired_key_is_refused_from_that_moment_on(service, gatekeeper, clock):
    expires_at = clock.now + timedelta(hours=1)
    _, key = service.create("acme", READ, expires_at=expires_at)
    clock.now = expires_at - timedelta(microseconds=1)
    gatekeeper.admit(key)
    clock.now = expires_at
    assert "expired" in refusal(gatekeeper, key)


def test_a_revoked_key_is_refused_at_once(service, gatekeeper):
    record, key = service.create("acme", READ)
    gatekeeper.admit(key)
    service.revoke(record.id)
    assert "revoked" in refusal(gatekeeper, key)


def test_who_only_knows_the_id_is_not_told_that_the_key_was_revoked(
    service, gatekeeper
):
    record, key = service.create("acme", READ)
    service.revoke(record.id)
    assert "revoked" not in refusal(gatekeeper, key[:-52] + "a" * 52)


def test_hashes_are_compared_in_constant_time(service, gatekeeper, monkeypatch):
    compared = []

    def compare(expected, offered):
        compared.append((expected, offered))
        return hmac.compare_digest(expected, offered)

    record, key = service.create("acme", READ)
    monkeypatch.setattr(api_keys, "hmac", SimpleNamespace(compare_digest=compare))
    gatekeeper.admit(key)
    assert compared == [(record.key_hash, hash_of(key))]


def test_before_the_first_key_nobody_needs_one(gatekeeper):
    assert gatekeeper.admit(None) == ANYBODY


def test_a_service_that_others_reach_needs_keys_even_before_the_first(keys, clock):
    assert "gmm keys create" in refusal(Gatekeeper(keys, clock, is_open=False), None)


def test_the_first_key_closes_the_service_within_a_second(service, gatekeeper, clock):
    gatekeeper.admit(None)
    service.create("acme", READ)
    clock.now += timedelta(seconds=OFF_SECONDS)
    assert "Bearer" in refusal(gatekeeper, None)


def test_revoking_the_last_key_does_not_open_the_service(service, gatekeeper):
    record, _ = service.create("acme", READ)
    service.revoke(record.id)
    refusal(gatekeeper, None)


def test_switching_keys_off_opens_only_what_may_be_open(service, keys, clock):
    service.create("acme", READ)
    service.stop_requiring()
    assert Gatekeeper(keys, clock, is_open=True).admit(None) == ANYBODY
    refusal(Gatekeeper(keys, clock, is_open=False), None)


def test_a_bad_key_is_refused_even_where_none_is_needed(gatekeeper):
    refusal(gatekeeper, "gmm_nonsense")


def test_without_keys_the_store_is_asked_once_a_second(gatekeeper, keys):
    for _ in range(100):
        gatekeeper.admit(None)
    assert keys.asked == 1


def test_what_has_not_even_the_form_of_a_key_does_not_reach_the_store(gatekeeper, keys):
    refusal(gatekeeper, "gmm:_:schema-version")
    assert keys.asked == 0


@pytest.mark.parametrize("tenant", ["", "_", "A", "a:b", "-a", "a" * 64, "a\n", "*"])
def test_a_tenant_that_could_be_mistaken_is_refused(service, keys, tenant):
    with pytest.raises(InvalidRequestError, match="lower-case"):
        service.create(tenant, READ)
    assert not keys.are_required()


def test_a_key_that_has_expired_is_not_made(service, clock):
    with pytest.raises(InvalidRequestError, match="later"):
        service.create("acme", READ, expires_at=clock.now)
