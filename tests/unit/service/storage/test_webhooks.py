"""The outbox, on both kinds of server: nothing is lost, nothing stays for ever."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from service.domain.webhooks import Attempt, Webhook, WebhookState
from service.storage.fits import RedisFitRepository
from service.storage.keys import Keys
from service.storage.webhooks import UNTAKEN_TTL, RedisWebhookOutbox
from tests.records import FAILURE, NOW, a_fit, a_fitted_model, later

KEYS = Keys()
LEASE = timedelta(minutes=1)
WEBHOOK = Webhook("https://hooks.example/")
REFUSED = Attempt(500, "The receiver answered 500.")
ENDS = {
    "succeeded": lambda fits, fit: fits.succeed(fit, a_fitted_model(), later(9)),
    "failed": lambda fits, fit: fits.fail(fit, FAILURE, later(9)),
    "cancelled": lambda fits, fit: fits.cancel(fit.id, later(9)),
}


@pytest.fixture
def fits(store_clients):
    return RedisFitRepository(store_clients)


@pytest.fixture
def outbox(store_clients):
    return RedisWebhookOutbox(store_clients)


@pytest.fixture
def ended(fits):
    """Makes fits that ended 9 seconds after NOW."""

    def end(fit_id="f1", fits=fits):
        fits.add(a_fit(fit_id, webhook=WEBHOOK))
        return fits.cancel(fit_id, later(9))

    return end


def taken(outbox, seconds=10.0, limit=10):
    return outbox.take(later(seconds), LEASE, limit)


@pytest.mark.parametrize("end", ENDS)
def test_the_end_of_a_fit_is_in_the_outbox_at_once(fits, outbox, end):
    fits.add(a_fit(webhook=WEBHOOK))
    fit = fits.start("f1", later(1))
    assert taken(outbox) == []
    finished = ENDS[end](fits, fit)
    assert finished.webhook == WEBHOOK
    assert taken(outbox) == [finished]


def test_a_fit_without_webhook_is_not_in_the_outbox(fits, store_clients):
    fits.add(a_fit())
    fits.cancel("f1", later(9))
    assert not store_clients.ordinary.exists(KEYS.webhooks)


def test_a_fit_of_an_older_version_has_no_webhook(fits, store_clients):
    fits.add(a_fit())
    record = store_clients.ordinary.get(KEYS.fit("f1"))
    assert b',"webhook":null' in record
    old = record.replace(b',"webhook":null', b"")
    store_clients.ordinary.set(KEYS.fit("f1"), old)
    assert fits.get("f1") == a_fit()


def test_a_refused_end_puts_nothing_into_the_outbox(fits, store_clients):
    fits.add(a_fit(webhook=WEBHOOK))
    old = fits.start("f1", later(1))
    fits.start("f1", later(2))
    for end in ("succeeded", "failed"):
        with pytest.raises(Exception, match="stop working"):
            ENDS[end](fits, old)
    assert not store_clients.ordinary.exists(KEYS.webhooks)


def test_what_is_taken_comes_back_only_when_the_lease_is_over(outbox, ended):
    fit = ended()
    assert taken(outbox, 10) == [fit]
    assert taken(outbox, 69.9) == []
    assert taken(outbox, 70) == [fit]


def test_of_many_takers_each_entry_has_one(outbox, ended):
    for number in range(40):
        ended(f"f{number}")
    with ThreadPoolExecutor(8) as pool:
        batches = list(pool.map(lambda _: taken(outbox, limit=5), range(8)))
    found = [fit.id for batch in batches for fit in batch]
    assert sorted(found) == sorted(f"f{number}" for number in range(40))


def test_a_delivered_webhook_leaves_the_outbox_and_stays_in_the_record(
    fits, outbox, ended, store_clients
):
    fit = ended()
    delivered = WEBHOOK.tried(Attempt(204))
    outbox.settle(fit, delivered, None)
    assert fits.get("f1") == replace(fit, webhook=delivered)
    assert not store_clients.ordinary.exists(KEYS.webhooks)


def test_a_failed_attempt_is_due_again_when_told(fits, outbox, ended):
    fit = ended()
    taken(outbox, 10)
    failed = WEBHOOK.tried(REFUSED)
    outbox.settle(fit, failed, later(15))
    assert fits.get("f1").webhook == failed
    assert taken(outbox, 14.9) == []
    assert taken(outbox, 15) == [replace(fit, webhook=failed)]


def test_of_two_notes_of_the_same_attempt_the_first_counts(fits, outbox, ended):
    fit = ended()
    delivered = WEBHOOK.tried(Attempt(204))
    outbox.settle(fit, delivered, None)
    outbox.settle(fit, WEBHOOK.tried(REFUSED), later(15))
    assert fits.get("f1").webhook == delivered
    assert taken(outbox, 1000) == []


def test_a_late_note_does_not_put_off_what_is_due(outbox, ended):
    fit = ended()
    outbox.settle(fit, WEBHOOK.tried(REFUSED), later(15))
    outbox.settle(fit, WEBHOOK.tried(REFUSED), later(99))
    assert len(taken(outbox, 15)) == 1


def test_noting_an_attempt_does_not_change_when_the_record_expires(
    store_clients, outbox, ended
):
    fits = RedisFitRepository(store_clients, ttl=timedelta(hours=1))
    fit = ended(fits=fits)
    outbox.settle(fit, WEBHOOK.tried(REFUSED), later(15))
    assert 3590 < store_clients.ordinary.ttl(KEYS.fit("f1")) <= 3600


def test_an_expired_fit_leaves_the_outbox(outbox, ended, store_clients):
    fit = ended()
    store_clients.ordinary.delete(KEYS.fit("f1"))
    assert taken(outbox) == []
    assert not store_clients.ordinary.exists(KEYS.webhooks)
    outbox.settle(fit, WEBHOOK.tried(REFUSED), later(15))
    left = {KEYS.fits, KEYS.fit_events("f1"), KEYS.fits_ended}
    assert {key.decode() for key in store_clients.ordinary.keys("*")} == left


def test_a_fit_that_is_not_over_leaves_the_outbox_until_it_is(
    fits, outbox, store_clients
):
    """A backup may have an entry of a fit that was not over when it was read."""
    fits.add(a_fit(webhook=WEBHOOK))
    store_clients.ordinary.zadd(KEYS.webhooks, {"f1": 0})
    assert taken(outbox) == []
    finished = fits.cancel("f1", later(9))
    assert taken(outbox) == [finished]


def test_an_unreadable_record_does_not_hold_the_others_up(outbox, ended, store_clients):
    ended("f1")
    readable = ended("f2")
    store_clients.ordinary.set(KEYS.fit("f1"), b"junk")
    assert taken(outbox) == [readable]
    assert store_clients.ordinary.zcard(KEYS.webhooks) == 1


def test_without_a_dispatcher_the_outbox_holds_a_week(fits, ended, store_clients):
    for number in range(5):
        ended(f"f{number}")
    fits.add(a_fit("late", webhook=WEBHOOK))
    fits.cancel("late", NOW + UNTAKEN_TTL + timedelta(minutes=1))
    assert store_clients.ordinary.zrange(KEYS.webhooks, 0, -1) == [b"late"]


def test_a_full_store_takes_the_note_that_a_webhook_was_delivered(
    fits, outbox, ended, store_clients
):
    fit = ended()
    taken(outbox)
    store_clients.ordinary.config_set("maxmemory", 1)
    outbox.settle(fit, WEBHOOK.tried(Attempt(204)), None)
    assert fits.get("f1").webhook.status is WebhookState.DELIVERED


def test_a_second_try_after_a_lost_answer_finds_the_first(
    fits, outbox, ended, monkeypatch
):
    """redis-py sends a command again when the connection broke before the answer."""
    fit = ended()
    commit = outbox._store._commit

    def twice(keys, args):
        commit(keys=keys, args=args)
        return commit(keys=keys, args=args)

    monkeypatch.setattr(outbox._store, "_commit", twice)
    outbox.settle(fit, WEBHOOK.tried(REFUSED), later(15))
    assert fits.get("f1").webhook.attempts == 1


def test_tenants_have_outboxes_of_their_own(store_clients, ended):
    ended(fits=RedisFitRepository(store_clients, "acme"))
    assert taken(RedisWebhookOutbox(store_clients, "other")) == []
    assert len(taken(RedisWebhookOutbox(store_clients, "acme"))) == 1
