"""From the end of a fit to the receiver: outbox, dispatcher, sender, loop."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from service.api.schemas.fits import FitSchema
from service.domain.webhooks import RETRY_DELAYS, Webhook, WebhookState
from service.storage.fits import RedisFitRepository
from service.storage.webhooks import RedisWebhookOutbox
from service.use_cases.webhooks import LEASE, WebhookDispatcher
from service.webhooks.loop import DeliveryLoop
from tests.integration.processes import eventually
from tests.receiver import SECRET, status
from tests.records import FAILURE, a_fit, a_fitted_model, later
from tests.unit.service.webhooks.conftest import a_sender


class World:
    """A fit's end on its way; the clock stands still until a test moves it."""

    def __init__(self, clients, receiver):
        self.now = datetime.now(UTC)
        self.receiver = receiver
        self.fits = RedisFitRepository(clients)
        self.outbox = RedisWebhookOutbox(clients)
        self.dispatcher = WebhookDispatcher(
            self.outbox,
            a_sender(receiver, lambda: self.now),
            FitSchema(exclude=("webhook",)).dump,
            lambda: self.now,
            jitter=lambda: 0.0,
        )

    def end(self, fit_id="f1"):
        self.fits.add(a_fit(fit_id, webhook=Webhook(self.receiver.url)))
        return self.fits.cancel(fit_id, self.now)

    def dispatch(self):
        return [self.dispatcher.deliver(fit) for fit in self.dispatcher.take(10)]

    def webhook(self, fit_id="f1"):
        return self.fits.get(fit_id).webhook

    @property
    def ids(self):
        return [received.headers["webhook-id"] for received in self.receiver.received]


@pytest.fixture
def world(store_clients, receiver):
    return World(store_clients, receiver)


def test_the_message_is_the_fit_as_the_api_shows_it(world, receiver):
    world.fits.add(a_fit(webhook=Webhook(receiver.url)))
    fit = world.fits.start("f1", later(1))
    world.fits.succeed(fit, a_fitted_model(), later(9))
    world.dispatch()
    (received,) = receiver.received
    document = Verifier(SECRET).verify(received.body, received.headers)
    assert document["type"] == "fit.succeeded"
    assert document["timestamp"] == "2024-05-01T12:00:09.123Z"
    shown = json.loads(json.dumps(FitSchema().dump(world.fits.get("f1"))))
    assert shown.pop("webhook") == {
        "url": receiver.url,
        "status": "delivered",
        "attempts": 1,
        "last_error": None,
    }
    assert document["data"] == shown
    assert document["data"]["model_id"] == "m1"
    assert document["data"]["fit_status"] == "converged"


def test_a_failed_fit_is_told_with_its_error(world, receiver):
    world.fits.add(a_fit(webhook=Webhook(receiver.url)))
    world.fits.fail(world.fits.start("f1", later(1)), FAILURE, later(9))
    world.dispatch()
    document = json.loads(receiver.received[0].body)
    assert document["type"] == "fit.failed"
    assert document["data"]["error"]["code"] == "fit-failed"


def test_a_cancelled_fit_is_told_once(world):
    world.end()
    assert [webhook.status for webhook in world.dispatch()] == [WebhookState.DELIVERED]
    world.now += timedelta(days=9)
    assert world.dispatch() == []
    assert world.ids == ["msg_f1"]


def test_after_an_error_the_same_message_comes_again(world, receiver):
    receiver.script = [status(500)]
    world.end()
    assert world.dispatch()[0].last_error == "The receiver answered 500."
    assert world.dispatch() == []
    world.now += RETRY_DELAYS[0]
    assert world.dispatch()[0].status is WebhookState.DELIVERED
    first, second = receiver.received
    assert first.body == second.body
    assert world.ids == ["msg_f1", "msg_f1"]
    times = [int(r.headers["webhook-timestamp"]) for r in receiver.received]
    assert times[1] - times[0] == 5
    assert world.webhook().attempts == 2
    assert world.webhook().last_error is None


def test_a_receiver_that_never_recovers_is_given_up(world, receiver, store_clients):
    receiver.script = [status(503)] * 20
    world.end()
    for delay in (*RETRY_DELAYS, timedelta(days=30)):
        world.dispatch()
        world.now += delay
    assert world.dispatch() == []
    assert world.webhook().status is WebhookState.FAILED
    assert world.webhook().attempts == len(receiver.received) == 10
    assert not store_clients.ordinary.exists("gmm:default:webhooks")


def test_a_receiver_that_is_gone_is_given_up_at_once(world, receiver):
    receiver.script = [status(410)]
    world.end()
    world.dispatch()
    world.now += timedelta(days=9)
    assert world.dispatch() == []
    assert world.webhook().status is WebhookState.FAILED


def test_a_receiver_that_asks_for_time_gets_it(world, receiver):
    receiver.script = [status(429, Retry_After="100")]
    world.end()
    world.dispatch()
    world.now += timedelta(seconds=99)
    assert world.dispatch() == []
    world.now += timedelta(seconds=1)
    assert world.dispatch()[0].status is WebhookState.DELIVERED


def test_who_dies_before_noting_the_answer_leaves_it_to_the_next(
    world, receiver, monkeypatch
):
    def die(*_):
        raise KeyboardInterrupt

    world.end()
    with monkeypatch.context() as patched:
        patched.setattr(RedisWebhookOutbox, "settle", die)
        with pytest.raises(KeyboardInterrupt):
            world.dispatch()
    assert world.webhook().attempts == 0
    assert world.dispatch() == []
    world.now += LEASE
    assert world.dispatch()[0].status is WebhookState.DELIVERED
    assert world.ids == ["msg_f1", "msg_f1"]
    assert receiver.received[0].body == receiver.received[1].body


def test_who_dies_before_sending_leaves_it_to_the_next(world):
    world.end()
    assert len(world.dispatcher.take(10)) == 1
    world.now += LEASE
    assert world.dispatch()[0].status is WebhookState.DELIVERED
    assert world.ids == ["msg_f1"]


@pytest.fixture
def loop(world):
    """Runs a loop of four threads beside the test."""
    stopping = threading.Event()
    loop = DeliveryLoop(lambda: [world.dispatcher], stopping, n_threads=4)
    thread = threading.Thread(target=loop.run)
    thread.start()
    yield loop
    stopping.set()
    thread.join(5)
    assert not thread.is_alive()


def test_slow_receivers_hold_no_more_than_their_threads(world, receiver, loop):
    released = threading.Event()

    def wait(handler):
        released.wait(10)
        handler.answer(204)

    receiver.script = [wait] * 3
    for number in range(8):
        world.end(f"f{number}")
    eventually(lambda: len(receiver.received) == 8, what="the messages")
    released.set()
    eventually(
        lambda: all(
            world.webhook(f"f{number}").status is WebhookState.DELIVERED
            for number in range(8)
        ),
        what="the notes",
    )
    assert sorted(world.ids) == [f"msg_f{number}" for number in range(8)]


def test_the_loop_outlives_a_store_that_is_away(world, receiver, loop, monkeypatch):
    from service.errors import StorageUnavailableError
    from service.webhooks import loop as loop_module

    monkeypatch.setattr(loop_module, "_STORE_AWAY_SECONDS", 0.01)
    failures = []

    def away(*_):
        failures.append(1)
        raise StorageUnavailableError("The store does not answer.")

    with monkeypatch.context() as patched:
        patched.setattr(RedisWebhookOutbox, "take", away)
        eventually(lambda: len(failures) > 2, what="failures")
    world.end()
    eventually(lambda: receiver.received, what="the message")
