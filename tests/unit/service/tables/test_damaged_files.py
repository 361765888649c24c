"""Damaged and random files: only tables and documented errors come of them.

`python -m tests.fuzz_tables` does the same for longer.
"""

from __future__ import annotations

import random
import subprocess
import sys
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import fuzz_tables
from tests.fuzz_tables import DOCUMENTED, assert_sound, mutated, read_any

FILES = fuzz_tables.valid_files()
reproducibly = settings(derandomize=True, deadline=None, max_examples=200)


@pytest.mark.parametrize("content_type", list(FILES))
@reproducibly
@given(data=st.data())
def test_a_valid_file_with_some_bytes_changed(content_type, data):
    body = bytearray(data.draw(st.sampled_from(FILES[content_type])))
    for _ in range(data.draw(st.integers(1, 4))):
        k = data.draw(st.integers(0, len(body)))
        body[k : k + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=8))
    with suppress(*DOCUMENTED):
        assert_sound(read_any(bytes(body), content_type))


@pytest.mark.parametrize("content_type", list(FILES))
@reproducibly
@given(body=st.binary(max_size=200))
def test_random_bytes(content_type, body):
    with suppress(*DOCUMENTED):
        assert_sound(read_any(body, content_type))


@reproducibly
@given(text=st.text("01234567890.,;\t\n\r\"' -+eEnaif#\0_é[]{}:", max_size=60))
@pytest.mark.parametrize("content_type", [fuzz_tables.CSV, fuzz_tables.JSON])
def test_random_text(content_type, text):
    with suppress(*DOCUMENTED):
        assert_sound(read_any(text.encode(), content_type))


def test_the_same_seed_damages_files_in_the_same_way():
    body = FILES[fuzz_tables.NPY][0]
    assert mutated(body, random.Random("1/2")) == mutated(body, random.Random("1/2"))


@pytest.mark.slow
def test_five_seconds_of_fuzzing_find_nothing():
    command = [sys.executable, "-m", "tests.fuzz_tables", "--seconds", "5"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 surprises" in done.stdout
