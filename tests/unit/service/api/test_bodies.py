from __future__ import annotations

import gzip
import io
import zlib
from dataclasses import replace

import numpy as np
import pytest
from werkzeug.test import create_environ
from werkzeug.wrappers import Request

from service.api.app import create_app
from tests.unit.service.api.conftest import OPTIONS, problem

CSV, JSON = "text/csv", "application/json"


def rows(n):
    return "1.25,2.5\n" * n


class Sender(io.RawIOBase):
    """A body that is still being sent: counts what is taken of it."""

    def __init__(self, block, blocks):
        self.block, self.left, self.taken = block, blocks, 0

    def readable(self):
        return True

    def readinto(self, buffer):
        if self.left == 0:
            return 0
        self.left -= 1
        size = min(len(self.block), len(buffer))
        buffer[:size] = self.block[:size]
        self.taken += size
        return size


def send(client, body, content_length=None, content_type=CSV, terminated=True):
    """Send a stream; without a length as with Transfer-Encoding: chunked.

    `terminated`: the server ends the stream at its length, as gunicorn does.
    """
    environ = create_environ("/v1/datasets", method="POST", content_type=content_type)
    environ["wsgi.input"] = body
    if terminated:
        environ["wsgi.input_terminated"] = True
    if content_length is not None:
        environ["CONTENT_LENGTH"] = str(content_length)
    return client.open(Request(environ))


def test_a_gzip_body_is_inflated(client):
    answer = client.post(
        "/v1/datasets",
        data=gzip.compress(rows(7).encode()),
        content_type=CSV,
        headers={"Content-Encoding": "gzip"},
    )
    assert answer.json["n_samples"] == 7


def test_a_gzip_body_of_several_members_is_inflated_as_one(client):
    body = gzip.compress(rows(3).encode()) + gzip.compress(rows(4).encode())
    answer = client.post(
        "/v1/datasets",
        data=body,
        content_type=CSV,
        headers={"Content-Encoding": "GZIP"},
    )
    assert answer.json["n_samples"] == 7


def test_json_may_be_compressed_too(client):
    answer = client.post(
        "/v1/datasets",
        data=gzip.compress(b'{"data": [[1, 2]]}'),
        content_type="application/json",
        headers={"Content-Encoding": "gzip"},
    )
    assert answer.status_code == 201


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "x" * 999])
def test_other_encodings_are_refused(client, encoding):
    answer = client.post(
        "/v1/datasets",
        data=zlib.compress(b"1,2"),
        content_type=CSV,
        headers={"Content-Encoding": encoding},
    )
    document = problem(answer, 415, "unsupported-media-type")
    assert "gzip" in document["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b"1,2\n",
        gzip.compress(rows(100).encode())[:-9],
        gzip.compress(rows(100).encode())[:-4] + b"oops",
        gzip.compress(rows(100).encode()) + b"tail",
        gzip.compress(rows(100).encode())[:12],
        b"\x1f\x8b",
    ],
)
@pytest.mark.parametrize("content_type", [CSV, "application/json", "application/x-npy"])
def test_broken_gzip_is_malformed(client, body, content_type):
    answer = client.post(
        "/v1/datasets",
        data=body,
        content_type=content_type,
        headers={"Content-Encoding": "gzip"},
    )
    problem(answer, 400, "malformed-body")


def test_a_body_announced_as_too_large_is_refused_and_read_to_its_end(client):
    body = Sender(b"1,2\n" * 1000, 50)
    answer = send(client, body, content_length=200_000)
    document = problem(answer, 413, "body-too-large")
    assert "100000 bytes" in document["detail"]
    assert body.taken == 200_000


def test_a_body_without_a_length_is_refused_while_it_is_sent(client):
    body = Sender(b"1,2\n" * 1000, 200)
    problem(send(client, body), 413, "body-too-large")
    assert body.left == 0


def test_what_is_read_of_a_refused_body_is_bounded(client):
    body = Sender(b"1,2\n" * 10_000, 10_000)
    problem(send(client, body), 413, "body-too-large")
    assert body.taken < 2_000_000


def test_a_body_of_just_the_limit_is_read(stage, world):
    text = rows(11).encode()
    options = replace(OPTIONS, max_body_bytes=len(text))
    client = create_app(stage.services, stage, options).test_client()
    assert client.post("/v1/datasets", data=text, content_type=CSV).status_code == 201
    answer = client.post("/v1/datasets", data=text + b"\n", content_type=CSV)
    problem(answer, 413, "body-too-large")


