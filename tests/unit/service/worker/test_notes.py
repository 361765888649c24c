"""Notes of orderly stops."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.worker.notes import StopNotes


def test_a_note_is_found_until_it_is_removed(notes):
    notes.leave("f1:e1")
    assert not notes.has("f1:e2")
    assert notes.has("f1:e1")
    assert notes.has("f1:e1")
    for _ in range(2):
        notes.remove("f1:e1")
        assert not notes.has("f1:e1")


def test_notes_that_nobody_came_for_are_forgotten(notes):
    notes.leave("f1:e1")
    os.utime(notes.folder / "f1:e1", (0, 0))
    notes.leave("f2:e2")
    assert not notes.has("f1:e1")
    assert notes.has("f2:e2")


def test_tidying_up_prevents_no_note(notes, monkeypatch):
    """Others tidy up at the same time, and old things lie there that are no notes."""
    notes.leave("f1:e1")
    (notes.folder / "folder").mkdir()
    for name in ("f1:e1", "folder"):
        os.utime(notes.folder / name, (0, 0))
    listed = Path.iterdir

    def with_one_that_goes(folder):
        yield folder / "gone"
        yield from listed(folder)

    monkeypatch.setattr(Path, "iterdir", with_one_that_goes)
    notes.leave("f2:e2")
    assert notes.has("f2:e2")
    assert not notes.has("f1:e1")


def test_a_folder_that_cannot_be_listed_prevents_no_note(notes, monkeypatch):
    def refuse(_):
        raise PermissionError

    monkeypatch.setattr(Path, "iterdir", refuse)
    notes.leave("f1:e1")
    assert notes.has("f1:e1")


@pytest.mark.parametrize("name", ["file/notes", "long" * 100])
def test_where_nothing_can_be_written_there_are_no_notes(tmp_path, name):
    (tmp_path / "file").touch()
    notes = StopNotes(tmp_path / name)
    notes.leave("f1:e1")
    assert not notes.has("f1:e1")
    notes.remove("f1:e1")
