"""The site of the documentation: built strictly, and opened on a desk and a phone, in light and dark."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser import DESK, Opened, needs_chromium
from tests.docs_pages import DOCS

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PHONE = {"width": 390, "height": 844}
PAGES = ("", "tutorial/", "how-to/corpus-without-labels/", "explanation/calibration-and-scaling/", "reference/python/")
"""One page of each part."""
OF_THE_THEME = ("landmark-unique",)
"""Rules that the theme breaks by itself: its nested navigation and the boxes of its copy buttons have no names."""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the built site; a dead link, a missing page or a name without documentation ends the build."""
    folder = tmp_path_factory.mktemp("docs") / "site"
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--quiet",
        "-f",
        DOCS.parent / "mkdocs.yml",
        "-d",
        folder,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Where the site is served."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.mark.process
def test_every_page_is_in_the_navigation_and_built(site: Path) -> None:
    pages = {page.relative_to(DOCS).with_suffix("") for page in DOCS.rglob("*.md")}
    built = {page.parent.relative_to(site) for page in site.rglob("index.html")}
    assert {page.parent if page.name == "index" else page for page in pages} <= built


@pytest.mark.browser
@pytest.mark.process
@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_pages_are_accessible_ask_nobody_else_and_fit(
    browser: Browser, address: str, scheme: str, viewport: dict[str, int]
) -> None:
    opened = Opened(browser, own=address, viewport=viewport, color_scheme=scheme)
    for page in PAGES:
        opened.page.goto(address + page, wait_until="networkidle")
        overflow = opened.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, f"{page} is {overflow} px too wide"
        found = Axe().run(opened.page, options={"rules": {rule: {"enabled": False} for rule in OF_THE_THEME}})
        assert found.violations_count == 0, f"{page}: {found.generate_report()}"
    assert opened.told == []


@pytest.mark.browser
@pytest.mark.process
@needs_chromium
def test_the_search_finds_a_page(browser: Browser, address: str) -> None:
    page = Opened(browser, own=address).page
    page.goto(address, wait_until="networkidle")
    page.get_by_role("textbox", name="Search").first.press_sequentially("calibration")
    page.locator(".md-search-result__link").first.wait_for()
    assert "alibration" in page.locator(".md-search-result__list").inner_text()
