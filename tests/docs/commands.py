"""Are the `gmm` commands that a document shows ones that exist?"""

from __future__ import annotations

import shlex

import click

from service.__main__ import main


def assert_can_be_run(line: str) -> None:
    """The words are a command of `gmm` with options that it has."""
    command: click.Command = main
    words = shlex.split(line)
    while isinstance(command, click.Group):
        command = command.commands[words.pop(0)]
    command.make_context(command.name, words)
