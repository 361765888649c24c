"""Tables in Parquet files and Arrow streams."""

from __future__ import annotations

import datetime
import decimal
import io
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from service.domain.tables import ArrayResult
from service.errors import (
    InvalidTableError,
    MalformedBodyError,
    MissingValuesError,
    TooLargeError,
)
from service.tables import parquet_claims, write
from service.tables.thrift_compact import read_struct
from tests.unit.service.tables.reading import ARROW, PARQUET, places, read, refusal

XY = pa.table({"x": [1.0, 2.0], "y": [3.0, 4.0]})


def parquet(table: pa.Table, **options: object) -> bytes:
    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file, **options)
    return file.getvalue()


def stream(table: pa.Table, compression: str | None = None) -> bytes:
    file = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(file, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=700)
    return file.getvalue()


@pytest.fixture(params=[parquet, stream], ids=["parquet", "arrow"])
def form(request):
    """How to write a table, and its media type."""
    return request.param, PARQUET if request.param is parquet else ARROW


def test_columns_of_numbers_are_read_with_their_names(form):
    written, media_type = form
    types = [pa.float16(), pa.float32(), pa.float64(), pa.int8(), pa.uint64()]
    arrays = [pa.array([1, 2], kind) for kind in types]
    table = read(written(pa.table(arrays, names=list("abcde"))), media_type)
    assert table.columns == tuple("abcde")
    assert table.rows.tolist() == [[1] * 5, [2] * 5]
    assert table.rows.flags.c_contiguous


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_arrow_streams_may_be_compressed(compression):
    values = np.zeros(900)
    table = read(stream(pa.table({"x": values}), compression), ARROW)
    np.testing.assert_array_equal(table.rows[:, 0], values)


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd", "brotli"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("use_dictionary", [True, False])
def test_parquet_files_may_be_compressed(compression, version, use_dictionary):
    values = np.arange(900) % 10
    body = parquet(
        pa.table({"a.b": values, "c": -values}),
        compression=compression,
        data_page_version=version,
        use_dictionary=use_dictionary,
        row_group_size=400,
        write_page_checksum=True,
    )
    table = read(body, PARQUET)
    assert table.columns == ("a.b", "c")
    np.testing.assert_array_equal(table.rows, np.column_stack([values, -values]))


@pytest.mark.parametrize(
    "values",
    [
        ["text"],
        [True],
        [[1.0]],
        [{"a": 1.0}],
        [decimal.Decimal("1.5")],
        [datetime.datetime(2020, 1, 1)],
        [datetime.date(2020, 1, 1)],
        [None],
        pa.array(["x"]).dictionary_encode(),
    ],
)
def test_a_column_of_another_type_is_refused_with_its_name(form, values):
    written, media_type = form
    table = pa.table({"x": [1.0], "other": values})
    error = refusal(InvalidTableError, written(table), media_type)
    assert "Column 2 ('other')" in error.detail
    assert places(error) == [(None, 2)]


def test_numbers_in_a_dictionary_are_refused():
    table = pa.table({"x": pa.array([1.0, 1.0]).dictionary_encode()})
    error = refusal(InvalidTableError, stream(table), ARROW)
    assert "dictionary" in error.detail


def test_nulls_and_nan_are_missing_values(form):
    written, media_type = form
    table = pa.table({"x": [1.0, None, np.nan], "n": pa.array([1, 2, None])})
    error = refusal(MissingValuesError, written(table), media_type)
    assert places(error) == [(2, 1), (3, 1), (3, 2)]
    assert error.detail.startswith("Row 2, column 1 ('x') is NaN or null")


def test_the_place_of_a_mistake_counts_rows_over_all_batches(form):
    written, media_type = form
    values = np.zeros(900)
    values[800] = np.inf
    error = refusal(InvalidTableError, written(pa.table({"x": values})), media_type)
    assert places(error) == [(801, 1)]


def test_the_index_of_a_pandas_data_frame_is_left_out(form):
    written, media_type = form
    table = pa.table({"x": [1.0], "__index_level_0__": ["row name"]})
    assert read(written(table), media_type).columns == ("x",)


@pytest.mark.parametrize(
    ("names", "advice"),
    [
        (["x", "x"], "both named 'x'"),
        (["x", " "], "no name"),
        (["x", "y\n"], None),
        (["x", "y\nz"], "cannot be shown"),
    ],
)
def test_doubtful_names_are_refused(form, names, advice):
    written, media_type = form
    body = written(pa.table([[1.0], [2.0]], names=names))
    if advice is None:
        assert read(body, media_type).columns == ("x", "y")
    else:
        assert advice in refusal(InvalidTableError, body, media_type).detail


@pytest.mark.parametrize(
    ("table", "what"),
    [
        (pa.table({}), "no columns"),
        (pa.table({"__index_level_0__": [1]}), "no columns"),
        (pa.table({"x": pa.array([], pa.float64())}), "no rows"),
    ],
)
def test_an_empty_table_is_refused(form, table, what):
    written, media_type = form
    assert what in refusal(InvalidTableError, written(table), media_type).detail


@pytest.mark.parametrize(
    ("shape", "limit"),
    [((1001, 1), "max_rows"), ((1, 21), "max_columns"), ((501, 10), "max_numbers")],
)
def test_a_table_over_a_limit_is_refused_with_its_name(form, shape, limit):
    written, media_type = form
    columns = {f"c{k}": np.zeros(shape[0]) for k in range(shape[1])}
    error = refusal(TooLargeError, written(pa.table(columns)), media_type)
    assert limit in error.detail


def test_every_truncated_parquet_file_is_refused():
    body = parquet(XY)
    for size in range(len(body)):
        refusal(MalformedBodyError, body[:size], PARQUET)


