"""Runs the README's tour against a service, step by step in one shell."""

from __future__ import annotations

import argparse
import shutil
import subprocess
from pathlib import Path

from tests.docs.readme import README, Step, fill_in, steps

TOUR = "Five minutes with curl"
PRINTED_URL = "http://127.0.0.1:8000"
PICTURE = README.parent / "docs" / "images" / "iris.gif"
_END = "<<<end of step>>>"


def answers(tour: list[Step], url: str, folder: Path) -> list[str]:
    """Paste each step into one shell in `folder`; return what each printed."""
    script = "".join(f"{step.commands}echo; echo '{_END}'\n" for step in tour)
    (folder / "examples").symlink_to(README.parent / "examples")
    shell = subprocess.run(
        ["bash", "-eu"],
        input=script.replace(PRINTED_URL, url),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert shell.returncode == 0, shell.stderr
    return [printed.strip() for printed in shell.stdout.split(_END)[:-1]]


def main() -> None:
    """Write the answers of a running service into the README, and its picture."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("url", nargs="?", default=PRINTED_URL)
    parser.add_argument("folder", type=Path, help="an empty folder to work in")
    arguments = parser.parse_args()
    tour = steps(TOUR)
    fill_in(TOUR, answers(tour, arguments.url, arguments.folder))
    shutil.copy(arguments.folder / PICTURE.name, PICTURE)


if __name__ == "__main__":
    main()
