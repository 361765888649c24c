"""Makes the dump of the current schema version, and that of version 0 if it is lost."""

from __future__ import annotations

from pathlib import Path

from migrations.runner import MIGRATIONS, migrate
from service.commands import backup
from service.settings import Settings
from service.storage.connection import StoreClients
from service.storage.embedded import server_binary
from tests.conftest import running_server
from tests.data.dumps import contents


def main() -> None:
    with running_server(server_binary()) as url:
        clients = StoreClients(url)
        contents.fill(clients)
        if len(MIGRATIONS) == 1:
            # What is stored has had this form since before it had a number.
            _dump(url, 0)
        migrate(clients.ordinary)
        _dump(url, len(MIGRATIONS))
        clients.close()


def _dump(url: str, version: int) -> None:
    path = Path(__file__).with_name(f"v{version}.gmm")
    if not path.exists():
        backup.run(Settings(redis_url=url), path, force=False)
        path.chmod(0o644)


if __name__ == "__main__":
    main()
