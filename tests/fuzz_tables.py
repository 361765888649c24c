"""Damaged files for the parsers of tables: `python -m tests.fuzz_tables`.

Each is a valid file with some bytes changed. Reading it must give a table of finite
numbers or one of the documented errors; anything else is printed with what it takes
to see it again, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import faulthandler
import io
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet

from service.domain.tables import Table
from service.errors import (
    InvalidTableError,
    MalformedBodyError,
    TooLargeError,
    UnsupportedMediaTypeError,
)
from service.tables import TableLimits, parse_json, read_table, table_from_json

JSON = "application/json"
CSV = "text/csv"
NPY = "application/x-npy"
PARQUET = "application/vnd.apache.parquet"
ARROW = "application/vnd.apache.arrow.stream"

DOCUMENTED = (
    InvalidTableError,
    MalformedBodyError,
    TooLargeError,
    UnsupportedMediaTypeError,
)
LIMITS = TableLimits(max_rows=10_000, max_columns=50, max_numbers=100_000)

Mutation = Callable[[bytearray, random.Random], None]


@dataclass
class Findings:
    """What became of the files."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    surprises: list[str] = field(default_factory=list)
    slowest_seconds: float = 0.0
    slowest: str = ""


def read_any(body: bytes, content_type: str) -> Table:
    """Read a file as the service does; JSON as a document with a field `data`."""
    if content_type == JSON:
        document = parse_json(body)
        value = document.get("data") if isinstance(document, dict) else document
        return table_from_json(value, LIMITS)
    return read_table(io.BytesIO(body), content_type, LIMITS)


def assert_sound(table: Table) -> None:
    """Fail unless the table is what use cases rely on."""
    rows = table.rows
    assert rows.ndim == 2
    assert min(rows.shape) >= 1
    assert rows.dtype == np.dtype("<f8")
    assert rows.flags.c_contiguous
    assert rows.flags.writeable
    assert np.isfinite(rows).all()
    assert len(rows) <= LIMITS.max_rows
    assert rows.size <= LIMITS.max_numbers
    assert table.columns is None or len(table.columns) == rows.shape[1]


def valid_files() -> dict[str, list[bytes]]:
    """Some valid files of every format."""
    X = np.random.default_rng(0).normal(size=(30, 3))
    tables = [
        pa.table({"a": X[:, 0], "b": X[:, 1], "c": X[:, 2]}),
        pa.table({"i": np.arange(500) % 7, "f": np.arange(500, dtype=np.float32)}),
        pa.table({"n": pa.array([1, None, 3], pa.int16()), "h": [0.5, None, 2.0]}),
        pa.table({"t": ["x", "y"], "d": pa.array(["u", "u"]).dictionary_encode()}),
        pa.table({"l": [[1.0], [2.0, 3.0]], "s": [{"k": 1}, {"k": 2}]}),
    ]
    text = "\n".join(",".join(map(repr, row)) for row in X.tolist())
    return {
        JSON: [
            orjson.dumps({"data": X.tolist(), "n_components": 2, "name": "é\n"}),
            b'{"data": [[1, 2.5], [-3e-4, null]], "tol": 1e-4, "more": [true, {}]}',
            b'{"data": [[1e999]], "data": [["\\ud83d\\ude00"]]}',
        ],
        CSV: [
            text.encode(),
            b"\xef\xbb\xbfa,b,c\r\n" + text.encode().replace(b"\n", b"\r\n"),
            b'"a";"b"\n"1";2\n\n3;" 4"\n',
            b"x\ty\n1\t-.5e3\n2\t+7.\n",
            "a,b\n1,2\n".encode("utf-16"),
            b"1\r2\r3\r",
        ],
        NPY: [
            npy(X),
            npy(np.asfortranarray(X.astype(">f4"))),
            npy(np.arange(12, dtype=np.uint8).reshape(4, 3)),
            npy(np.array([["a"]])),
            npy(np.zeros((2, 2), dtype=[("a", "f8")])),
        ],
        PARQUET: [
            parquet(table, compression=compression, use_dictionary=use_dictionary)
            for table in tables
            for compression in ("none", "snappy", "zstd", "gzip")
            for use_dictionary in (True, False)
        ]
        + [parquet(tables[0], data_page_version="2.0", write_page_checksum=True)]
        + [
            parquet(
                tables[1],
                use_dictionary=False,
                column_encoding={"i": "DELTA_BINARY_PACKED", "f": "BYTE_STREAM_SPLIT"},
            )
        ],
        ARROW: [
            arrow(table, compression)
            for table in tables
            for compression in (None, "lz4", "zstd")
        ],
    }


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def parquet(table: pa.Table, **options: object) -> bytes:
    file = io.BytesIO()
    pa.parquet.write_table(table, file, **options)
    return file.getvalue()


