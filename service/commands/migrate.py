"""`gmm migrate`: brings what is stored up to date."""

from __future__ import annotations

import click

from migrations.runner import Progress, migrate, status
from service.commands.stores import store_url
from service.settings import Settings
from service.storage.connection import StoreClients


def run(settings: Settings, only_status: bool, dry_run: bool) -> None:
    with store_url(settings) as url:
        client = StoreClients(url).ordinary
        if only_status:
            found = status(client)
        else:
            found = migrate(client, dry_run, _tell_dry if dry_run else _tell)
        click.echo(
            f"The store has schema version {found.version}; this program needs "
            f"{found.target}."
        )
        for pending in found.pending:
            click.echo(f"to do: {pending}")


def _tell(progress: Progress) -> None:
    state = "done" if progress.is_done else "at work"
    click.echo(f"{state}: {_line(progress)} changes")


def _tell_dry(progress: Progress) -> None:
    click.echo(f"would do: {_line(progress)} changes")


def _line(progress: Progress) -> str:
    return f"{progress.number:04d} {progress.title}, {progress.n_changes}"
