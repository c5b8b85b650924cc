"""The HTML report in Chromium, from a disk: it shows every part, anybody can use it, and no data runs in it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import isoglot
from isoglot import Collection
from isoglot.encoders.sentence_transformer import load_encoder
from isoglot.report.html.page import Material, audits_to_html
from tests.browser import DESK, Opened, needs_chromium
from tests.test_html_report import HOSTILE, hostile_material, with_ranks

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, needs_chromium]

OPEN_ALL = "document.querySelectorAll('details').forEach((part) => { part.open = true; })"
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def report(tiny_model: Path, small_collection: Collection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    audit = isoglot.audit(str(tiny_model), small_collection)
    better = with_ranks(audit, lambda ranks: (ranks + 1) // 2)
    encoder = load_encoder(str(tiny_model))
    names = ["=<img src=x onerror='document.title=1'>", "after"]
    material = Material(
        audits=[audit, better],
        folders=[Path("a"), Path("b")],
        names=names,
        collection=small_collection,
        encoders=[lambda: encoder] * 2,
    )
    return written(audits_to_html(material), tmp_path_factory)


@pytest.fixture(scope="module")
def hostile(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(audits_to_html(hostile_material(tiny_model)), tmp_path_factory)


def written(html: str, folders: pytest.TempPathFactory) -> Path:
    path = folders.mktemp("report") / "report.html"
    path.write_text(html, encoding="utf-8")
    return path


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Opened]]:
    """Open a file; its page is closed after the test."""
    pages = []

    def open_file(file: Path, **options: Any) -> Opened:
        opened = Opened(browser, **options)
        pages.append(opened)
        opened.page.goto(file.as_uri())
        opened.told.remove(f"request: {file.as_uri()}")
        return opened

    yield open_file
    for opened in pages:
        opened.page.close()


@pytest.fixture
def opened(open_page: Callable[..., Opened], report: Path) -> Opened:
    return open_page(report)


def test_every_chart_is_there_and_no_request_or_console_message_is_made(opened: Opened) -> None:
    page = opened.page
    page.evaluate(OPEN_ALL)
    titles = page.locator("figure h3").all_inner_texts()
    for title in (
        "Median rank of the relevant document, pools of 2 languages",
        "Complete@K",
        "Where the worst-placed version stands",
        "Share of the top 10, against the pool's",
        "Whose version is placed worst",
        "The relevant document and its twin",
        "How similar documents are",
        "Where documents lie",
    ):
        assert title in titles
    for box in page.evaluate("[...document.querySelectorAll('figure svg')].map((svg) => svg.getBoundingClientRect())"):
        assert box["width"] > 150
        assert box["height"] > 80
    drawn = "[...document.querySelectorAll('figure svg')].every((svg) => svg.querySelector('path, text'))"
    assert page.evaluate(drawn)
    page.wait_for_timeout(100)
    assert opened.told == []


def test_a_script_that_is_not_the_pages_own_is_refused(
    open_page: Callable[..., Opened], report: Path, tmp_path: Path
) -> None:
    injected = tmp_path / "injected.html"
    injected.write_text(
        report.read_text().replace("</body>", "<script>window.hacked = 1</script><img src='http://localhost/'></body>")
    )
    opened = open_page(injected)
    assert opened.page.evaluate("window.hacked") is None
    assert len(opened.told) >= 2
    assert all("Content Security Policy" in line for line in opened.told if line.startswith("console"))


def test_the_hostile_corpus_is_inert(open_page: Callable[..., Opened], hostile: Path) -> None:
    opened = open_page(hostile)
    page = opened.page
    page.evaluate(OPEN_ALL)
    page.wait_for_timeout(200)
    assert opened.told == []
    assert page.evaluate("window.hacked") is None
    assert page.locator("main img, main iframe, main b:text-is('bold')").count() == 0
    shown = page.locator(".text p").all_inner_texts()
    assert HOSTILE[0] in shown
    assert "nul � bell � escape �[31m" in page.locator("h1").inner_text()
    assert max(map(len, shown)) <= 500  # of the megabyte
    # A direction that data turns ends with the data: what follows stands to its right.
    assert page.evaluate("getComputedStyle(document.querySelector('h4 bdi')).unicodeBidi") == "isolate"


def test_right_to_left_texts_run_from_the_right(open_page: Callable[..., Opened], hostile: Path) -> None:
    page = open_page(hostile).page
    page.evaluate(OPEN_ALL)
    arabic = page.locator(".text p", has_text="ثلج").first
    assert arabic.get_attribute("lang") == "ar"
    ends = """(text) => {
      const range = document.createRange();
      range.selectNodeContents(text);
      const [inner, outer] = [range.getBoundingClientRect(), text.getBoundingClientRect()];
      return [getComputedStyle(text).direction, outer.right - inner.right, inner.left - outer.left];
    }"""
    direction, right, left = arabic.evaluate(ends)
    assert direction == "rtl"
    assert right < 1 < left
    assert page.locator(".text p[lang=en]").first.evaluate(ends)[0] == "ltr"


@pytest.mark.parametrize(
    ("file", "scheme", "size"), [("report", "light", DESK), ("report", "dark", PHONE), ("hostile", "dark", DESK)]
)
def test_the_page_breaks_no_rule_of_wcag_aa(
    open_page: Callable[..., Opened], request: pytest.FixtureRequest, file: str, scheme: str, size: Any
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = open_page(request.getfixturevalue(file), color_scheme=scheme, viewport=size).page
    page.evaluate(OPEN_ALL)
    results = Axe().run(page)
    assert results.response["violations"] == [], results.generate_report()


def test_light_and_dark_are_as_the_system_says_and_turn_at_a_button(
    open_page: Callable[..., Opened], report: Path
) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    seen = []
    for scheme in ("light", "dark"):
        page = open_page(report, color_scheme=scheme).page
        before = page.evaluate(ground)
        page.get_by_role("button", name="dark or light").press("Enter")
        seen.append((before, page.evaluate(ground)))
    (light, turned), (dark, back) = seen
    assert light != dark
    assert (turned, back) == (dark, light)


def test_a_phone_of_360_pixels_shows_it_without_scrolling_sideways(
    open_page: Callable[..., Opened], report: Path
) -> None:
    page = open_page(report, viewport=PHONE).page
    page.evaluate(OPEN_ALL)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    outside = """[...document.querySelectorAll('main *')]
      .filter((part) => !part.closest('.scroll') && part.getBoundingClientRect().right > 361)
      .map((part) => part.outerHTML.slice(0, 80))"""
    assert page.evaluate(outside) == []
    assert page.evaluate("document.querySelector('#all').closest('.scroll').scrollWidth") > 360  # the table, in its box


def test_the_keyboard_reaches_every_control_and_shows_where_it_is(opened: Opened) -> None:
    page = opened.page
    page.evaluate("document.querySelector('details.table').open = true")
    controls = page.locator(":is(button, input, summary, .scroll):visible").count()
    here = """() => {
      const part = document.activeElement;
      part.dataset.reached = 1;
      const { outlineStyle, outlineWidth } = getComputedStyle(part);
      return [part === document.body, outlineStyle, parseFloat(outlineWidth)];
    }"""
    for _ in range(controls):
        page.keyboard.press("Tab")
        nowhere, style, width = page.evaluate(here)
        assert not nowhere
        assert style != "none"
        assert width >= 2
    assert page.locator("[data-reached]").count() == controls


def test_rows_sort_and_filter_and_parts_open_by_keyboard(opened: Opened) -> None:
    page = opened.page
    page.locator("#filter").focus()
    page.keyboard.type("multi RU max_r ")
    assert page.locator("details.table").get_attribute("open") is not None  # else the matches would be hidden
    rows = page.locator("#all tbody tr:visible")
    assert rows.count() == 4  # max_r and max_r_norm, asked in en and in ru
    assert all("en+ru" in text for text in rows.all_inner_texts())
    page.locator("#filter").fill("")
    head = page.locator("#all th").nth(4)
    head.get_by_role("button").focus()
    for key, order in (("Enter", "ascending"), ("Space", "descending")):
        page.keyboard.press(key)
        assert head.get_attribute("aria-sort") == order
        texts = page.locator("#all tbody tr td:nth-child(5)").all_inner_texts()
        values = [float(text.split()[0]) for text in texts if text != "-"]
        assert values == sorted(values, reverse=order == "descending")
        assert texts[-1] == "-"  # what has no value comes last
    closed = page.locator("details:not([open]) > summary").first
    closed.focus()
    part = closed.evaluate_handle("(summary) => summary.parentElement")
    page.keyboard.press("Enter")
    assert part.evaluate("(details) => details.open")


def test_the_csv_is_downloaded_and_holds_the_measures_and_no_formula(
    opened: Opened, tiny_model: Path, small_collection: Collection
) -> None:
    with opened.page.expect_download() as download:
        opened.page.get_by_role("button", name="Download as CSV").press("Enter")
    assert download.value.suggested_filename == "isoglot-measures.csv"
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text(encoding="utf-8-sig"))))
    assert {row["audit"] for row in rows} == {"'=<img src=x onerror='document.title=1'>", "after"}
    audit = isoglot.audit(str(tiny_model), small_collection, scenarios=["multi"])
    by_key = {
        (row["pool"], row["asked in"], row["measure"], row["documents in"]): row
        for row in rows
        if row["audit"] != "after" and row["scenario"] == "multi"
    }
    for result in audit.scenarios:
        cell = ("+".join(result.pool_languages), result.query_language)
        for measure, expected in result.measures.items():
            row = by_key[(*cell, measure, "")]
            assert [float(row[end]) for end in ("mean", "low", "high")] == pytest.approx(
                [expected.mean, expected.low, expected.high], abs=1e-4
            )
            assert row["difference"] == ""
        for tag, language in result.by_language.items():
            row = by_key[(*cell, "median_rank", tag)]
            assert float(row["mean"]) == language.median_rank
            assert row["low"] == row["p (Holm)"] == ""
    changed = [row for row in rows if row["audit"] == "after" and row["measure"] == "max_r"]
    assert changed
    assert all(row["difference"] and row["difference high"] for row in changed)


def test_it_prints_light_and_whole(open_page: Callable[..., Opened], report: Path) -> None:
    page = open_page(report, color_scheme="dark").page
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("#csv").is_visible()
    assert page.evaluate(
        "[...document.querySelectorAll('.scroll')].every((box) => box.scrollHeight <= box.clientHeight)"
    )
    assert page.pdf(format="A4").startswith(b"%PDF")
    assert page.locator("details:not(.table):not([open])").count() == 0
