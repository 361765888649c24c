"""`gmm keys` as an operator runs it, and where the service listens without any."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import pytest
import requests

from service.domain.api_keys import KEY_PATTERN
from tests.integration.processes import eventually, is_alive
from tests.integration.running import gmm


def run(*arguments: str, **settings: str) -> tuple[int, str, str]:
    with gmm(*arguments, **settings) as process:
        output, errors = process.communicate(timeout=30)
    return process.returncode, output, errors


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return str(taken.getsockname()[1])


@pytest.fixture
def on_store(store_url) -> dict[str, str]:
    return {"GMM_REDIS_URL": store_url}


def test_a_key_is_printed_once_listed_without_its_secret_and_revoked(own_folder: Path):
    # Before the service has ever been started there.
    embedded = {"GMM_STATE_DIR": str(own_folder / "state")}
    create = ("keys", "create", "--scopes", "fit,read", "--tenant", "acme")
    code, output, errors = run(*create, "--name", "me", "--expires", "30d", **embedded)
    assert code == 0, errors
    key = output.strip()
    match = re.fullmatch(KEY_PATTERN, key)
    assert match
    assert key[21:] not in errors
    assert "shown only now" in errors

    _, listed, _ = run("keys", "list", **embedded)
    assert listed.startswith(f"{match[1]}  acme  read,fit  'me'  until 20")
    assert key[21:] not in listed
    assert run("keys", "revoke", match[1], **embedded)[0] == 0
    (document,) = json.loads(run("keys", "list", "--json", **embedded)[1])
    assert (document["id"], document["tenant"]) == (match[1], "acme")
    assert document["revoked_at"]


def test_a_mistake_is_told_in_one_line_and_without_the_option_keys_stay_on(on_store):
    code, output, errors = run("keys", "revoke", "nowhere", **on_store)
    assert (code, output) == (1, "")
    assert errors.count("\n") == 1
    assert "gmm keys list" in errors
    code, _, errors = run("keys", "off", **on_store)
    assert code == 2
    assert "--insecure" in errors


@pytest.mark.parametrize("command", ["serve", "api"])
def test_without_keys_no_other_address_than_loopback(on_store, command):
    run("migrate", **on_store)
    code, output, errors = run(command, GMM_HOST="0.0.0.0", GMM_PORT="0", **on_store)
    assert (code, output) == (78, "")
    assert errors.count("\n") == 1, errors
    for words in ("0.0.0.0", "gmm keys create", "GMM_REQUIRE_KEYS", "--insecure"):
        assert words in errors


@pytest.mark.parametrize(
    ("command", "arguments", "settings", "status"),
    [
        ("serve", ["--insecure"], {}, 200),
        ("api", [], {"GMM_REQUIRE_KEYS": "true"}, 401),
    ],
)
def test_elsewhere_it_listens_with_keys_or_when_told_so(
    on_store, command, arguments, settings, status
):
    run("migrate", **on_store)
    everywhere = {"GMM_HOST": "0.0.0.0", "GMM_PORT": free_port(), "GMM_WORKERS": "0"}
    process = gmm(command, *arguments, **on_store, **everywhere, **settings)
    url = f"http://127.0.0.1:{everywhere['GMM_PORT']}/v1/fits"
    try:

        def statuses() -> list[int]:
            assert is_alive(process.pid)
            try:
                return [requests.get(url, timeout=10).status_code]
            except OSError:
                return []

        assert eventually(statuses, 20) == [status]
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=15)
    told = "everybody who gets here is let in" in errors
    assert told == (status == 200)
