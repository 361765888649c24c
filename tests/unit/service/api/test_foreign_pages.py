"""A service without keys, and the browsers on the same machine."""

from __future__ import annotations

import pytest

from tests.unit.service.api.conftest import POINTS, problem
from tests.unit.service.api.guarded import Guarded, bearer

PAGE = "https://page.example"


@pytest.fixture(scope="module")
def opened():
    return Guarded(is_open=True, cors_origins=("https://app.example",))


def post(guarded, headers, host="localhost:8000"):
    client = guarded.client()
    return client.post(
        "/v1/datasets",
        json={"data": POINTS},
        headers=headers,
        base_url=f"http://{host}",
    )


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8000",
        "LOCALHOST",
        "localhost.",
        "gmm.localhost:8000",
        "127.0.0.1:8000",
        "127.0.0.2",
        "[::1]:8000",
    ],
)
def test_names_of_this_machine_are_answered(opened, host):
    answer = opened.client().get("/v1/fits", headers={"Host": host})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.1@evil.example",
        "0.0.0.0:8000",
        "192.168.1.7",
        "169.254.169.254",
        "2130706433",
        "0x7f.1",
        "[::ffff:10.0.0.1]",
        "[::1",
        "",
        "notlocalhost",
    ],
)
def test_a_name_that_was_made_to_point_here_is_refused(opened, host):
    answer = opened.client().get("/v1/fits", headers={"Host": host})
    assert answer.status_code in (400, 403), answer.text
    assert answer.mimetype == "application/problem+json"


@pytest.mark.parametrize("name", ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host"])
def test_who_comes_through_a_proxy_is_refused(opened, name):
    answer = opened.client().get("/v1/fits", headers={name: "203.0.113.7"})
    assert name in problem(answer, 403, "foreign-page")["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": PAGE},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "https://localhost:8000"},
        {"Origin": "http://localhost:8000.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost:8000"},
    ],
)
def test_another_sites_page_cannot_change_anything(opened, headers):
    problem(post(opened, headers), 403, "foreign-page")
    assert opened.client().get("/v1/datasets").json["items"] == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://localhost:8000"},
        {"Origin": "http://localhost:8000", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_our_own_page_a_program_and_a_page_of_the_settings_may(headers):
    opened = Guarded(is_open=True, cors_origins=("https://app.example",))
    assert post(opened, headers).status_code == 201


def test_a_link_from_anywhere_may_be_followed(opened):
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert opened.client().get("/v1/models", headers=link).status_code == 200
    image = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    answer = opened.client().get("/v1/models", headers=image)
    problem(answer, 403, "foreign-page")


def test_with_a_key_every_name_and_page_is_answered():
    guarded = Guarded()
    headers = bearer(guarded.key()) | {
        "Origin": PAGE,
        "Sec-Fetch-Site": "cross-site",
        "X-Forwarded-For": "203.0.113.7",
    }
    assert post(guarded, headers, "gmm.example").status_code == 201


def test_who_serves_everybody_answers_to_every_name_but_not_to_other_pages():
    guarded = Guarded(is_open=True, any_host=True)
    assert post(guarded, {}, "gmm.example").status_code == 201
    own = {"Origin": "http://gmm.example"}
    assert post(guarded, own, "gmm.example").status_code == 201
    problem(post(guarded, {"Origin": PAGE}, "gmm.example"), 403, "foreign-page")


# CORS


def preflight(guarded, origin):
    wanted = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    return guarded.client().options("/v1/fits", headers=wanted)


def test_a_page_of_the_settings_may_ask_first(opened):
    answer = preflight(opened, "https://app.example")
    assert answer.status_code == 204
    headers = answer.headers
    assert headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert "POST" in headers["Access-Control-Allow-Methods"]
    assert "Authorization" in headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in headers
    assert "Origin" in headers["Vary"]


def test_a_page_of_the_settings_may_read_answers_and_refusals(opened):
    for path, status in (("/v1/fits", 200), ("/v1/fits/unknown", 404)):
        answer = opened.client().get(path, headers={"Origin": "https://app.example"})
        assert answer.status_code == status
        headers = answer.headers
        assert headers["Access-Control-Allow-Origin"] == "https://app.example"
        assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert "Retry-After" in headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize("origin", [PAGE, "null", "https://app.example.evil", "*"])
def test_no_other_page_may(opened, origin):
    answer = preflight(opened, origin)
    assert not [name for name, _ in answer.headers if "Access-Control" in name]


def test_without_the_setting_no_page_may():
    answer = preflight(Guarded(), "https://app.example")
    assert not [name for name, _ in answer.headers if "Access-Control" in name]
