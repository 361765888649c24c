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
import yaml

from tests.integration.browser import Page, browser_page
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


# What the reader shows of an operation is in shadow roots within each other.
READING = """
const parts = (kind) => [...(document.querySelector("rapi-doc").shadowRoot
  ?.querySelectorAll(kind) ?? [])];
const operation = (method, path) => parts("api-request")
  .find((part) => part.method === method && part.path === path)?.shadowRoot;
const text = (root) => [...root.children].map((part) => part.innerText).join("\\n");
"""


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nobody is interested."""


@pytest.fixture(scope="session")
def browser() -> str:
    browser = shutil.which("chromium")
    if browser is None:
        missing = "chromium is missing (apt-get install chromium)"
        if os.environ.get("GMM_TEST_REQUIRE_ALL") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    return browser


@pytest.fixture(scope="session")
def show(browser, tmp_path_factory) -> Callable[..., str]:
    """Loads a page in chromium; returns what it became, and what was logged."""
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
def reader(browser, service, tmp_path) -> Iterator[Page]:
    """The reader of the contract, with every operation on it."""
    with browser_page(browser, tmp_path / "profile") as page:
        page.go_to(f"{service.url}/docs")
        page.evaluate(READING)
        page.eventually("operation('get', '/problems/{code}') !== undefined")
        yield page


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


def test_the_reader_shows_the_answers_of_every_operation(reader, service):
    contract = yaml.safe_load(service.get("/openapi.yaml").text)
    n_operations = sum(
        len(methods.keys() - {"parameters"}) for methods in contract["paths"].values()
    )
    shown = reader.evaluate("parts('api-response').map((p) => text(p.shadowRoot))")
    assert len(shown) == n_operations
    assert all(re.search(r"RESPONSE\s+20\d", answers) for answers in shown)
    assert reader.mistakes == []


@pytest.mark.parametrize("path", ["/v1/datasets", "/v1/fits", "/v1/models"])
def test_what_the_reader_would_send_is_accepted(reader, service, path):
    form = f"operation('post', '{path}')"
    body = json.loads(reader.evaluate(f"{form}.querySelector('textarea').value"))
    assert service.post(path, json=body).ok
    reader.evaluate(f"{form}.querySelector('.m-btn.primary').click()")
    status = f"text({form}).match(/Response Status: \\S+?(\\d+)/)?.[1]"
    assert reader.eventually(status) in ("201", "202")
    assert reader.mistakes == []
