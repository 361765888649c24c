"""A checkpoint of EM as a stored value: its plain values as JSON, its arrays behind.

    4 bytes  b"GMC1"
    u32      CRC-32 of all that follows
    u32      length of the JSON
    JSON     the engine's version, the values that are no arrays, the arrays' names
    arrays   in the order of their names (`codec`)

Whatever is wrong with it, the fit only has to begin anew: so each flaw is one error.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np

import gmm_engine
from gmm_engine import Checkpoint
from gmm_engine.errors import InvalidArgumentError
from service.errors import CorruptValueError
from service.storage.codec import (
    decode_arrays,
    decode_head,
    encode_array,
    encode_head,
)

MAX_CHECKPOINT_BYTES = 32 << 20
"""A larger one is not stored: writing it would hold up everybody in the store."""

_HEADER = struct.Struct("<4sII")
_MAGIC = b"GMC1"


def encode_checkpoint(checkpoint: Checkpoint) -> bytes:
    values, arrays = _parted(checkpoint.to_dict())
    head = encode_head(
        {
            "engine_version": gmm_engine.__version__,
            "values": values,
            "arrays": list(arrays),
        }
    )
    body = b"".join([head, *map(encode_array, arrays.values())])
    checksum = zlib.crc32(body, zlib.crc32(struct.pack("<I", len(head))))
    return _HEADER.pack(_MAGIC, checksum, len(head)) + body


def decode_checkpoint(value: bytes) -> Checkpoint:
    """Raises CorruptValueError when the fit cannot go on from it."""
    try:
        magic, checksum, head_bytes = _HEADER.unpack_from(value)
    except struct.error as error:
        raise CorruptValueError("A stored checkpoint is cut off.") from error
    body = value[_HEADER.size :]
    found = zlib.crc32(body, zlib.crc32(struct.pack("<I", head_bytes)))
    if magic != _MAGIC or found != checksum:
        raise CorruptValueError("A stored checkpoint does not match its checksum.")
    head = decode_head(body[:head_bytes])
    if head.get("engine_version") != gmm_engine.__version__:
        raise CorruptValueError("A stored checkpoint is another engine's.")
    arrays = zip(head["arrays"], decode_arrays(body[head_bytes:]), strict=True)
    try:
        return Checkpoint.from_dict(head["values"] | dict(arrays))
    except (InvalidArgumentError, ValueError) as error:
        raise CorruptValueError("A stored checkpoint is not one of EM.") from error


def _parted(values: dict[str, object]) -> tuple[dict[str, Any], dict[str, Any]]:
    arrays = {k: v for k, v in values.items() if isinstance(v, np.ndarray)}
    return {k: v for k, v in values.items() if k not in arrays}, arrays