def arrow(table: pa.Table, compression: str | None = None) -> bytes:
    file = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(file, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=200)
    return file.getvalue()


def mutated(body: bytes, rng: random.Random) -> bytes:
    """Return the file with one to eight changes."""
    changed = bytearray(body)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        rng.choice(_MUTATIONS)(changed, rng)
    return bytes(changed)


def _flip_bit(body: bytearray, rng: random.Random) -> None:
    if body:
        body[_somewhere(body, rng)] ^= 1 << rng.randrange(8)


def _set_byte(body: bytearray, rng: random.Random) -> None:
    if body:
        body[_somewhere(body, rng)] = rng.randrange(256)


def _set_integer(body: bytearray, rng: random.Random) -> None:
    size = rng.choice((1, 2, 4, 8))
    value = rng.choice((0, 1, -1, 127, -128, 2**31 - 1, -(2**31), 2**40, 2**63 - 1))
    start = _somewhere(body, rng)
    start -= rng.choice((0, start % size))
    piece = (value % 2 ** (8 * size)).to_bytes(size, rng.choice(("little", "big")))
    body[start : start + size] = piece


def _set_text(body: bytearray, rng: random.Random) -> None:
    start = _somewhere(body, rng)
    body[start : start + rng.randrange(4)] = rng.choice(_WORDS)


def _cut(body: bytearray, rng: random.Random) -> None:
    start = _somewhere(body, rng)
    del body[start : start + rng.choice((1, 2, 8, 64, len(body)))]


def _repeat(body: bytearray, rng: random.Random) -> None:
    start = _somewhere(body, rng)
    piece = body[start : start + rng.choice((1, 4, 16, 64))]
    body[start:start] = piece * rng.choice((1, 2, 100))


_MUTATIONS: tuple[Mutation, ...] = (
    _flip_bit,
    _set_byte,
    _set_integer,
    _set_integer,
    _set_text,
    _cut,
    _repeat,
)
_WORDS = tuple(
    b'" "" , ; \t \n \r \r\n \0 NaN -inf 1e400 NA null true [ ] { } ( ) \\ # . - _ 0x'
    b" \xff \xc3\xa9 \xef\xbb\xbf 99999999999999999999 'shape' -1 <f8 |O L".split(b" ")
)


def _somewhere(body: bytearray, rng: random.Random) -> int:
    """Return a position; the beginning and the end, where headers are, more often."""
    if not body:
        return 0
    near = min(len(body), 200)
    return rng.choice(
        (
            rng.randrange(len(body)),
            rng.randrange(near),
            len(body) - 1 - rng.randrange(near),
        )
    )


def fuzz(seconds: float, seed: int, keep: Path | None = None) -> Findings:
    """Read damaged files until the time is over."""
    findings = Findings()
    seeds = [
        (content_type, body)
        for content_type, bodies in valid_files().items()
        for body in bodies
    ]
    content_types = sorted({content_type for content_type, _ in seeds})
    end = time.monotonic() + seconds
    k = 0
    while time.monotonic() < end:
        rng = random.Random(f"{seed}/{k}")
        content_type = content_types[k % len(content_types)]
        valid = rng.choice([body for name, body in seeds if name == content_type])
        body = mutated(valid, rng)
        if keep is not None:
            keep.write_bytes(body)
        _try(body, content_type, f"seed {seed}, file {k}, {content_type}", findings)
        k += 1
    return findings


def _try(body: bytes, content_type: str, name: str, findings: Findings) -> None:
    start = time.perf_counter()
    try:
        assert_sound(read_any(body, content_type))
        outcome = "read"
    except DOCUMENTED as error:
        outcome = error.code
    except Exception as error:
        outcome = "SURPRISE"
        findings.surprises.append(f"{name}: {error!r}\n    {body[:300]!r}")
    seconds = time.perf_counter() - start
    findings.outcomes[content_type, outcome] += 1
    if seconds > findings.slowest_seconds:
        findings.slowest_seconds, findings.slowest = seconds, name


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="write each file here first")
    arguments = parser.parse_args()
    faulthandler.enable()
    findings = fuzz(arguments.seconds, arguments.seed, arguments.keep)
    for (content_type, outcome), count in sorted(findings.outcomes.items()):
        print(f"{count:9} {content_type:38} {outcome}")
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{findings.outcomes.total():9} files, {len(findings.surprises)} surprises")
    print(f"slowest {findings.slowest_seconds:.3f} s: {findings.slowest}")
    print(f"peak memory {peak_mb} MB")
    for surprise in findings.surprises[:10]:
        print(surprise)
    return 1 if findings.surprises else 0


if __name__ == "__main__":
    sys.exit(main())
