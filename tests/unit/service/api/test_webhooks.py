"""The URL to be told at, as clients give it and see it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from service.api.app import create_app
from service.domain.webhook_targets import TargetRules
from tests.unit.service.api.conftest import OPTIONS, POINTS, problem

URL = "https://hooks.example/fits?key=1"


@pytest.fixture(scope="module")
def app(stage):
    options = replace(OPTIONS, webhook_rules=TargetRules(ports=(443, 8443)))
    return create_app(stage.services, stage, options)


def submit(client, url):
    request = {"data": POINTS, "n_components": 2, "webhook_url": url}
    return client.post("/v1/fits", json=request)


def test_a_fit_shows_where_its_end_will_be_told(client):
    answer = submit(client, URL)
    assert answer.status_code == 202
    assert answer.json["webhook"] == {
        "url": URL,
        "status": "pending",
        "attempts": 0,
        "last_error": None,
    }
    assert client.get(answer.headers["Location"]).json == answer.json
    assert "webhook_url" not in answer.json["request"]


def test_without_a_url_nothing_is_told(client):
    assert submit(client, None).json["webhook"] is None


def test_a_table_as_body_takes_its_url_from_the_query(client):
    answer = client.post(
        "/v1/fits",
        query_string={"n_components": 1, "webhook_url": URL},
        data="1,2\n3,4\n",
        content_type="text/csv",
    )
    assert answer.json["webhook"]["url"] == URL


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://hooks.example/", "must begin with https://"),
        ("https://user:secret@hooks.example/", "user name or password"),
        ("https://hooks.example/#a", "fragment"),
        ("https://hooks.example:22/", "allowed here: 443, 8443"),
        ("https://169.254.169.254/", "not public"),
        ("https://0x7f000001/", "number for a host"),
        ("https://[::ffff:127.0.0.1]/", "not public"),
        (f"https://hooks.example/{'a' * 3000}", "at most 2048"),
        ("", "must begin with https://"),
        (7, "give a URL"),
        ([URL], "give a URL"),
    ],
)
def test_a_bad_url_is_refused_where_it_is(client, world, url, words):
    document = problem(submit(client, url), 422, "invalid-request")
    (place,) = document["errors"]
    assert place["pointer"] == "/webhook_url"
    assert place["detail"].startswith("webhook_url ")
    assert words in place["detail"]
    assert not world.queue.waiting


def test_a_bad_url_in_the_query_is_refused_there(client):
    answer = client.post(
        "/v1/fits?n_components=1&webhook_url=ftp://a",
        data="1,2\n3,4\n",
        content_type="text/csv",
    )
    document = problem(answer, 422, "invalid-request")
    assert document["errors"][0]["pointer"] == "?webhook_url"


def test_where_webhooks_are_off_a_url_is_refused(stage, world):
    client = create_app(stage.services, stage, OPTIONS).test_client()
    document = problem(submit(client, URL), 422, "invalid-request")
    assert document["errors"][0]["pointer"] == "/webhook_url"
    assert "webhooks are off" in document["detail"]
    assert submit(client, None).status_code == 202
