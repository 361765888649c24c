"""The README as a script: its `sh` blocks, and the answer printed after each."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

README = Path(__file__).parents[2] / "README.md"
_STEP = re.compile(r"^```sh\n(.*?)^```\n```(?:json|text)\n(.*?)^```$", re.M | re.S)
# Differ from run to run: drawn, read from the clock, or how busy a worker was.
_VOLATILE = re.compile(r"(^id|_id|_at|^queue_position)$")
_NUMBER = re.compile(r"-?\d+\.\d+(?:e[-+]?\d+)?")


@dataclass(frozen=True)
class Step:
    """Commands as printed, and the answer printed below them."""

    commands: str
    answer: str


def steps(section: str) -> list[Step]:
    """Return the steps of one section of the README, in order."""
    return [Step(*found.groups()) for found in _STEP.finditer(_section(section))]


def fill_in(section: str, answers: list[str]) -> None:
    """Print these answers below the commands of a section."""
    found = iter(answers)

    def with_answer(step: re.Match[str]) -> str:
        head = step.group()[: step.start(2) - step.start()]
        return f"{head}{next(found)}\n```"

    old = _section(section)
    text = README.read_text(encoding="utf-8")
    README.write_text(text.replace(old, _STEP.sub(with_answer, old)), encoding="utf-8")


def comparable(answer: str) -> Any:
    """The answer without what differs from run to run, and the last digits."""
    try:
        return _comparable(json.loads(answer))
    except ValueError:
        return _NUMBER.sub(lambda n: f"{float(n.group()):.5g}", answer.strip())


def _section(name: str) -> str:
    text = README.read_text(encoding="utf-8")
    start = text.index(f"\n## {name}\n")
    end = text.find("\n## ", start + 1)
    return text[start:end]


def _comparable(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: "…"
            # A worker may take the fit before its place is looked at.
            if (_VOLATILE.search(key) and item is not None) or key == "queue_position"
            else _comparable(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_comparable(item) for item in value]
    # Another processor sums in another order.
    return f"{value:.5g}" if isinstance(value, float) else value
