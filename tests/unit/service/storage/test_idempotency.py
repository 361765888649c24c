"""What only the real store can show of idempotency keys: expiry, bounds, no secrets."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from service.domain.idempotency import Answer, Reservation
from service.storage import idempotency
from service.storage.idempotency import RedisIdempotencyRepository
from service.storage.keys import Keys
from tests.records import NOW, later

KEYS = Keys()


@pytest.fixture
def reservations(store_clients):
    return RedisIdempotencyRepository(store_clients, lambda: NOW, most=10)


def reserve(reservations, *numbers):
    for number in numbers:
        reservations.reserve(Reservation(f"key{number}", "print", f"id{number}"))


def test_a_reservation_and_its_answer_expire_after_a_day(reservations, store_clients):
    mine = Reservation("key", "print", "id1")
    reservations.reserve(mine)
    reservations.hold("key", "me")
    reservations.remember(replace(mine, answer=Answer(201, {}, b"x")), "me")
    (key,) = store_clients.ordinary.scan_iter("gmm:default:idempotency:*")
    assert 86_390 < store_clients.ordinary.ttl(key) <= 86_400


def test_a_hold_ends_by_itself_soon(reservations, store_clients, monkeypatch):
    monkeypatch.setattr(idempotency, "HOLD", timedelta(milliseconds=20))
    reservations.hold("key", "dead")
    (key,) = store_clients.ordinary.scan_iter("gmm:*:idempotency-hold:*")
    assert 0 < store_clients.ordinary.pttl(key) <= 20


def test_the_oldest_of_too_many_keys_are_forgotten(reservations, store_clients):
    times = iter(later(number) for number in range(1000))
    reservations = RedisIdempotencyRepository(
        store_clients, lambda: next(times), most=10
    )
    reserve(reservations, *range(25))
    assert len(list(store_clients.ordinary.scan_iter("gmm:*:idempotency:*"))) == 10
    assert store_clients.ordinary.zcard(KEYS.idempotency_keys) == 10
    kept = reservations.reserve(Reservation("key24", "another", "another"))
    assert kept.new_id == "id24"


def test_the_list_of_keys_does_not_keep_expired_ones(store_clients):
    times = iter(later(3600 * number) for number in range(1000))
    reservations = RedisIdempotencyRepository(store_clients, lambda: next(times))
    reserve(reservations, *range(100))
    assert store_clients.ordinary.zcard(KEYS.idempotency_keys) <= 24


def test_a_key_is_not_stored_in_the_clear(reservations, store_clients):
    reserve(reservations, 1)
    for key in store_clients.ordinary.scan_iter("gmm:*:idempotency:*"):
        assert b"key1" not in key + store_clients.ordinary.get(key)


def test_tenants_have_their_own_keys(store_clients):
    for tenant in ("acme", "other"):
        reservations = RedisIdempotencyRepository(store_clients, lambda: NOW, tenant)
        mine = Reservation("key", tenant, tenant)
        assert reservations.reserve(mine) == mine
