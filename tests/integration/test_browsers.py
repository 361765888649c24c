"""A real browser before a service that needs no keys."""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.integration.running import Service

# Asks as a page can: with and without asking the service first whether it may.
PAGE = """<!doctype html><pre id="told"></pre><script>
const json = {"Content-Type": "application/json"};
const model = '{"weights": [1], "means": [[0]], "covariances": [[[1]]]}';
const tries = {
  send: () => fetch("URL/v1/models", {method: "POST", mode: "no-cors", body: model}),
  create: () => fetch("URL/v1/models", {method: "POST", headers: json, body: model}),
  read: () => fetch("URL/v1/models"),
  watch: () => fetch("URL/v1/fits/x/events", {mode: "no-cors"}),
};
(async () => {
  const told = {};
  for (const name in tries) {
    try { told[name] = (await tries[name]()).status }
    catch { told[name] = "refused" }
  }
  document.getElementById("told").textContent = JSON.stringify(told);
})();
</script>"""


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nobody is interested."""


@pytest.fixture(scope="session")
def show(tmp_path_factory) -> Callable[..., str]:
    """Loads a page in chromium; returns what it became, and what was logged."""
    browser = shutil.which("chromium")
    if browser is None:
        missing = "chromium is missing (apt-get install chromium)"
        if os.environ.get("GMM_TEST_REQUIRE_ALL") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    profile = tmp_path_factory.mktemp("profile")

    def show(url: str, *options: str) -> str:
        words = ["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
        words += [f"--user-data-dir={profile}", "--virtual-time-budget=5000"]
        ran = subprocess.run(
            [browser, *words, *options, url],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return ran.stdout + ran.stderr

    return show


@pytest.fixture
def other_site(tmp_path: Path, service: Service) -> Iterator[str]:
    """Another site on the same machine; its page calls the service."""
    (tmp_path / "index.html").write_text(PAGE.replace("URL", service.url))
    handler = partial(QuietHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def test_another_sites_page_neither_reads_nor_changes_anything(
    show, service, other_site
):
    before = service.get("/v1/models?limit=200").json()["items"]
    (told,) = re.findall(r'<pre id="told">(.*?)</pre>', show(other_site))
    assert json.loads(told) == dict.fromkeys(
        ("send", "create", "read", "watch"), "refused"
    )
    assert service.get("/v1/models?limit=200").json()["items"] == before


def test_a_name_that_was_made_to_point_here_is_refused(show, service):
    port = urlsplit(service.url).port
    rebound = show(
        f"http://rebound.example:{port}/v1/models",
        "--host-resolver-rules=MAP rebound.example 127.0.0.1",
    )
    assert "foreign-page" in rebound
    assert '"items"' not in rebound


def test_the_pages_for_people_are_shown_within_their_policies(show, service):
    assert "gmm-service" in show(f"{service.url}/")
    reader = show(f"{service.url}/docs", "--enable-logging=stderr")
    assert "rapi-doc" in reader
    assert "Content Security Policy" not in reader
    assert '"items"' in show(f"{service.url}/v1/models")
