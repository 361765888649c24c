"""Clients that want their fits, and ask again when they get no answer."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from threading import Lock
from typing import Any

import requests

_NOT_NOW = (409, 429, 502, 503, 504, 507)
_ACTUAL_MISTAKES = range(400, 600)


@dataclass
class Client:
    """Sends each request until it is answered, to one API process or another."""

    urls: Sequence[str]
    timeout_seconds: float = 10.0
    patience_seconds: float = 120.0
    counts: Counter[str] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock)

    def get(self, path: str) -> dict[str, Any]:
        return self._insist(lambda url: requests.get(url + path, timeout=self._timeout))

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        return self._insist(
            lambda url: requests.post(
                url + path, json=body, headers=headers, timeout=self._timeout
            )
        )

    @property
    def _timeout(self) -> float:
        return self.timeout_seconds

    def _insist(self, ask: Callable[[str], requests.Response]) -> dict[str, Any]:
        deadline = time.monotonic() + self.patience_seconds
        for url in cycle(self.urls):
            assert time.monotonic() < deadline, "a request was never answered"
            try:
                answer = ask(url)
            except requests.RequestException:
                self._count("no answer")
                time.sleep(0.2)
                continue
            if answer.status_code in _NOT_NOW:
                assert "Retry-After" in answer.headers, answer.text
                self._count(f"{answer.status_code} {answer.json()['code']}")
                time.sleep(0.5)
                continue
            assert answer.status_code not in _ACTUAL_MISTAKES, answer.text
            return dict(answer.json())
        raise AssertionError

    def _count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1
