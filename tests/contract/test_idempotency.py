"""Reservations of idempotency keys: the fake and the real ones."""

from __future__ import annotations

from dataclasses import replace

import pytest

from service.domain.idempotency import Answer, Reservation
from service.storage.connection import StoreClients
from service.storage.idempotency import RedisIdempotencyRepository
from tests.conftest import emptied
from tests.fakes import InMemoryIdempotencyRepository
from tests.records import NOW

MINE = Reservation("key", "fingerprint", "id1")
ANSWER = Answer(201, {"Location": "/v1/datasets/id1"}, b'{"id": "\xc3\xa9"}')


@pytest.fixture(params=["memory", "valkey", "redis"])
def reservations(request):
    if request.param == "memory":
        yield InMemoryIdempotencyRepository()
        return
    clients = StoreClients(
        emptied(request.getfixturevalue(f"{request.param}_store_url"))
    )
    yield RedisIdempotencyRepository(clients, lambda: NOW)
    clients.close()


def test_the_first_reservation_stands_for_all_later_ones(reservations):
    assert reservations.reserve(MINE) == MINE
    assert reservations.reserve(replace(MINE, new_id="id2")) == MINE
    assert reservations.reserve(replace(MINE, fingerprint="another")) == MINE


def test_reservations_of_different_keys_are_different(reservations):
    reservations.reserve(MINE)
    other = Reservation("key2", "fingerprint", "id2")
    assert reservations.reserve(other) == other


@pytest.mark.parametrize("body", [ANSWER.body, b"", None])
def test_a_remembered_answer_comes_back_equal(reservations, body):
    reservations.reserve(MINE)
    assert reservations.hold("key", "me")
    answered = replace(MINE, answer=replace(ANSWER, body=body))
    reservations.remember(answered, "me")
    assert reservations.reserve(replace(MINE, new_id="id2")) == answered


def test_one_holds_a_key_at_a_time(reservations):
    assert reservations.hold("key", "me")
    assert not reservations.hold("key", "you")
    assert reservations.hold("other", "you")
    reservations.release("key", "me")
    assert reservations.hold("key", "you")


def test_nobody_ends_the_hold_of_another(reservations):
    reservations.hold("key", "me")
    reservations.release("key", "you")
    assert not reservations.hold("key", "you")


def test_who_does_not_hold_the_key_leaves_no_answer(reservations):
    reservations.reserve(MINE)
    reservations.hold("key", "me")
    reservations.remember(replace(MINE, answer=ANSWER), "you")
    assert reservations.reserve(MINE).answer is None
