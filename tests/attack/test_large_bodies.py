"""Bodies that are larger, deeper or longer than they look."""

from __future__ import annotations

import gzip
import io
import threading
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import requests

from tests.attack.conftest import Victim

MEBIBYTE = 1 << 20
POSTED = ("/v1/datasets", "/v1/fits", "/v1/models")
ASKED = ("predict", "predict_proba", "score", "score_samples", "sample")


@cache
def ten_gigabytes(line: bytes, start: bytes = b"") -> bytes:
    """About 10 MB of gzip: a hundred members of a hundred megabytes each."""
    member = gzip.compress(line * (100 * MEBIBYTE // len(line)))
    return gzip.compress(start) + member * 100


def header_of(n_rows: int) -> bytes:
    file = io.BytesIO()
    shape = (n_rows, 10)
    np.lib.format.write_array_header_1_0(
        file, {"descr": "<f8", "fortran_order": False, "shape": shape}
    )
    return file.getvalue()


BOMBS: dict[str, Callable[[], bytes]] = {
    "application/json": lambda: ten_gigabytes(b"[0,0],", b'{"data": ['),
    "text/csv": lambda: ten_gigabytes(b"0,0\n"),
    "application/x-npy": lambda: ten_gigabytes(b"\0" * 64, header_of(5_000_000)),
    "application/vnd.apache.parquet": lambda: ten_gigabytes(b"PAR1"),
    "application/vnd.apache.arrow.stream": lambda: ten_gigabytes(b"\xff\xff\xff\xff"),
}


def test_gzip_bombs_of_every_kind_at_a_time_are_refused_and_nobody_waits(
    victim: Victim,
):
    answers: list[requests.Response] = []

    def drop(content_type: str) -> None:
        answer = victim.service.post(
            f"{victim.model}/predict",
            data=BOMBS[content_type](),
            headers={"Content-Type": content_type, "Content-Encoding": "gzip"},
        )
        answers.append(answer)

    for make in BOMBS.values():
        make()
    threads = [threading.Thread(target=drop, args=(kind,)) for kind in BOMBS]
    for thread in threads:
        thread.start()
    victim.assert_others_are_served(2, "gzip bombs")
    for thread in threads:
        thread.join()
    # 503: together they are more than may be in memory at a time.
    assert {answer.status_code for answer in answers} <= {400, 413, 503}
    print(f"peak {victim.peak_bytes() >> 20} MB")
    # GMM_MAX_BODIES_BYTES is 2 GiB; what is read in pieces is joined to one.
    assert victim.peak_bytes() < 5 << 30


def test_json_nested_ten_thousand_deep_is_refused_everywhere(victim: Victim):
    deep = b"[" * 10_000 + b"]" * 10_000
    objects = b'{"a":' * 10_000 + b"1" + b"}" * 10_000
    paths = [*POSTED, *(f"{victim.model}/{verb}" for verb in ASKED)]
    for path in paths:
        for body in (deep, objects, b'{"data": ' + deep + b"}"):
            answer = victim.service.post(
                path, data=body, headers={"Content-Type": "application/json"}
            )
            assert answer.status_code == 400, (path, answer.text)
            assert answer.json()["code"] == "malformed-body"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"data": [[' + b"9" * 1_000_000 + b"]]}", 422),
        (b'{"data": [[1e' + b"9" * 1_000_000 + b"]]}", 422),
        (b'{"data": [[' + b"1," * 1_000_000 + b"1]]}", 413),
        (b'{"data": [' + b"[]," * 1_000_000 + b"[]]}", 422),
        (b'{"data": [["' + b"a" * 1_000_000 + b'"]]}', 422),
        (b'{"' + b"k" * 1_000_000 + b'": 1}', 422),
        (b"{" + b",".join(b'"%d": 1' % k for k in range(100_000)) + b"}", 422),
    ],
    ids=["digits", "exponent", "columns", "rows", "text", "key", "keys"],
)
def test_what_is_long_in_json_is_refused_soon_and_in_few_words(
    victim: Victim, body: bytes, status: int
):
    answer = victim.service.post(
        f"{victim.model}/predict",
        data=body,
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == status, answer.text[:500]
    assert len(answer.content) < 50_000
    assert answer.elapsed.total_seconds() < 2
