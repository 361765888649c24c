"""Every command of the README works as printed, and every answer shown is real."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from service.settings import as_markdown
from tests.docs.readme import README, comparable, steps
from tests.docs.tour import TOUR, answers

TEXT = README.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def printed(service, tmp_path_factory):
    return answers(steps(TOUR), service.url, tmp_path_factory.mktemp("tour"))


def test_the_tour_has_its_steps():
    assert len(steps(TOUR)) >= 8
    # A step without an answer would be one that is not compared.
    assert len(steps(TOUR)) == TEXT.split(f"## {TOUR}")[1].split("\n## ")[0].count(
        "```sh"
    )


@pytest.mark.parametrize("number", range(len(steps(TOUR))))
def test_the_answer_shown_is_the_answer_given(number, printed):
    assert comparable(printed[number]) == comparable(steps(TOUR)[number].answer)


def test_the_table_of_settings_is_the_one_that_the_command_prints():
    shown = TEXT.split("prints this table -->\n")[1].split("\n<!-- /settings")[0]
    assert shown == as_markdown()


def test_the_python_example_runs():
    (example,) = re.findall(r"^```python\n(.*?)^```$", TEXT, re.M | re.S)
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", example],
        cwd=README.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "CONVERGED" in ran.stdout


def test_every_file_that_is_named_exists():
    named = re.findall(r"(?:`|\()((?:docs|examples)/[\w./-]+)(?:`|\))", TEXT)
    assert named
    for path in named:
        assert (README.parent / path).exists(), path
