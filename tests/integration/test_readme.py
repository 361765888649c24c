"""Every command of the README works as printed, and every answer shown is real."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageSequence

from service.settings import as_markdown
from tests.docs.readme import README, comparable, steps
from tests.docs.tour import PICTURE, TOUR, answers

TEXT = README.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tour")


@pytest.fixture(scope="module")
def printed(service, folder):
    return answers(steps(TOUR), service.url, folder)


def test_the_tour_has_its_steps():
    assert len(steps(TOUR)) >= 8
    # A step without an answer would be one that is not compared.
    assert len(steps(TOUR)) == TEXT.split(f"## {TOUR}")[1].split("\n## ")[0].count(
        "```sh"
    )


@pytest.mark.parametrize("number", range(len(steps(TOUR))))
def test_the_answer_shown_is_the_answer_given(number, printed):
    assert comparable(printed[number]) == comparable(steps(TOUR)[number].answer)


def frames(picture):
    """The frames as they look from far away: fonts differ a little."""
    with Image.open(picture) as gif:
        for frame in ImageSequence.Iterator(gif):
            small = frame.convert("RGB").resize((64, 48), Image.Resampling.BOX)
            yield np.asarray(small, dtype=float)


def test_the_picture_is_the_one_that_the_tour_draws(printed, folder):
    """After a change of either, run `python -m tests.docs.tour`."""
    shown = list(frames(PICTURE))
    drawn = list(frames(folder / PICTURE.name))
    n_iter = json.loads(steps(TOUR)[2].answer)["progress"]["iteration"]
    assert len(shown) == len(drawn) == n_iter + 1
    assert np.abs(np.subtract(shown, drawn)).max(axis=(1, 2, 3)).max() < 40


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