@pytest.mark.parametrize("content_type", [CSV, "application/json", "application/x-npy"])
def test_a_small_body_that_inflates_to_a_large_one_is_refused(client, content_type):
    bomb = gzip.compress(b" " * 50_000_000, 9)
    assert len(bomb) < 100_000
    answer = client.post(
        "/v1/datasets",
        data=bomb,
        content_type=content_type,
        headers={"Content-Encoding": "gzip"},
    )
    assert answer.status_code in (400, 413)
    if content_type != "application/x-npy":  # there the first bytes are wrong already
        problem(answer, 413, "body-too-large")


def test_a_json_body_has_a_lower_limit_of_its_own(client):
    text = '{"data": [[1, 2]]%s}' % (" " * 90_000)
    answer = client.post("/v1/datasets", data=text, content_type="application/json")
    document = problem(answer, 413, "body-too-large")
    assert "application/x-npy" in document["detail"]


@pytest.mark.parametrize("terminated", [False, True])
def test_a_body_that_ends_too_early_is_malformed(client, terminated):
    body = io.BytesIO(b"1,2\n3,4\n")
    answer = send(client, body, content_length=1000, terminated=terminated)
    problem(answer, 400, "malformed-body")
    assert client.get("/v1/datasets").json["items"] == []


def test_broken_chunks_are_malformed(client):
    class BrokenChunks(io.RawIOBase):
        def read(self, size=-1):
            raise RuntimeError("a server's own error")

    answer = send(client, BrokenChunks())
    problem(answer, 400, "malformed-body")


def test_a_table_with_too_many_rows_is_refused(client):
    answer = client.post("/v1/datasets", data=rows(1001), content_type=CSV)
    problem(answer, 413, "body-too-large")


def test_integers_float32_and_fortran_order_are_read_from_npy(client):
    for array in (
        np.arange(6).reshape(3, 2),
        np.ones((3, 2), np.float32),
        np.asfortranarray(np.ones((3, 2))),
    ):
        body = io.BytesIO()
        np.save(body, array)
        answer = client.post(
            "/v1/datasets", data=body.getvalue(), content_type="application/x-npy"
        )
        assert answer.json["n_samples"] == 3


def test_a_pickle_in_npy_is_never_loaded(client):
    body = io.BytesIO()
    np.save(body, np.array([[print, 1]], dtype=object), allow_pickle=True)
    answer = client.post(
        "/v1/datasets", data=body.getvalue(), content_type="application/x-npy"
    )
    assert answer.status_code in (400, 422)
    assert answer.mimetype == "application/problem+json"


@pytest.fixture
def client_with(stage, world):
    """Return clients of an app with other options."""
    return lambda **options: create_app(
        stage.services, stage, replace(OPTIONS, **options)
    ).test_client()


def test_small_json_bodies_count_as_what_they_take_in_memory(client_with):
    narrow = client_with(max_bodies_bytes=10_000)
    small = b'{"data": [[1, 2], [3, 4]]}'
    assert narrow.post("/v1/datasets", data=small, content_type=JSON).status_code == 201
    # Ten times its size, and more than all bodies may take together.
    padded = small + b" " * 1_000
    problem(
        narrow.post("/v1/datasets", data=padded, content_type=JSON), 503, "too-busy"
    )
    # What a body took is given back with the answer.
    for _ in range(50):
        assert (
            narrow.post("/v1/datasets", data=small, content_type=JSON).status_code
            == 201
        )


def test_a_small_json_body_has_its_bound_too(client_with):
    narrow = client_with(max_json_bytes=2_000)
    padded = b'{"data": [[1, 2], [3, 4]]}' + b" " * 2_000
    problem(
        narrow.post("/v1/datasets", data=padded, content_type=JSON),
        413,
        "body-too-large",
    )


def test_a_small_json_body_that_ends_too_early_is_malformed(client):
    whole = b'{"data": [[1, 2], [3, 4]]}'
    for size in (0, 10, len(whole)):
        body = io.BytesIO(whole[:size])
        answer = send(client, body, content_length=len(whole) + 1, content_type=JSON)
        problem(answer, 400, "malformed-body")
