"""The receiver of the guide takes what the service sends, and nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.domain.webhook_targets import TargetRules
from service.domain.webhooks import RETRY_DELAYS, Message, parse_secrets
from service.settings import as_markdown
from service.webhooks.sender import HttpWebhookSender
from tests.receiver import OTHER_SECRET, SECRET

TEXT = (Path(__file__).parents[2] / "docs" / "guides" / "webhooks.md").read_text()
MESSAGE = Message("msg_f1", b'{"type":"fit.succeeded","data":{"id":"f1"}}')


@contextmanager
def the_receiver() -> Iterator[subprocess.Popen[str]]:
    (example,) = re.findall(r"^```python\n(.*?)^```$", TEXT, re.M | re.S)
    environment = os.environ | {"GMM_WEBHOOK_SECRET": SECRET, "PORT": "0"}
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", example],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        yield process
        process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_the_receiver_of_the_guide_works():
    with the_receiver() as process:
        port = int(line(process).rpartition(" ")[2])

        def send(message: Message, secrets: str, age: timedelta = timedelta(0)):
            rules = TargetRules((port,), allow_http=True, allow_private=True)
            sender = HttpWebhookSender(
                parse_secrets(secrets), rules, lambda: datetime.now(UTC) - age, "gmm"
            )
            return sender.send(f"http://127.0.0.1:{port}/", message).status

        assert send(MESSAGE, OTHER_SECRET) == 401
        assert send(MESSAGE, SECRET, timedelta(hours=1)) == 401
        assert send(MESSAGE, SECRET) == 204
        assert line(process) == "fit.succeeded f1"
        # Again, and another: dealt with once each.
        assert send(MESSAGE, f"{OTHER_SECRET},{SECRET}") == 204
        assert send(Message("msg_f2", MESSAGE.body), SECRET) == 204
        assert line(process) == "fit.succeeded f1"


def test_the_delays_of_the_guide_are_those_of_the_service():
    (sentence,) = re.findall(r"sent again after (.*?), each\s", TEXT, re.S)
    units = {"s": "seconds", "min": "minutes", "h": "hours"}
    shown = [
        timedelta(**{units[unit]: int(number)})
        for number, unit in re.findall(r"(\d+)\s(s|min|h)\b", sentence)
    ]
    assert tuple(shown) == RETRY_DELAYS


@pytest.mark.parametrize("variable", sorted(set(re.findall(r"GMM_[A-Z_]+", TEXT))))
def test_each_setting_of_the_guide_exists(variable):
    assert f"| `{variable}` |" in as_markdown()
