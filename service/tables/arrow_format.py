"""Tables as Arrow IPC streams."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from gmm_engine.types import FloatArray
from service.domain.tables import ArrayResult, Table
from service.errors import MalformedBodyError, TooLargeError
from service.tables.arrow_library import number_columns, pa, reading, rows_of
from service.tables.arrow_messages import batch_claims
from service.tables.blocks import columns_of, row_blocks
from service.tables.limits import TableLimits
from service.tables.mistakes import checked_table, no_numbers

_NAME = "Arrow stream"
_SLACK_BYTES = 1 << 20


def read(stream: BinaryIO, limits: TableLimits) -> Table:
    """Return the numbers in the record batches of a stream."""
    body = stream.read()
    if body.startswith(b"ARROW1"):
        raise MalformedBodyError(
            "The body is an Arrow or Feather file; send the stream format "
            "(pyarrow.ipc.new_stream, polars write_ipc_stream)."
        )
    messages = _messages(body)
    schema = _schema(messages)
    with reading(_NAME):
        columns = number_columns(schema, limits)
    blocks: list[FloatArray] = []
    n_rows = 0
    for message in messages:
        n_rows += _check_claims(message, n_rows, len(schema), limits)
        with reading(_NAME):
            batch = pa.ipc.read_record_batch(message, schema)
            blocks.append(rows_of(batch, [position for position, _ in columns]))
    if n_rows == 0:
        raise no_numbers("rows")
    return checked_table(np.concatenate(blocks), limits, [name for _, name in columns])


def write(result: ArrayResult) -> Iterator[bytes]:
    """Yield a stream of record batches whose columns have the names of the result."""
    arrays = list(result.arrays.values())
    schema = _batch(result, 0, 0).schema
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, schema) as writer:
        for start, stop in row_blocks(len(arrays[0]), len(result.columns)):
            writer.write_batch(_batch(result, start, stop))
            yield _drained(sink)
    yield _drained(sink)


def _batch(result: ArrayResult, start: int, stop: int) -> Any:
    columns = columns_of(list(result.arrays.values()), start, stop)
    return pa.RecordBatch.from_arrays(
        [pa.array(column) for column in columns], names=list(result.columns)
    )


def _drained(sink: io.BytesIO) -> bytes:
    piece = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return piece


def _messages(body: bytes) -> Iterator[Any]:
    source = pa.BufferReader(body)
    with reading(_NAME):
        reader = pa.ipc.MessageReader.open_stream(source)
    while True:
        with reading(_NAME):
            try:
                message = reader.read_next_message()
            except StopIteration:
                break
        yield message
    if source.tell() < len(body):
        raise MalformedBodyError(
            "The body goes on after the end of the Arrow stream; send one stream."
        )


def _schema(messages: Iterator[Any]) -> Any:
    message = next(messages, None)
    with reading(_NAME):
        if message is None or message.type != "schema":
            raise ValueError("no schema")
        return pa.ipc.read_schema(message)


def _check_claims(
    message: Any, n_rows_before: int, n_columns: int, limits: TableLimits
) -> int:
    """Return the rows of a message, when it may be read into memory."""
    with reading(_NAME):
        if message.type != "record batch":
            raise ValueError("not a record batch")
        try:
            claims = batch_claims(
                message.metadata.to_pybytes(), memoryview(message.body or b"")
            )
        except struct.error as error:
            raise ValueError("garbled metadata") from error
    limits.check_shape(n_rows_before + claims.n_rows, n_columns)
    if claims.inflated_bytes > 16 * claims.n_rows * n_columns + _SLACK_BYTES:
        raise TooLargeError(
            f"A record batch of {claims.n_rows} rows says that it inflates to "
            f"{claims.inflated_bytes} bytes, more than its numbers need. Write it "
            "again, without compression."
        )
    return claims.n_rows
