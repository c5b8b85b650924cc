"""report.png: the charts of a report, drawn by Chromium: python -m benchmarks.pictures.report BEFORE AFTER."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from isoglot.cli import main as isoglot

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "pictures"
WIDTH, HEIGHT = 1000, 820


def draw(page: Path, picture: Path) -> None:
    """Write the charts of mixed pools in a report as a PNG."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        opened.goto(page.resolve().as_uri())
        top = opened.locator("#pools-title").bounding_box()
        assert top is not None
        clip = {"x": 0, "y": top["y"] - 8, "width": WIDTH, "height": HEIGHT}
        opened.screenshot(path=picture, full_page=True, clip=clip)
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pictures.report", description=__doc__)
    parser.add_argument("audits", nargs="+", help="folders with audits: before, after")
    parser.add_argument("--out", type=Path, default=FOLDER, help="where the picture goes (default: docs/pictures)")
    given = parser.parse_args()
    picture = given.out / "report.png"
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "report.html")
        try:
            isoglot(["report", *given.audits, "--names", "before,after", "-o", str(page)])
        except SystemExit as ended:
            if ended.code:
                raise
        draw(page, picture)
    print(f"{picture.name}, {picture.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
