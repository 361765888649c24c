"""The `gmm` command.

Each command imports what it needs in its body: all of it together takes longer to
import than a service may take to start.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import click

from service import processes
from service.errors import SchemaMismatchError, ServiceError, StorageUnavailableError
from service.settings import Settings, SettingsError, as_markdown
from service.storage.backup.file import BackupFileError

# From sysexits.h: what a script can tell apart.
EXIT_DATA = 65
EXIT_UNAVAILABLE = 69
EXIT_OS_ERROR = 71
EXIT_CONFIG = 78


class OneLineErrors(click.Group):
    """Tells a mistake of the user, or of the surroundings, in one line."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (SettingsError, SchemaMismatchError) as error:
            _fail(error, EXIT_CONFIG)
        except BackupFileError as error:
            _fail(error, EXIT_DATA)
        except StorageUnavailableError as error:
            _fail(error, EXIT_UNAVAILABLE)
        except ServiceError as error:
            _fail(error, 1)
        except OSError as error:
            _fail(error, EXIT_OS_ERROR)


def _fail(error: Exception, code: int) -> NoReturn:
    click.echo(f"gmm: {error}", err=True)
    sys.exit(code)


@click.group(
    cls=OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(package_name="gmm-service")
def main() -> None:
    """Fit, store and query Gaussian mixtures over HTTP.

    Settings are GMM_* variables of the environment: see `gmm settings`.
    """


def _settings() -> Settings:
    from service.logs import configure_logging

    settings = Settings.from_environment()
    configure_logging(settings.log_format, settings.log_level)
    return settings


def _child_of(
    _context: click.Context, _option: click.Parameter, pid: int | None
) -> None:
    if pid is not None:
        processes.die_with_parent(pid)


# `gmm serve` passes its process id: its children must not outlive it.
_parent_option: Callable[..., Callable[..., None]] = click.option(
    "--parent",
    type=int,
    hidden=True,
    expose_value=False,
    is_eager=True,
    callback=_child_of,
)


_insecure_option: Callable[..., Callable[..., None]] = click.option(
    "--insecure",
    is_flag=True,
    help="Let everybody in who reaches GMM_HOST, as long as there is no API key.",
)


@main.command()
@_insecure_option
def serve(insecure: bool) -> None:
    """Start everything: the store, the API and the workers."""
    from service.commands import serve

    sys.exit(serve.run(_settings(), frozenset({EXIT_CONFIG}), insecure))


@main.command()
@_parent_option
@click.option("--fd", type=int, hidden=True, help="A socket that listens already.")
@_insecure_option
def api(fd: int | None, insecure: bool) -> None:
    """Serve HTTP on GMM_HOST and GMM_PORT."""
    from service.commands import api

    api.run(_settings(), fd, insecure)


@main.command()
@_parent_option
def worker() -> None:
    """Fit what is queued, one fit at a time."""
    from service.commands import worker

    worker.run(_settings())


@main.group(invoke_without_command=True)
@_parent_option
@click.pass_context
def webhooks(context: click.Context) -> None:
    """Tell the URLs given with fits that they ended."""
    if context.invoked_subcommand is None:
        from service.commands import webhooks

        webhooks.run(_settings())


@webhooks.command("secret")
@click.argument("tenant", default="default")
def show_webhook_secret(tenant: str) -> None:
    """Print the secret that a tenant's receivers verify with."""
    from service.commands import webhooks

    webhooks.show_secret(_settings(), tenant)


@main.command()
@click.option("--status", is_flag=True, help="Only tell the versions.")
@click.option("--dry-run", is_flag=True, help="Tell what would change; change nothing.")
def migrate(status: bool, dry_run: bool) -> None:
    """Bring what is stored up to this program's schema version."""
    from service.commands import migrate

    migrate.run(_settings(), status, dry_run)


@main.group()
def keys() -> None:
    """Make, list and revoke API keys; also while the service runs."""


@keys.command("create")
@click.option("--tenant", default="default", help="Whose data the key opens.")
@click.option(
    "--scopes", required=True, help="Of read, fit, delete, metrics, admin: `read,fit`."
)
@click.option("--name", help="For whom or what it is; only for the list.")
@click.option("--expires", help="When it ends: 30d, 12h, or 2030-01-31.")
def create_key(tenant: str, scopes: str, name: str | None, expires: str | None) -> None:
    """Print a new key, once. From the first key on, keys are required."""
    from service.commands import keys

    keys.create(_settings(), tenant, scopes, name, expires)


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_keys(as_json: bool) -> None:
    """List the keys, without what makes them keys."""
    from service.commands import keys

    keys.show(_settings(), as_json)


@keys.command("revoke")
@click.argument("key_id", metavar="ID")
def revoke_key(key_id: str) -> None:
    """Revoke a key, at once and for ever."""
    from service.commands import keys

    keys.revoke(_settings(), key_id)


@keys.command("off")
@click.option("--insecure", is_flag=True, required=True, help="Yes, without keys.")
def stop_requiring_keys(insecure: bool) -> None:
    """Require no keys any more, until the next is made. Good keys stay good."""
    from service.commands import keys

    keys.stop_requiring(_settings())


@main.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Overwrite FILE.")
def backup(file: Path, force: bool) -> None:
    """Write all that is stored to FILE, while the service runs or not."""
    from service.commands import backup

    backup.run(_settings(), file, force)


@main.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Remove all that is stored now.")
def restore(file: Path, replace: bool) -> None:
    """Bring back all that `gmm backup` wrote to FILE, or nothing."""
    from service.commands import restore

    restore.run(_settings(), file, replace)


@main.command("warm-up")
def warm_up() -> None:
    """Fill the caches of compiled code and fonts, so that the first use is fast."""
    from service.commands import warm_up

    warm_up.run()


@main.command()
def settings() -> None:
    """Print the table of all settings."""
    click.echo(as_markdown())


if __name__ == "__main__":
    main(prog_name="gmm")
