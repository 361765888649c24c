from __future__ import annotations

import re
from pathlib import Path

import pytest

from service.api.access import SCOPES
from service.api.problems import problem_types
from service.domain.api_keys import Scope
from service.settings import as_markdown
from tests.docs.commands import assert_can_be_run

TEXT = (Path(__file__).parents[2] / "docs" / "guides" / "access.md").read_text()
COMMANDS = re.findall(
    r"(?:^|`|--rm )(?:gmm|api) ((?:keys|serve|api)[^`\n]*)", TEXT, re.M
)


def test_the_guide_shows_all_that_can_be_done_with_keys():
    words = {line.split()[1] for line in COMMANDS if line.startswith("keys")}
    assert words == {"create", "list", "revoke", "off"}


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_of_the_guide_can_be_run(line):
    assert_can_be_run(line)


def test_each_setting_of_the_guide_exists():
    for variable in re.findall(r"GMM_[A-Z_]+", TEXT):
        assert f"| `{variable}` |" in as_markdown()


def test_each_code_of_the_guide_exists_with_that_status():
    rows = re.findall(r"^\| (\d+) `([\w-]+)` \|", TEXT, re.M)
    assert len(rows) == 4
    for status, code in rows:
        assert problem_types()[code].status == int(status)


def test_each_scope_is_explained_and_needed():
    explained = re.findall(r"^\| `(\w+)` \|", TEXT, re.M)
    assert explained == [scope.value for scope in Scope]
    assert set(SCOPES.values()) == set(Scope) - {Scope.ADMIN}
