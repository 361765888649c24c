"""Notes of orderly stops."""

from __future__ import annotations

import os

from service.worker.notes import StopNotes


def test_a_note_is_found_once(notes):
    notes.leave("f1:e1")
    assert not notes.take("f1:e2")
    assert notes.take("f1:e1")
    assert not notes.take("f1:e1")


def test_notes_that_nobody_came_for_are_forgotten(notes):
    notes.leave("f1:e1")
    os.utime(notes.folder / "f1:e1", (0, 0))
    notes.leave("f2:e2")
    assert not notes.take("f1:e1")
    assert notes.take("f2:e2")


def test_where_nothing_can_be_written_there_are_no_notes(tmp_path):
    (tmp_path / "file").touch()
    notes = StopNotes(tmp_path / "file" / "notes")
    notes.leave("f1:e1")
    assert not notes.take("f1:e1")
