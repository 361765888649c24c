from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

KEY = "gmm_6bdur7rjtamkulqv_5gyxjctjxsnq62e5eil2nrfzw3ippbssozuhtb6en2yi2bdrp3rq"
# A process of its own: configuring logging changes that of the whole process.
SCRIPT = f"""
import logging, structlog
from service.logs import configure_logging
configure_logging({{format!r}}, "debug")
log = structlog.get_logger("service.api")
log.info("request", path="/v1/fits/{KEY}")
logging.getLogger("gunicorn.error").warning("Invalid %s", "{KEY[:-10]}")
try:
    raise ValueError("{KEY}")
except ValueError:
    log.exception("unexpected error")
"""


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_key_is_masked_wherever_it_comes_into_a_line(log_format):
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT.replace("{format!r}", repr(log_format))],
        capture_output=True,
        text=True,
        check=True,
    )
    assert KEY[21:40] not in ran.stderr
    assert ran.stderr.count("gmm_6bdur7rjtamkulqv_…") >= 3
    if log_format == "json":
        lines = [json.loads(line) for line in ran.stderr.splitlines()]
        assert [line["level"] for line in lines] == ["info", "warning", "error"]


BOTH_WAYS = """
import sys, structlog
from service.logs import AnsweredRequest, configure_logging, request_handler
configure_logging({format!r}, "info")
answered = dict(method="POST", path={path!r}, status=422, seconds=0.0123)
names = dict(request_id={request_id!r}) | ({key} or {{}})
structlog.contextvars.bind_contextvars(**names)
structlog.get_logger("service.api").info("request", **answered)
lines = request_handler()
lines.write_request(AnsweredRequest(**answered, **({{"key_id": None}} | names)))
"""
MOMENT = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


@pytest.mark.parametrize("log_format", ["console", "json"])
@pytest.mark.parametrize("key", ['{"key_id": "6bdur7rjtamkulqv"}', "None"])
@pytest.mark.parametrize(
    ("path", "request_id"),
    [
        ("/v1/models/x7/predict", "f" * 32),
        ("/caf%C3%A9/%0A%22%27~", "a.b-c_d"),
        (f"/v1/fits/{KEY}", KEY[:64]),
    ],
)
def test_the_line_of_a_request_is_that_of_a_logger(log_format, key, path, request_id):
    script = BOTH_WAYS.format(
        format=log_format, key=key, path=path, request_id=request_id
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    logged, written = ran.stderr.splitlines()
    assert MOMENT.search(written)
    logged, written = MOMENT.sub("", logged), MOMENT.sub("", written)
    if log_format == "json":
        # Where the names come among the others is by chance.
        logged, written = json.loads(logged), json.loads(written)
    assert written == logged
    assert KEY[21:40] not in ran.stderr


MANY = """
import threading
from service.logs import AnsweredRequest, configure_logging, request_handler
configure_logging("json", "info")
lines = request_handler()
def write(number):
    for _ in range(200):
        lines.write_request(
            AnsweredRequest("GET", "/" + str(number) * 150, 200, 0.1, "id", None)
        )
writers = [threading.Thread(target=write, args=[number]) for number in range(8)]
for writer in writers: writer.start()
for writer in writers: writer.join()
"""


def test_lines_of_many_threads_stay_whole():
    ran = subprocess.run(
        [sys.executable, "-c", MANY], capture_output=True, text=True, check=True
    )
    paths = [json.loads(line)["path"] for line in ran.stderr.splitlines()]
    assert len(paths) == 8 * 200
    assert {len(set(path[1:])) for path in paths} == {1}


@pytest.mark.parametrize("level", ["warning", "error"])
def test_requests_are_not_logged_where_they_are_not_wanted(level):
    script = (
        "from service.logs import configure_logging, request_handler\n"
        f"configure_logging('json', {level!r})\n"
        "assert request_handler() is None"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
