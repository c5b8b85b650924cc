"""The HTML report in Chromium: its script runs under its own policy, and nothing of data does."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import lxml.html
import pytest

import isoglot
from isoglot import Audit, Collection
from isoglot.report.html.page import Material, audits_to_html

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


@pytest.fixture(scope="module")
def html(tiny_model: Path, small_collection: Collection) -> str:
    audit: Audit = isoglot.audit(str(tiny_model), small_collection)
    name = "=<img src=x onerror='document.title=1'>"
    return audits_to_html(Material([audit, audit], [Path("a"), Path("b")], [name, "after"], small_collection))


def opened(html: str, folder: Path, query: str = "") -> tuple[lxml.html.HtmlElement, str]:
    """The page's elements after its script has run, and what Chromium told on its console."""
    page = folder / "report.html"
    page.write_text(html, encoding="utf-8")
    assert CHROMIUM is not None  # else skipped
    flags = [
        *("--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--virtual-time-budget=2000"),
        *(f"--user-data-dir={folder / 'profile'}", "--dump-dom", f"{page.as_uri()}{query}"),
    ]
    done = subprocess.run([CHROMIUM, *flags], capture_output=True, text=True, check=True, timeout=60)
    console = "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)
    return lxml.html.document_fromstring(done.stdout), console


def driven(html: str, driver: str) -> str:
    """The page with more script in it, and without the policy that forbids that."""
    without = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)
    return without.replace("</script>\n</body>", f"{driver}</script>\n</body>")


def test_the_script_runs_without_an_error_and_data_does_not(html: str, tmp_path: Path) -> None:
    page, console = opened(html, tmp_path, "?theme=dark")
    assert console == ""
    assert page.xpath("string(//title)").startswith("isoglot report: =<img")
    assert "color-scheme: dark" in page.get("style")
    assert not page.xpath("//img")
    assert page.xpath("//button[@id='csv' and not(@hidden)]")
    assert len(page.xpath("//table[@id='all']//th/button")) == 4 + 3


def test_a_script_that_is_not_the_pages_own_is_refused(html: str, tmp_path: Path) -> None:
    page, console = opened(html.replace("</body>", "<script>document.title = 'hacked'</script></body>"), tmp_path)
    assert page.xpath("string(//title)") != "hacked"
    assert "Content Security Policy" in console


def test_columns_sort_rows_filter_and_the_theme_turns(html: str, tmp_path: Path) -> None:
    driver = """
      const heads = [...document.querySelectorAll("#all th button")];
      heads[4].click(); heads[4].click();
      document.querySelector("#filter").value = "multi RU max_r ";
      document.querySelector("#filter").dispatchEvent(new Event("input"));
      theme.click();
    """
    page, console = opened(driven(html, driver), tmp_path)
    assert console == ""
    rows = page.xpath("//table[@id='all']/tbody/tr")
    values = [float(text.split()[0]) for row in rows if (text := row.xpath("string(td[5])")) != "-"]
    assert values == sorted(values, reverse=True)
    assert [row.xpath("string(td[5])") for row in rows][-1] == "-"  # what has no value comes last
    shown = [row.text_content() for row in rows if row.get("hidden") is None]
    assert len(shown) == 4  # max_r and max_r_norm, asked in en and in ru
    assert all("en+ru" in text for text in shown)
    assert page.xpath("//th[@aria-sort='descending']")
    assert "color-scheme: dark" in page.get("style")


def test_the_csv_holds_the_measures_and_no_formula(html: str, tmp_path: Path) -> None:
    driver = """
      URL.createObjectURL = (blob) => { blob.text().then((text) => { root.dataset.csv = text; }); return "#"; };
      csv.click();
    """
    page, _ = opened(driven(html, driver), tmp_path)
    lines = page.get("data-csv").lstrip("\ufeff").splitlines()
    assert lines[0].startswith("scenario,pool,asked in,documents in,measure,audit,mean,low,high")
    first = lines[1].split(",")
    assert first[:5] == ["multi", "en+de", "en", "", "complete@10"]
    assert first[5] == "'=<img src=x onerror='document.title=1'>"
    assert float(first[6]) >= float(first[7])
