"""Tables in CSV (RFC 4180), read leniently where no meaning is at stake.

Arrow reads the bulk. Where it refuses a file, or may take it more leniently than we
do, the file is read again line by line: that careful reading is the definition of
what a file means, and knows the place of each mistake.
"""

from __future__ import annotations

import csv
import io
import math
from array import array
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from gmm_engine.types import FloatArray
from service.domain.tables import ArrayResult, Table
from service.domain.wording import counted
from service.errors import MalformedBodyError, Place
from service.tables.arrow_library import pa
from service.tables.blocks import columns_of, row_blocks
from service.tables.csv_cells import cell_mistake, row_place, strict_float
from service.tables.csv_encoding import utf8
from service.tables.csv_layout import Layout, joined_lines, layout_of
from service.tables.limits import TableLimits
from service.tables.mistakes import MAX_PLACES, Mistake, no_numbers, table_error

_BLOCK_BYTES = 4 << 20


def read(stream: BinaryIO, content_type: str, limits: TableLimits) -> Table:
    """Return the numbers of a CSV file, with the names in its header if it has one."""
    body = utf8(stream.read(), content_type)
    layout = layout_of(body, content_type, limits)
    rows = _read_fast(body, layout, limits)
    if rows is None:
        rows = _read_carefully(body, layout, limits)
    if len(rows) == 0:
        raise no_numbers("rows", advice=joined_lines(body))
    return Table(rows, layout.names)


def write(result: ArrayResult) -> Iterator[bytes]:
    """Yield a header and the rows, each number in its shortest exact form.

    Infinities are written as inf and -inf, and what is no number as nan.
    """
    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow(result.columns)
    yield header.getvalue().encode()
    arrays = list(result.arrays.values())
    options = pa.csv.WriteOptions(include_header=False)
    names = [str(column) for column in range(len(result.columns))]
    for start, stop in row_blocks(len(arrays[0]), len(names)):
        block = pa.BufferOutputStream()
        columns = [pa.array(column) for column in columns_of(arrays, start, stop)]
        batch = pa.RecordBatch.from_arrays(columns, names=names)
        pa.csv.write_csv(batch, block, options)
        yield block.getvalue().to_pybytes()


def _read_fast(body: bytes, layout: Layout, limits: TableLimits) -> FloatArray | None:
    """Return the rows, or None when the file has to be read carefully."""
    names = [str(column) for column in range(layout.n_columns)]
    blocks, n_rows = [], 0
    try:
        batches = pa.csv.open_csv(
            pa.BufferReader(pa.py_buffer(body).slice(layout.start)),
            pa.csv.ReadOptions(column_names=names, block_size=_BLOCK_BYTES),
            # Arrow would take "1"2 for 12; no number has a quote in it.
            pa.csv.ParseOptions(delimiter=layout.delimiter, quote_char=False),
            pa.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.float64()), null_values=[]
            ),
        )
        for batch in batches:
            n_rows += batch.num_rows
            limits.check_shape(n_rows, layout.n_columns)
            block = np.empty((batch.num_rows, layout.n_columns))
            for column in range(layout.n_columns):
                block[:, column] = batch.column(column).to_numpy()
            if not np.isfinite(block).all():
                return None
            blocks.append(block)
    except pa.ArrowInvalid:
        return None
    return np.concatenate(blocks) if blocks else None


def _read_carefully(body: bytes, layout: Layout, limits: TableLimits) -> FloatArray:
    """Return the rows, or raise an error with the places of the mistakes."""
    numbers = array("d")
    # What `float` takes beyond our numbers has one of these, or is not finite.
    is_plain = body.isascii() and b"_" not in body
    number = float if is_plain else strict_float
    most_rows = min(limits.max_rows, limits.max_numbers // layout.n_columns)
    mistakes: list[Mistake] = []
    n_rows = 0
    try:
        for line, cells in _records(body, layout):
            n_rows += 1
            if n_rows > most_rows:
                limits.check_shape(n_rows, layout.n_columns)
            if len(cells) == layout.n_columns:
                try:
                    row = list(map(number, cells))
                    if math.isfinite(sum(row)) or all(map(math.isfinite, row)):
                        numbers.extend(row)
                        continue
                except ValueError:
                    pass
            mistakes.extend(_row_mistakes(cells, n_rows, line, layout))
            if len(mistakes) > MAX_PLACES:
                break
    except MalformedBodyError:
        if not mistakes:
            raise
    if mistakes:
        raise table_error(mistakes)
    return np.array(numbers).reshape(-1, layout.n_columns)


def _records(body: bytes, layout: Layout) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines with something in them, with their numbers in the file."""
    lines = io.TextIOWrapper(io.BytesIO(body), "utf-8", newline="")
    reader = csv.reader(lines, delimiter=layout.delimiter, strict=True)
    while reader.line_num < layout.header_line:
        next(reader)
    line = reader.line_num
    try:
        for cells in reader:
            if reader.line_num > line + 1:
                raise csv.Error("a quote is not closed on its line")
            line += 1
            if len(cells) > 1 or (cells and cells[0].strip()):
                yield line, cells
    except csv.Error as error:
        detail = (
            f"Line {line + 1} is not right CSV: {error}. Close every quote on its line "
            "and write numbers without quotes."
        )
        raise MalformedBodyError(detail, [Place(detail)]) from error


def _row_mistakes(
    cells: list[str], row: int, line: int, layout: Layout
) -> Iterator[Mistake]:
    if len(cells) != layout.n_columns:
        expected = "header" if layout.names else "first row"
        detail = (
            f"{row_place(row, line)} has {counted(len(cells), 'cell')}, but the "
            f"{expected} has {layout.n_columns}. Make every row as long."
        )
        yield Mistake(Place(detail, row=row))
        return
    for column, cell in enumerate(cells, start=1):
        mistake = cell_mistake(cell, row, line, column, layout.names or ())
        if mistake is not None:
            yield mistake
