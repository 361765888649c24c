"""Tables in numpy's npy format, versions 1 to 3.

The header is matched against a grammar, never evaluated, and nothing is unpickled.
It is read first, so that a table over the limits is refused before its numbers are
read. Integers beyond 2⁵³ are rounded to the nearest float64, as in every format.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.lib import format as npy

from gmm_engine.types import AnyArray
from service.domain.tables import ArrayResult, Table
from service.domain.wording import counted
from service.errors import InvalidTableError, MalformedBodyError
from service.tables.blocks import row_blocks, side_by_side
from service.tables.limits import TableLimits
from service.tables.mistakes import checked_table, shown

_MAX_HEADER_BYTES = 10_000
_ENTRY = (
    r"(?:'descr'\s*:\s*(?P<descr{0}>'[^'\\]*'|\[.*\])"
    r"|'fortran_order'\s*:\s*(?P<fortran{0}>True|False)"
    r"|'shape'\s*:\s*\((?P<shape{0}>[-\dL,\s]*)\))"
)
_HEADER = re.compile(
    r"\{\s*" + r"\s*,\s*".join(_ENTRY.format(k) for k in range(3)) + r"\s*,?\s*\}\s*"
)
_NUMBER_TYPE = re.compile(r"[<>|=]?(?:f[248]|[iu][1248])")
_KINDS = {
    "O": "Python objects, which would have to be unpickled",
    "U": "text",
    "S": "text",
    "a": "text",
    "V": "records",
    "c": "complex numbers",
    "b": "booleans",
    "M": "dates",
    "m": "durations",
    "f": "floating-point numbers that are not of 16, 32 or 64 bits",
}


def read(body: BinaryIO, limits: TableLimits) -> Table:
    """Return the two-dimensional array of numbers in an npy file."""
    dtype, fortran_order, shape = _read_header(body)
    if len(shape) != 2:
        raise InvalidTableError(_wrong_dimensions(shape))
    limits.check_shape(*shape)
    # Into the array's own memory: for a large table a copy takes as long as its answer.
    rows = np.empty(shape, dtype, order="F" if fortran_order else "C")
    _read_into(rows, body)
    with np.errstate(invalid="ignore"):  # Some NaN of float32 would warn.
        numbers = np.asarray(rows, dtype="<f8", order="C")
    return checked_table(numbers, limits)


def write(result: ArrayResult) -> Iterator[bytes]:
    """Yield one array as it is, or several as the columns of one float64 matrix."""
    arrays = list(result.arrays.values())
    matrix = arrays[0] if len(arrays) == 1 else None
    n_rows = len(arrays[0])
    dtype, shape = _layout(arrays, result)
    yield _header(dtype, shape)
    for start, stop in row_blocks(n_rows, len(result.columns)):
        block = (
            side_by_side(arrays, start, stop) if matrix is None else matrix[start:stop]
        )
        yield np.ascontiguousarray(block, dtype=dtype).tobytes()


def size_bytes(result: ArrayResult) -> int:
    """How many bytes `write` yields."""
    arrays = list(result.arrays.values())
    dtype, shape = _layout(arrays, result)
    return len(_header(dtype, shape)) + math.prod(shape) * dtype.itemsize


def _layout(
    arrays: Sequence[AnyArray], result: ArrayResult
) -> tuple[np.dtype[Any], tuple[int, ...]]:
    if len(arrays) == 1:
        return arrays[0].dtype.newbyteorder("<"), arrays[0].shape
    return np.dtype("<f8"), (len(arrays[0]), len(result.columns))


def _header(dtype: np.dtype[np.generic], shape: tuple[int, ...]) -> bytes:
    header = io.BytesIO()
    npy.write_array_header_1_0(
        header,
        {
            "descr": npy.dtype_to_descr(dtype),
            "fortran_order": False,
            "shape": shape,
        },
    )
    return header.getvalue()


def _read_header(body: BinaryIO) -> tuple[np.dtype[Any], bool, tuple[int, ...]]:
    magic = body.read(8)
    if magic[:6] != npy.MAGIC_PREFIX:
        raise MalformedBodyError(_not_npy(magic))
    version = tuple(magic[6:])
    if version not in {(1, 0), (2, 0), (3, 0)}:
        raise MalformedBodyError(
            "The npy file has an unknown version; save it with numpy.save."
        )
    length_bytes = 2 if version == (1, 0) else 4
    length = int.from_bytes(_read_exactly(body, length_bytes), "little")
    if length > _MAX_HEADER_BYTES:
        raise MalformedBodyError(
            f"The npy header says that it has {length} bytes; at most "
            f"{_MAX_HEADER_BYTES} are read. Save a plain array with numpy.save."
        )
    header = _read_exactly(body, length).decode("utf-8", "replace")
    return _parse_header(header)


def _parse_header(header: str) -> tuple[np.dtype[Any], bool, tuple[int, ...]]:
    match = _HEADER.fullmatch(header)
    fields = match.groupdict() if match else {}
    descr = _field(fields, "descr")
    fortran_order = _field(fields, "fortran")
    shape = _field(fields, "shape")
    if descr is None or fortran_order is None or shape is None:
        raise MalformedBodyError(
            f"The npy header {shown(header.strip())} does not describe an array; "
            "save it with numpy.save."
        )
    return _number_type(descr), fortran_order == "True", _shape(shape)


def _field(fields: dict[str, str | None], name: str) -> str | None:
    """Return the one value of a header entry, None when it is absent or repeated."""
    values = [fields.get(f"{name}{k}") for k in range(3)]
    given = [value for value in values if value is not None]
    return given[0] if len(given) == 1 else None


def _number_type(descr: str) -> np.dtype[Any]:
    name = descr.strip("'")
    if _NUMBER_TYPE.fullmatch(name):
        return np.dtype(name)
    kind = "V" if descr.startswith("[") else name.lstrip("<>|=")[:1]
    raise InvalidTableError(
        f"The npy file holds {_KINDS.get(kind, 'values of an unknown type')} "
        f"({shown(name)}); send numbers, for example "
        "numpy.save(file, array.astype(float), allow_pickle=False)."
    )


def _shape(text: str) -> tuple[int, ...]:
    sizes = [size.strip().removesuffix("L") for size in text.split(",")]
    if sizes[-1] == "":
        sizes.pop()
    # Longer sizes than 18 digits cannot be meant, and would be slow to convert.
    if any(not size.isdecimal() or len(size) > 18 for size in sizes):
        raise MalformedBodyError(
            f"The npy header has the shape {shown(f'({text})')}, which no array has; "
            "save it with numpy.save."
        )
    return tuple(map(int, sizes))


def _read_exactly(body: BinaryIO, size: int) -> bytes:
    """Return the next bytes of the header."""
    data = bytearray(size)
    _fill(memoryview(data), body)
    return bytes(data)


def _read_into(rows: AnyArray, body: BinaryIO) -> None:
    """Fill an array with the next bytes, which must be the last."""
    if rows.size:
        # In the order of memory, whatever that of the axes.
        _fill(rows.reshape(-1, order="A").view(np.uint8).data, body)
    if body.read(1):
        raise MalformedBodyError(
            f"The npy file goes on after the {rows.nbytes} bytes that its header "
            "promises. Send one array, saved with numpy.save."
        )


def _fill(memory: memoryview, body: BinaryIO) -> None:
    # Every body is one; BinaryIO does not say so.
    source, n_read = cast("io.BufferedIOBase", body), 0
    while n_read < len(memory) and (n := source.readinto(memory[n_read:])):
        n_read += n
    if n_read < len(memory):
        raise MalformedBodyError(
            f"The npy file ends {counted(len(memory) - n_read, 'byte')} early: its "
            "header promises more than was sent. Send the whole file."
        )


def _wrong_dimensions(shape: tuple[int, ...]) -> str:
    advice = {
        0: "send a matrix.",
        1: "send array.reshape(-1, 1) if each number is a row, or "
        "array.reshape(1, -1) if together they are one row.",
    }.get(len(shape), "send array.reshape(len(array), -1).")
    return (
        f"The array has {counted(len(shape), 'dimension')}; a table has two, "
        f"rows and columns: {advice}"
    )


def _not_npy(magic: bytes) -> str:
    if magic.startswith(b"PK"):
        return (
            "The body is a zip or npz archive, not an npy file; "
            "save the one array with numpy.save."
        )
    if magic.startswith(b"\x80"):
        return "The body is a pickle, which is never read; use numpy.save."
    return "The body is not an npy file; save the array with numpy.save."
