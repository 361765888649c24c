"""Logging: structlog and the standard library's loggers, one stream, one format."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

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
    handler = logging.StreamHandler(sys.stderr)
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
    """Hide API keys, wherever in a line: a client may have put one into a path."""
    return _KEY.sub(r"gmm_\1_…", line)
