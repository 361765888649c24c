"""A chromium that a test can drive, by the DevTools protocol over its pipe.

The protocol: https://chromedevtools.github.io/devtools-protocol/. Over the pipe it is
JSON, each message ended by a zero byte; so no library is needed.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# The file descriptors on which chromium listens and speaks.
_HEARS, _SPEAKS = 3, 4


@dataclass
class Page:
    """A page in a headless chromium."""

    commands: int
    """File descriptors of the pipe."""
    messages: int
    mistakes: list[str] = field(default_factory=list)
    """What was logged as an error, and errors that nobody caught."""
    _session: str | None = None
    _n_sent: int = 0
    _received: bytes = b""

    def open(self) -> None:
        """Open the page; what it does from now on is noted."""
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask(
            "Target.attachToTarget", targetId=target, flatten=True
        )["sessionId"]
        for domain in ("Runtime", "Log", "Page"):
            self._ask(f"{domain}.enable")

    def go_to(self, url: str) -> None:
        self._ask("Page.navigate", url=url)
        self.eventually("document.readyState === 'complete'")

    def evaluate(self, expression: str) -> Any:
        """Return what a JavaScript expression is, as JSON."""
        told = self._ask(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
        )
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def eventually(self, expression: str, seconds: float = 20) -> Any:
        """Return what an expression is, once that is true."""
        deadline = time.monotonic() + seconds
        while not (value := self.evaluate(expression)):
            assert time.monotonic() < deadline, f"{expression}\n{self.mistakes}"
            time.sleep(0.1)
        return value

    def close_browser(self) -> None:
        self._session = None
        self._ask("Browser.close")

    def _ask(self, method: str, **parameters: object) -> dict[str, Any]:
        self._n_sent += 1
        message: dict[str, object] = {"id": self._n_sent, "method": method}
        message["params"] = parameters
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while True:
            told = self._next()
            if told.get("id") == self._n_sent:
                assert "error" not in told, told
                return dict(told["result"])
            self._note(told)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._received:
            assert select.select([self.messages], [], [], 30)[0], "chromium is silent"
            chunk = os.read(self.messages, 1 << 16)
            assert chunk, "chromium has ended"
            self._received += chunk
        message, self._received = self._received.split(b"\0", 1)
        return dict(json.loads(message))

    def _note(self, event: dict[str, Any]) -> None:
        told = event.get("params", {})
        match event.get("method"):
            case "Runtime.exceptionThrown":
                self.mistakes.append(json.dumps(told["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if told["type"] == "error":
                self.mistakes.append(json.dumps(told["args"]))
            case "Log.entryAdded" if told["entry"]["level"] == "error":
                self.mistakes.append(json.dumps(told["entry"]))


@contextmanager
def browser_page(browser: str, profile: Path) -> Iterator[Page]:
    """A new page in a browser of its own."""
    hears, commands = os.pipe()
    messages, speaks = os.pipe()
    # A shell, as only it can say which numbers the descriptors are to have.
    script = f'exec "$@" {_HEARS}<&{hears} {_SPEAKS}>&{speaks}'
    words = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]
    words += [f"--user-data-dir={profile}", "about:blank"]
    try:
        with subprocess.Popen(
            ["bash", "-c", script, "bash", browser, *words],
            pass_fds=(hears, speaks),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            os.close(hears)
            os.close(speaks)
            page = Page(commands, messages)
            try:
                page.open()
                yield page
            finally:
                _close(page, process)
    finally:
        os.close(commands)
        os.close(messages)


def _close(page: Page, process: subprocess.Popen[bytes]) -> None:
    """End the browser with all its processes, or at least the first of them."""
    try:
        page.close_browser()
        process.wait(10)
    except (AssertionError, OSError, subprocess.TimeoutExpired):
        process.kill()
