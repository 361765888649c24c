"""The operator's guide, pasted into a shell."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from migrations.runner import migrate
from service import __main__
from service.settings import Settings
from service.storage.connection import StoreClients
from service.storage.embedded import EmbeddedStore
from tests.data.dumps import contents

ROOT = Path(__file__).parents[4]
GUIDE = ROOT / "docs" / "guides" / "backup.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def environment(short_path):
    """Of a shell in which `gmm` is this program, whether it is installed or not."""
    gmm = short_path / "bin" / "gmm"
    gmm.parent.mkdir()
    gmm.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m service "$@"\n')
    gmm.chmod(0o755)
    own = {k: v for k, v in os.environ.items() if not k.startswith("GMM_")}
    return own | {
        "PATH": f"{gmm.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "GMM_STATE_DIR": "state",
    }


def test_the_commands_of_the_guide_move_a_store(short_path, environment):
    commands = BLOCK.findall(GUIDE.read_text(encoding="utf-8"))
    assert len(commands) == 3
    with EmbeddedStore(short_path / "state") as store:
        clients = StoreClients(store.url)
        migrate(clients.ordinary)
        contents.fill(clients)
        # While another process, this one, uses the store as well.
        shell = subprocess.run(
            ["bash", "-eu"],
            input="".join(commands),
            env=environment,
            cwd=short_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert shell.returncode == 0, shell.stderr
        contents.assert_there(clients)
        clients.close()
    assert "monday.gmm: " in shell.stdout
    assert "The store has schema version 1" in shell.stdout
    with EmbeddedStore(short_path / "elsewhere") as store:
        clients = StoreClients(store.url)
        contents.assert_there(clients)
        clients.close()


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("restore other", 65, "gmm: This is not a backup made by `gmm backup`."),
        ("restore missing", 71, "No such file or directory"),
        ("backup other", 71, "--force"),
        ("backup new", 69, "does not answer"),
    ],
)
def test_each_mistake_is_told_in_one_line_with_the_guides_exit_code(
    short_path, command, code, words, monkeypatch, capsys
):
    settings = Settings(redis_url="unix:///nowhere/store.sock")
    monkeypatch.setattr(__main__, "_settings", lambda: settings)
    monkeypatch.chdir(short_path)
    Path("other").write_text("something else")
    with pytest.raises(SystemExit) as ended:
        __main__.main(command.split())
    assert ended.value.code == code
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1
    assert f"| {code} | " in GUIDE.read_text(encoding="utf-8")
    assert [file.name for file in short_path.iterdir()] == ["other"]
