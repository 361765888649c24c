from __future__ import annotations

import re
import threading

import orjson
import pytest
import yaml

from service.api.app import close_event_streams, create_app
from service.api.export import contract
from service.errors import StorageUnavailableError
from tests.unit.service.api.conftest import OPTIONS, problem
from tests.unit.service.api.test_openapi import matches


@pytest.fixture
def fit_id(client, dataset_id):
    request = {"dataset_id": dataset_id, "n_components": 2}
    return client.post("/v1/fits", json=request).json["id"]


def parse(text):
    """The events of a stream as (name, id, data), heartbeats and retry left out."""
    events = []
    for block in text.split("\n\n"):
        found = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
        if "event" in found:
            data = orjson.loads(found["data"])
            events.append((found["event"], found.get("id"), data))
    return events


def watch(client, fit_id, last_event_id=None):
    headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
    # Buffered: the answer is closed at its end, as a server does.
    target = f"/v1/fits/{fit_id}/events"
    return client.get(target, headers=headers, buffered=True)


def test_a_finished_fit_tells_its_iterations_and_then_its_end(client, world, fit_id):
    world.work()
    answer = watch(client, fit_id)
    assert answer.mimetype == "text/event-stream"
    assert answer.headers["Cache-Control"] == "no-store"
    events = parse(answer.text)
    assert [name for name, _, _ in events].count("end") == 1
    assert events[-1][0] == "end"
    assert events[-1][2]["status"] == "succeeded"
    iterations = [data for name, _, data in events if name == "iteration"]
    assert iterations[0].keys() >= {"iteration", "log_likelihood", "weights", "means"}


def test_a_late_reader_is_told_the_end_once_and_no_old_states(client, world, fit_id):
    world.work()
    names = [name for name, _, _ in parse(watch(client, fit_id).text)]
    assert names[-1] == "end"
    assert set(names[:-1]) == {"iteration"}


def test_a_reader_is_told_each_state_once(client, world, fit_id):
    clock = world.clock
    world.fits.start(fit_id, clock())
    world.fits.start(fit_id, clock())  # again, after its worker died
    worker = threading.Timer(0.05, world.work)
    worker.start()
    events = parse(watch(client, fit_id).text)
    worker.join()
    told = [(d["status"], d["attempt"]) for name, _, d in events if name == "status"]
    assert told[0] == ("running", 2)
    assert len(set(told)) == len(told)
    assert [name for name, _, _ in events].count("end") == 1


def test_a_watched_fit_tells_what_happens_as_it_happens(client, world, fit_id):
    worker = threading.Timer(0.05, world.work)
    worker.start()
    text = watch(client, fit_id).text
    worker.join()
    events = parse(text)
    assert events[0][0] == "status"
    assert events[0][2]["status"] == "queued"
    assert events[-1][0] == "end"
    assert ": beat" in text


def test_a_stream_resumes_after_the_last_event_seen(client, world, fit_id):
    world.work()
    events = parse(watch(client, fit_id).text)
    seen = events[2][1]
    assert parse(watch(client, fit_id, seen).text) == events[3:]


def test_who_saw_the_end_is_told_not_to_come_back(client, world, fit_id):
    world.work()
    answer = watch(client, fit_id, "end")
    assert (answer.status_code, answer.data) == (204, b"")


@pytest.mark.parametrize("last", ["x", "1-2-3", "-1", "9" * 40, "0 0", "$", ">"])
def test_an_id_that_no_event_has_is_refused(client, fit_id, last):
    problem(watch(client, fit_id, last), 422, "invalid-request")


def test_open_streams_are_bounded_and_places_come_free(client, fit_id, world):
    first = client.get(
        f"/v1/fits/{fit_id}/events",
    )
    second = client.get(
        f"/v1/fits/{fit_id}/events",
    )
    answer = client.get(f"/v1/fits/{fit_id}/events")
    problem(answer, 503, "too-busy")
    assert int(answer.headers["Retry-After"]) > 0
    first.close()
    second.close()
    world.work()
    assert watch(client, fit_id).status_code == 200


def test_streams_end_when_the_server_wants_to_stop(world, client, fit_id):
    app = create_app(lambda: world.services, world.readiness, OPTIONS)
    closing = threading.Timer(0.05, close_event_streams, [app])
    closing.start()
    text = watch(app.test_client(), fit_id).text
    closing.join()
    assert "event: end" not in text
    problem(watch(app.test_client(), fit_id), 503, "too-busy")


def test_a_store_that_fails_ends_the_stream(client, world, fit_id, monkeypatch):
    def fail(*_):
        raise StorageUnavailableError("The store is away.")

    monkeypatch.setattr(world.fits, "events", fail)
    answer = watch(client, fit_id)
    assert answer.status_code == 200
    assert [name for name, _, _ in parse(answer.text)] == ["status"]


def test_every_event_is_one_block_of_lines(client, world, fit_id):
    world.work()
    for block in watch(client, fit_id).text.strip().split("\n\n"):
        assert re.fullmatch(
            r"retry: \d+|: beat|event: \w+\n(id: [\w-]+\n)?data: \{.*\}", block
        )


def test_the_data_of_every_event_is_as_the_contract_says(client, world, fit_id):
    document = yaml.safe_load(contract())
    watched = document["paths"]["/v1/fits/{fit_id}/events"]["get"]["responses"]["200"]
    schemas = watched["content"]["text/event-stream"]["schema"]["x-event-data"]
    worker = threading.Timer(0.05, world.work)
    worker.start()
    events = parse(watch(client, fit_id).text)
    worker.join()
    assert {name for name, _, _ in events} == schemas.keys()
    for name, _, data in events:
        matches(schemas[name], data, document)
