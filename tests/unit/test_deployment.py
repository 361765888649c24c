"""The compose file and the image name only commands, settings and ports that exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.__main__ import main
from service.settings import Settings
from tests.docs.commands import assert_can_be_run

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = {name: it for name, it in SERVICES.items() if it.get("image") == "gmm-service"}
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
SETTINGS = {f"GMM_{setting.name.upper()}" for setting in fields(Settings)}


def set_environment(monkeypatch, service: dict[str, Any]) -> None:
    """As compose does for somebody who has set nothing: `${NAME:-default}`."""
    for variable, value in service["environment"].items():
        filled = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", value)
        assert "$" not in filled
        monkeypatch.setenv(variable, filled)


def test_the_compose_file_has_the_store_the_migration_the_api_and_the_worker():
    assert set(SERVICES) == {"redis", "migrate", "api", "worker", "webhooks"}
    assert set(OURS) == {"migrate", "api", "worker", "webhooks"}
    # Only for those who ask for it.
    assert [name for name in SERVICES if "profiles" in SERVICES[name]] == ["webhooks"]


@pytest.mark.parametrize("name", OURS)
def test_each_command_exists(name):
    command, *arguments = OURS[name]["command"]
    assert command in main.commands
    context = main.commands[command].make_context(command, list(arguments))
    assert context.command.name == command


@pytest.mark.parametrize("name", OURS)
def test_each_variable_is_a_setting(name):
    variables = OURS[name]["environment"]
    assert set(variables) <= SETTINGS


@pytest.mark.parametrize("name", OURS)
def test_the_settings_of_each_service_are_valid(name, monkeypatch):
    set_environment(monkeypatch, OURS[name])
    settings = Settings.from_environment()
    assert settings.redis_url == "redis://redis:6379/0"


def test_the_published_port_is_the_one_the_api_listens_on():
    environment = SERVICES["api"]["environment"]
    _, _, inside = SERVICES["api"]["ports"][0].rpartition(":")
    assert inside == environment["GMM_PORT"]
    assert re.search(rf"^EXPOSE {inside}$", DOCKERFILE, re.MULTILINE)
    # Inside a container loopback is nobody's address.
    assert environment["GMM_HOST"] == "0.0.0.0"


def test_an_api_that_others_can_reach_requires_keys(monkeypatch):
    set_environment(monkeypatch, SERVICES["api"])
    assert Settings.from_environment().require_keys


def test_the_compose_file_says_how_to_make_the_first_key():
    text = (ROOT / "docker-compose.yml").read_text()
    (command,) = re.findall(r"`docker compose run --rm api (.+?)`", text)
    assert_can_be_run(command)


def test_nothing_starts_before_what_it_needs():
    assert SERVICES["migrate"]["depends_on"]["redis"]["condition"] == "service_healthy"
    for name in ("api", "worker"):
        needed = SERVICES[name]["depends_on"]["migrate"]["condition"]
        assert needed == "service_completed_successfully"
    assert SERVICES["migrate"]["restart"] == "no"


def test_each_volume_is_declared():
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            assert volume.partition(":")[0] in COMPOSE["volumes"]


def test_what_a_stopped_worker_notes_is_there_for_the_next():
    (folder,) = re.findall(r"GMM_STATE_DIR=(\S+)", DOCKERFILE)
    assert f"state:{folder}" in SERVICES["worker"]["volumes"]
    # A new volume is whose the folder of the image is.
    _, as_user = DOCKERFILE.split("USER 10001\n")
    home, name = folder.rsplit("/", 1)
    assert f"WORKDIR {home}\n" in as_user
    assert re.search(rf"^RUN mkdir .*\b{name}$", as_user, re.MULTILINE)


@pytest.mark.parametrize("name", OURS)
def test_containers_run_without_privileges_on_a_read_only_root(name):
    assert OURS[name]["read_only"] is True
    assert OURS[name]["cap_drop"] == ["ALL"]


def test_the_stores_command_line_is_one_that_redis_accepts(redis_binary, short_path):
    command = shlex.split(SERVICES["redis"]["command"])
    assert command[0] == "redis-server"
    socket = short_path / "s"
    here = ["--port", "0", "--unixsocket", str(socket), "--dir", str(short_path)]
    server = subprocess.Popen(
        [redis_binary, *command[1:], *here], stdout=subprocess.DEVNULL
    )
    try:
        for _ in range(100):
            if socket.exists() or server.poll() is not None:
                break
            time.sleep(0.05)
        assert socket.exists()
        assert (short_path / "appendonlydir").exists()
    finally:
        server.terminate()
        server.wait()


def test_the_image_is_built_in_stages_and_runs_as_nobody_special():
    assert len(re.findall(r"^FROM ", DOCKERFILE, re.MULTILINE)) == 2
    users = re.findall(r"^USER (\d+)$", DOCKERFILE, re.MULTILINE)
    assert users
    assert users[-1] != "0"
    assert re.search(r"^HEALTHCHECK ", DOCKERFILE, re.MULTILINE)


def test_the_image_copies_only_what_exists_and_docker_may_see():
    ignore = (ROOT / ".dockerignore").read_text().split()
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    for source in " ".join(copied).split():
        assert (ROOT / source).exists()
        assert f"!{source}" in ignore


def test_the_image_sets_only_settings_that_exist():
    variables = set(re.findall(r"\b(GMM_[A-Z_]+)[=']", DOCKERFILE))
    assert variables
    assert variables <= SETTINGS


def test_the_images_entry_point_and_commands_exist():
    assert 'ENTRYPOINT ["gmm"]' in DOCKERFILE
    command = re.search(r'^CMD \["(\w+)"\]$', DOCKERFILE, re.MULTILINE)
    assert command
    assert command[1] in main.commands
    for ran in re.findall(r"^RUN gmm (\S+)$", DOCKERFILE, re.MULTILINE):
        assert ran in main.commands
