"""A whole service that tells a receiver, with its dispatcher killed on the way."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from redis import Redis
from standardwebhooks.webhooks import Webhook

from tests.integration.processes import (
    children,
    command_of,
    eventually,
    is_alive,
    kill,
)
from tests.integration.running import cloud, gmm, running_service
from tests.receiver import SECRET, receiving


@pytest.fixture(scope="module")
def receiving_all():
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def telling(receiving_all):
    """A service that may tell the receiver."""
    with (
        tempfile.TemporaryDirectory(prefix="gmm-") as folder,
        running_service(
            Path(folder),
            GMM_WEBHOOK_SECRET=SECRET,
            GMM_WEBHOOK_PORTS=str(receiving_all.port),
            GMM_WEBHOOK_ALLOW_HTTP="true",
            GMM_WEBHOOK_ALLOW_PRIVATE="true",
        ) as service,
    ):
        yield service


@pytest.fixture
def receiver(receiving_all):
    receiving_all.received.clear()
    return receiving_all


def dispatchers(service) -> list[int]:
    return [pid for pid in children(service.pid) if " webhooks " in command_of(pid)]


def webhook_of(service, fit_id: str):
    return service.fit(fit_id)["webhook"]


def test_the_end_of_a_fit_is_told(telling, receiver):
    fit_id = telling.submit(
        data=cloud().tolist(), n_components=2, webhook_url=receiver.url
    )
    eventually(lambda: receiver.received, 30, "the message")
    (received,) = receiver.received
    message = Webhook(SECRET).verify(received.body, received.headers)
    assert message["type"] == "fit.succeeded"
    eventually(lambda: webhook_of(telling, fit_id)["status"] == "delivered")
    fit = telling.fit(fit_id)
    assert fit.pop("webhook")["attempts"] == 1
    assert message["data"] == fit
    assert SECRET not in telling.log
    assert "key=1" not in telling.log


def test_what_a_killed_dispatcher_was_sending_is_sent_again(telling, receiver):
    (dispatcher,) = eventually(lambda: dispatchers(telling))

    def kill_it_and_answer(handler):
        kill(dispatcher)
        handler.answer(204)

    receiver.script = [kill_it_and_answer]
    fit_id = telling.submit(
        data=cloud().tolist(), n_components=2, webhook_url=receiver.url
    )
    eventually(lambda: receiver.received, 30, "the message")
    eventually(lambda: dispatchers(telling) not in ([], [dispatcher]))
    assert webhook_of(telling, fit_id)["status"] == "pending"
    # As if the minute that the dead one had taken were over.
    with Redis(unix_socket_path=str(telling.state_dir / "store.sock")) as client:
        assert client.zadd("gmm:default:webhooks", {fit_id: 0}, xx=True, ch=True) == 1
    eventually(lambda: webhook_of(telling, fit_id)["status"] == "delivered")
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert json.loads(first.body)["data"]["id"] == fit_id


def test_the_dispatcher_stops_with_the_service(telling):
    (dispatcher,) = eventually(lambda: dispatchers(telling))
    assert telling.stop() == 0
    assert not is_alive(dispatcher)


def test_a_service_without_a_secret_has_no_dispatcher(service):
    assert dispatchers(service) == []
    request = {
        "data": [[1], [2]],
        "n_components": 1,
        "webhook_url": "https://a.example/",
    }
    assert service.post("/v1/fits", json=request).status_code == 422


def test_sending_without_a_secret_is_a_mistake():
    with gmm("webhooks") as process:
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 78
    assert "GMM_WEBHOOK_SECRET is not set" in errors
