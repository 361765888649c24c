"""What the log tells of each request, on its short way past all loggers."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from service.api import request_ids
from service.api.app import create_app
from service.logs import AnsweredRequest
from tests.unit.service.api.conftest import OPTIONS
from tests.unit.service.api.guarded import Guarded


@dataclass
class Lines:
    """Implements what requests need of `service.logs.LineHandler`."""

    written: list[AnsweredRequest] = field(default_factory=list)

    def write_request(self, answered: AnsweredRequest) -> None:
        self.written.append(answered)


@pytest.fixture
def lines(monkeypatch):
    found = Lines()
    monkeypatch.setattr(request_ids, "request_handler", lambda: found)
    return found


@pytest.fixture
def client(stage, world, lines):
    return create_app(stage.services, stage, OPTIONS).test_client()


def test_a_line_tells_what_was_asked_and_answered(client, lines):
    answer = client.get("/v1/models/none")
    (line,) = lines.written
    assert (line.method, line.path, line.status) == ("GET", "/v1/models/none", 404)
    assert line.request_id == answer.headers["X-Request-Id"]
    assert line.key_id is None
    assert 0 <= line.seconds < 60


@pytest.mark.parametrize("hidden", ["%0A2026 [info] forged", "%0D%0A", "%1B[31m", '"'])
def test_a_path_cannot_forge_a_line(client, lines, hidden):
    client.get(f"/v1/models/{hidden}")
    (line,) = lines.written
    assert line.path.isascii()
    assert line.path.isprintable()
    assert not set(line.path) & set(' "\n\r\x1b')


def test_what_is_no_known_method_and_what_is_asked_all_the_time_goes_by_a_logger(
    client, lines
):
    client.open("/v1/models", method="BREW\N{LATIN SMALL LETTER E WITH ACUTE}")
    for path in ("/healthz", "/readyz", "/metrics"):
        client.get(path)
    assert lines.written == []


def test_a_line_names_the_key(lines):
    guarded = Guarded()
    key = guarded.key()
    guarded.app.test_client().get(
        "/v1/models", headers={"Authorization": f"Bearer {key}"}
    )
    assert [line.key_id for line in lines.written] == [key.split("_")[1]]
