"""Debian's Chromium, driven by Playwright, and what a page does in it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here (Debian: apt install chromium)")
DESK = {"width": 1280, "height": 900}


class Opened:
    """A page and all that it did beyond showing itself.

    Args:
        browser: Where it is opened.
        own: Requests to addresses that begin so are not told; None: all are.
        **options: Playwright's.
    """

    def __init__(self, browser: Browser, own: str | None = None, **options: Any) -> None:
        self.page: Page = browser.new_page(**{"viewport": DESK, **options})
        self.told: list[str] = []
        self.page.on("console", lambda message: self.told.append(f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self.told.append(f"error: {error}"))
        self.page.on("dialog", lambda dialog: (self.told.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on("request", lambda request: self._tell_request(request.url, own))

    def _tell_request(self, url: str, own: str | None) -> None:
        if own is None or not url.startswith(own):
            self.told.append(f"request: {url}")
