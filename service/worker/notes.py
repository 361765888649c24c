"""What a worker that stops leaves on its machine while the store cannot be told.

Who finds a dead worker's job takes its silence for a death: a fit may have killed the
whole container. That it was an orderly stop only that worker knows.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

_FORGOTTEN_SECONDS = 86_400.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StopNotes:
    """Empty files in a folder, named after the executions that were handed back.

    They are found by workers of this machine that use the same folder. Where it
    cannot be written there are none, and an orderly stop may count as a death.
    """

    folder: Path

    def leave(self, execution: str) -> None:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self.folder / execution).touch()
        except OSError as error:
            log.info("stop not noted", execution=execution, reason=error.strerror)
            return
        # That there is a note matters; that others tidy up as well does not.
        with suppress(OSError):
            self._forget_old()

    def has(self, execution: str) -> bool:
        try:
            return (self.folder / execution).is_file()
        except OSError:
            return False

    def remove(self, execution: str) -> None:
        # If it cannot be, it is of an execution that is gone, and names no other.
        with suppress(OSError):
            (self.folder / execution).unlink()

    def _forget_old(self) -> None:
        for note in self.folder.iterdir():
            # One by one: this may be gone by now, or a folder of somebody else's.
            with suppress(OSError):
                if note.stat().st_mtime < time.time() - _FORGOTTEN_SECONDS:
                    note.unlink()
