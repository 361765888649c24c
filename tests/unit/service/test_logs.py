from __future__ import annotations

import json
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
