"""The `gmm` command as an operator meets it: exit codes, and one line for a mistake."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from service.settings import as_markdown
from service.storage.keys import SCHEMA_VERSION
from tests.integration.running import gmm

pytestmark = pytest.mark.usefixtures("store_url")


def run(*arguments: str, **settings: str) -> tuple[int, str, str]:
    with gmm(*arguments, **settings) as process:
        output, errors = process.communicate(timeout=30)
    return process.returncode, output, errors


def assert_refused(outcome: tuple[int, str, str], code: int, *words: str) -> None:
    returned, output, errors = outcome
    assert (returned, output) == (code, "")
    assert errors.startswith("gmm: ")
    assert errors.count("\n") == 1, errors
    for word in words:
        assert word in errors


def test_a_bad_setting_is_refused():
    assert_refused(run("serve", GMM_PORT="http"), 78, "GMM_PORT", "http")


def test_an_unknown_setting_is_refused():
    assert_refused(run("worker", GMM_PROT="1"), 78, "GMM_PORT")


def test_a_port_in_use_is_told(own_folder: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        outcome = run("serve", GMM_PORT=port, GMM_STATE_DIR=str(own_folder))
    assert_refused(outcome, 71, port, "in use", "GMM_PORT")
    assert list(own_folder.iterdir()) == []


def test_a_state_folder_that_is_none_is_told(own_folder: Path):
    (own_folder / "file").touch()
    outcome = run("serve", GMM_PORT="0", GMM_STATE_DIR=str(own_folder / "file"))
    assert_refused(outcome, 71, "GMM_STATE_DIR")


def test_a_backup_that_is_not_there_is_told(own_folder: Path):
    path = str(own_folder / "none.gmm")
    outcome = run("restore", path, GMM_STATE_DIR=str(own_folder / "state"))
    assert_refused(outcome, 71, path, "No such file", "gmm backup")
    assert "Errno" not in outcome[2]


@pytest.mark.parametrize("command", ["serve", "api", "worker", "migrate"])
def test_a_store_that_does_not_answer_is_told_without_its_password(command):
    url = "redis://:secret@127.0.0.1:1/0"
    outcome = run(command, GMM_PORT="0", GMM_REDIS_URL=url)
    assert_refused(outcome, 69, "127.0.0.1:1", "does not answer")
    assert "secret" not in outcome[2]


@pytest.mark.parametrize("command", ["api", "worker"])
def test_a_store_without_a_schema_is_refused_until_it_is_migrated(command, store_url):
    outcome = run(command, GMM_PORT="0", GMM_REDIS_URL=store_url)
    assert_refused(outcome, 78, "schema version 0", "gmm migrate")


@pytest.mark.parametrize("command", ["serve", "api", "worker"])
def test_a_store_of_a_newer_program_is_refused(command, store_clients):
    store_clients.ordinary.set(SCHEMA_VERSION, 999)
    outcome = run(command, GMM_PORT="0", GMM_REDIS_URL=store_clients.url)
    assert_refused(outcome, 78, "999")


def test_a_migration_can_be_looked_at_rehearsed_and_run(store_url):
    for option in ("--status", "--dry-run"):
        code, output, _ = run("migrate", option, GMM_REDIS_URL=store_url)
        assert code == 0
        assert "schema version 0" in output
    code, output, _ = run("migrate", GMM_REDIS_URL=store_url)
    assert code == 0
    assert "schema version 1; this program needs 1" in output


def test_the_settings_are_printed_as_a_table():
    code, output, _ = run("settings")
    assert (code, output.strip()) == (0, as_markdown())