def test_every_truncated_arrow_stream_is_refused():
    """But where a message ends: the mark of the end is optional."""
    body = stream(XY)
    schema_end, batch_end = len(XY.schema.serialize()), len(body) - 8
    for size in set(range(batch_end)) - {schema_end, schema_end + 4}:
        refusal(MalformedBodyError, body[:size], ARROW)
    assert "no rows" in refusal(InvalidTableError, body[:schema_end], ARROW).detail
    assert read(body[:batch_end], ARROW).rows.tolist() == [[1, 3], [2, 4]]


def test_bytes_after_the_end_are_refused(form):
    written, media_type = form
    refusal(MalformedBodyError, written(XY) + b"more", media_type)


def test_the_arrow_file_format_is_recognized():
    file = io.BytesIO()
    with pa.ipc.new_file(file, XY.schema) as writer:
        writer.write_table(XY)
    error = refusal(MalformedBodyError, file.getvalue(), ARROW)
    assert "stream format" in error.detail


def test_an_arrow_batch_that_lies_about_its_rows_is_refused():
    body = stream(pa.table({"x": np.zeros(600)}))
    rows = (600).to_bytes(8, "little")
    assert body.count(rows) == 2  # of the batch, and of its column
    for lie in (601, 1000, 0):
        refusal(
            MalformedBodyError,
            body.replace(rows, lie.to_bytes(8, "little"), 1),
            ARROW,
        )
    for lie in (1001, 2**40, 2**63 - 1):
        refusal(TooLargeError, body.replace(rows, lie.to_bytes(8, "little")), ARROW)


def test_an_arrow_buffer_that_says_it_inflates_to_a_terabyte_is_refused():
    body = stream(pa.table({"x": np.zeros(600)}), "zstd")
    size = (4800).to_bytes(8, "little")
    assert body.count(size) == 1
    error = refusal(
        TooLargeError, body.replace(size, (2**40).to_bytes(8, "little")), ARROW
    )
    assert "inflates" in error.detail


def test_a_parquet_page_that_inflates_to_more_than_its_rows_is_refused():
    """The pages of one file with the metadata of another, which are consistent."""
    n = 4_000_000
    options = {"compression": "zstd", "use_dictionary": False}
    options |= {"write_statistics": False, "max_rows_per_page": n}
    large = parquet(pa.table({"x": np.zeros(n)}), **options, data_page_size=1 << 30)
    small = parquet(pa.table({"x": np.random.default_rng(0).random(900)}), **options)
    pages, (body, footer) = _parts(large)[0], _parts(small)
    assert len(pages) < len(body)
    bomb = pages + body[len(pages) :] + footer
    error = refusal(TooLargeError, bomb, PARQUET)
    assert "inflate" in error.detail


def test_very_many_pages_of_few_numbers_are_refused(monkeypatch):
    monkeypatch.setattr(parquet_claims, "_SLACK_PAGES", 0)
    table = pa.table({"x": np.random.default_rng(0).random(900)})
    options = {"use_dictionary": False, "data_page_size": 1, "write_batch_size": 10}
    error = refusal(TooLargeError, parquet(table, **options), PARQUET)
    assert "very many pages" in error.detail
    assert read(parquet(table), PARQUET).rows.shape == (900, 1)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x15",
        b"\x15" + b"\x80" * 100,
        b"\x1c" * 50_000,
        b"\x19" * 50_000,
        b"\x19\xf5\xff\xff\xff\xff\x0f" + b"\0" * 100,
        b"\x1d\x00",
    ],
    ids=["empty", "cut", "long", "structs", "lists", "count", "unknown"],
)
def test_garbled_thrift_structs_are_refused(data):
    with pytest.raises(ValueError, match="Thrift"):
        read_struct(data)


def _parts(file: bytes) -> tuple[bytes, bytes]:
    size = int.from_bytes(file[-8:-4], "little") + 8
    return file[:-size], file[-size:]


def test_damaged_column_metadata_do_not_end_the_process():
    """pyarrow 26 aborts when asked about such a column; run where that is harmless."""
    script = (
        "import random\n"
        "from tests import fuzz_tables as fuzz\n"
        "valid = fuzz.valid_files()[fuzz.PARQUET][0]\n"
        "footer = len(valid) - 8 - int.from_bytes(valid[-8:-4], 'little')\n"
        "for k in range(footer, len(valid) - 8):\n"
        "    for byte in (0x00, 0x19, valid[k] ^ 1, valid[k] ^ 2):\n"
        "        body = valid[:k] + bytes([byte]) + valid[k + 1 :]\n"
        "        try:\n"
        "            fuzz.read_any(body, fuzz.PARQUET)\n"
        "        except fuzz.DOCUMENTED:\n"
        "            pass\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


def test_arrays_are_written_as_named_columns_of_their_own_type():
    result = ArrayResult(
        {"samples": np.arange(200_000.0).reshape(-1, 2), "labels": np.arange(100_000)},
        ("x", "y", "label"),
    )
    pieces = list(write(result, ARROW))
    table = pa.ipc.open_stream(b"".join(pieces)).read_all()
    assert len(pieces) > 2
    assert table.schema.names == ["x", "y", "label"]
    assert table.schema.types == [pa.float64(), pa.float64(), pa.int64()]
    np.testing.assert_array_equal(table["y"], np.arange(1, 200_000, 2.0))


def test_no_rows_are_written_as_an_empty_stream():
    result = ArrayResult({"x": np.empty((0, 2))}, ("a", "b"))
    table = pa.ipc.open_stream(b"".join(write(result, ARROW))).read_all()
    assert table.num_rows == 0
    assert table.schema.names == ["a", "b"]
