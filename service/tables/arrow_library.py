"""pyarrow, imported once: it has no types, so that all of it is `Any` here.

Also what its formats share: numbers from columns, and its errors as ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.csv  # type: ignore[import-untyped]
import pyarrow.parquet  # type: ignore[import-untyped]

from service.errors import MalformedBodyError

__all__ = ["pa", "reading"]


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn what Arrow raises on damaged bytes into MalformedBodyError."""
    try:
        yield
    except _DAMAGED as error:
        raise MalformedBodyError(
            f"The {name} cannot be read: it is damaged or incomplete. "
            "Write it again, and send the whole of it as the body."
        ) from error


# Seen on damaged files, beside Arrow's own: bad UTF-8 in names, impossible sizes.
_DAMAGED: tuple[type[Exception], ...] = (
    pa.ArrowException,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    MemoryError,
)
