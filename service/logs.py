"""Logging: structlog and the standard library's loggers, one stream, one format."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

# Of an API key, whole or cut off; its id may be seen.
_KEY = re.compile(r"gmm_([a-z2-7]{16})_[a-z2-7]+", re.ASCII)

# What every line has, whoever wrote it.
_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def configure_logging(log_format: str, log_level: str) -> None:
    """Send the messages of all loggers to stderr, as `console` or `json` lines."""
    handler = LineHandler(sys.stderr, log_format)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED, processors=_renderers(log_format)
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(log_level.upper())
    # The worker tells what matters; RQ tells each step, and sets its level itself.
    for name in ("rq.worker", "rq.job", "rq.registry"):
        logging.getLogger(name).setLevel(max(root.level, logging.ERROR))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


@dataclass(slots=True)
class AnsweredRequest:
    """What the log tells of each request."""

    method: str
    path: str
    status: int
    seconds: float
    request_id: str
    key_id: str | None


class LineHandler(logging.StreamHandler[TextIO]):
    """Writes the lines of all loggers, and those of requests without a logger.

    A line that comes with each request passes through no processors: they take ten
    times as long as all that it takes to write it.
    """

    def __init__(self, stream: TextIO, log_format: str) -> None:
        super().__init__(stream)
        self._descriptor = _descriptor_of(stream)
        self._is_json = log_format == "json"
        # With colors it is for one person, who sends few requests.
        self._is_plain = self._is_json or not stream.isatty()

    @property
    def takes_requests(self) -> bool:
        """Whether `write_request` writes what a logger would have written."""
        is_wanted = logging.getLogger().isEnabledFor(logging.INFO)
        return is_wanted and self._is_plain and self._descriptor is not None

    def write_request(self, answered: AnsweredRequest) -> None:
        """Write the line that `info("request", …)` of service.api would be."""
        line = _json_line(answered) if self._is_json else _console_line(answered)
        left = _masked(line).encode()
        assert self._descriptor is not None
        try:
            # In one call: no other thread's line can come into it.
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError:
            # As with all loggers: that a log takes no more fails no request.
            return


def request_handler() -> LineHandler | None:
    """The handler for the lines of requests; None: they have to go by a logger."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, LineHandler) and handler.takes_requests:
            return handler
    return None


def _json_line(answered: AnsweredRequest) -> str:
    key = "" if answered.key_id is None else f', "key_id": "{answered.key_id}"'
    return (
        f'{{"method": {json.dumps(answered.method)}, '
        f'"path": {json.dumps(answered.path)}, "status": {answered.status}, '
        f'"seconds": {answered.seconds!r}, "event": "request", '
        f'"request_id": "{answered.request_id}"{key}, "level": "info", '
        f'"logger": "service.api", "timestamp": "{_now()}"}}\n'
    )


def _console_line(answered: AnsweredRequest) -> str:
    key = "" if answered.key_id is None else f"key_id={answered.key_id} "
    return (
        f"{_now()} [info     ] request                        [service.api] {key}"
        f"method={answered.method} path={answered.path} "
        f"request_id={answered.request_id} seconds={answered.seconds!r} "
        f"status={answered.status}\n"
    )


def _now() -> str:
    return f"{datetime.now(UTC).replace(tzinfo=None).isoformat()}Z"


def _descriptor_of(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except OSError:
        return None


def _renderers(log_format: str) -> list[Processor]:
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if log_format == "json":
        # Without local variables: some of them are secrets.
        tracebacks = structlog.processors.ExceptionRenderer(
            structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        )
        return [remove, tracebacks, structlog.processors.JSONRenderer(), _mask_keys]
    console = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(),
        # `rich`, where it is installed, would show them as well.
        exception_formatter=structlog.dev.plain_traceback,
    )
    return [remove, console, _mask_keys]


def _mask_keys(_logger: object, _name: str, line: Any) -> str:
    return _masked(line)


def _masked(line: str) -> str:
    """Hide API keys, wherever in a line: a client may have put one into a path."""
    return _KEY.sub(r"gmm_\1_…", line)
