"""The page in Chromium: anybody can search and compare with it, and no document does anything in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Route, expect

pytest.importorskip("fastapi", reason="isoglot[serve] is not installed")

import isoglot
from isoglot import Collection
from isoglot.serving.app import create_app
from isoglot.serving.settings import Settings
from tests.browser import DESK, Opened, needs_chromium
from tests.serving_index import HOSTILE, Running, Served, serve_small

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, needs_chromium]

PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def served(tiny_model: Path, small_collection: Collection, tmp_path_factory: pytest.TempPathFactory) -> Served:
    folder = tmp_path_factory.mktemp("served")
    return serve_small(tiny_model, small_collection, folder, HOSTILE)


@pytest.fixture(scope="module")
def audit(tiny_model: Path, small_collection: Collection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audit")
    isoglot.audit(str(tiny_model), small_collection).save(folder)
    return folder


@pytest.fixture(scope="module")
def running(served: Served, audit: Path) -> Iterator[Running]:
    with Running(create_app(served.index, served.encoders, Settings(audits=(audit,)))) as server:
        yield server


@pytest.fixture
def open_page(browser: Browser, running: Running) -> Iterator[Callable[..., Opened]]:
    """Opens an address of the server; its page is closed after the test."""
    pages = []

    def open_address(address: str = "", server: Running = running, **options: Any) -> Opened:
        pages.append(Opened(browser, server.url, **options))
        pages[-1].page.goto(f"{server.url}/{address}")
        return pages[-1]

    yield open_address
    for opened in pages:
        opened.page.close()


def asked(question: str, more: str = "") -> str:
    return f"#search?q={quote(question)}{more}"


def ranks(page: Page, column: int) -> list[str]:
    return page.locator(".column").nth(column).locator(".rank").all_inner_texts()


def test_a_question_shows_two_columns_with_lines_ranks_twins_and_languages(open_page: Callable[..., Opened]) -> None:
    opened = open_page()
    page = opened.page
    page.locator("#go:enabled").wait_for()
    page.get_by_role("searchbox", name="Question").fill("flour water and salt become bread")
    page.keyboard.press("Enter")
    page.locator(".card").first.wait_for()
    assert ranks(page, 0) == ranks(page, 1) == [str(rank) for rank in range(1, 11)]
    shown = [
        set(page.locator(".column").nth(side).locator(".card").evaluate_all("cards => cards.map((c) => c.dataset.id)"))
        for side in (0, 1)
    ]
    assert page.locator(".lines path.same").count() == len(shown[0] & shown[1])
    assert f"{len(shown[0] & shown[1])} passages are in both columns" in page.locator("#status").inner_text()
    first = page.locator(".card").first
    assert "B #" in first.locator(".other").inner_text()
    assert first.locator(".twins li").count() == 2
    assert "Results: " in str(page.locator(".stack").first.get_attribute("aria-label"))
    assert page.locator(".stack").nth(1).get_attribute("aria-label").startswith("Corpus: ")
    assert "q=flour" in page.url
    assert opened.told == []


def test_choosing_another_way_to_search_or_fewer_languages_shows_its_results_at_once(
    open_page: Callable[..., Opened], served: Served
) -> None:
    page = open_page(asked("snow")).page
    page.locator(".card").first.wait_for()
    page.get_by_label("Column B", exact=True).select_option(f"{served.models[0]}|equal")
    page.get_by_text("equal shares", exact=True).wait_for()
    assert page.locator(".scaled").count() == 0
    page.get_by_label("Column B", exact=True).select_option(f"{served.models[0]}|scaled")
    page.locator(".scaled").first.wait_for()
    scaled = [float(text.replace("−", "-")) for text in page.locator(".column:last-child .scaled").all_inner_texts()]
    assert scaled == sorted(scaled, reverse=True)
    page.get_by_text("Languages: all").click()
    page.get_by_role("checkbox", name="German").check()
    expect(page.locator(".card:not([data-language=de])")).to_have_count(0)
    assert "in=de" in page.url
    assert page.locator("#filtered").inner_text() == "de"
    assert page.locator(".twins").first.inner_text().endswith("filtered out")
    page.keyboard.press("Escape")
    assert not page.get_by_role("checkbox", name="German").is_visible()


def test_an_address_holds_question_and_settings_and_the_way_back(
    open_page: Callable[..., Opened], served: Served
) -> None:
    way = quote(f"{served.models[1]}|proportional")
    page = open_page(asked("старое пианино", f"&a={way}&k=5&in=ru,en")).page
    page.locator(".card").first.wait_for()
    assert page.get_by_role("searchbox").input_value() == "старое пианино"
    assert page.get_by_label("Column A", exact=True).input_value() == f"{served.models[1]}|proportional"
    assert len(ranks(page, 0)) == 5
    assert page.locator("#filtered").inner_text() == "en, ru"
    page.get_by_role("searchbox").fill("garden")
    page.get_by_role("button", name="Search").click()
    page.wait_for_url(re.compile("q=garden"))
    page.go_back()
    expect(page.locator("#question")).to_have_value("старое пианино")


def test_everything_can_be_done_with_the_keyboard(open_page: Callable[..., Opened]) -> None:
    page = open_page(asked("the train leaves at nine")).page
    page.locator(".card").first.wait_for()
    page.locator(".card").first.focus()
    focused = "document.activeElement.querySelector('.rank')?.textContent"
    side = "[...document.querySelectorAll('.column')].indexOf(document.activeElement.closest('.column'))"
    page.keyboard.press("ArrowDown")
    assert (page.evaluate(focused), page.evaluate(side)) == ("2", 0)
    identity = page.evaluate("document.activeElement.dataset.id")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(side) == 1
    both = page.locator(f'.card[data-id="{identity}"]').count() == 2
    assert (page.evaluate("document.activeElement.dataset.id") == identity) is both
    page.keyboard.press("End")
    assert page.evaluate(focused) == "10"
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "question"
    page.keyboard.press("Shift+Tab")  # the pages, the brand, the way to the content
    for _ in range(5):
        page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.id") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_focus_shows_the_same_passage_and_its_translations_in_both_columns(open_page: Callable[..., Opened]) -> None:
    page = open_page(asked("tomatoes grow", "&k=50")).page
    page.locator(".card").first.wait_for()
    card = page.locator(".card").first
    card.focus()
    content = card.get_attribute("data-content")
    assert page.locator(".card.same").count() == 1
    twins = page.locator(".card.twinned").evaluate_all("cards => cards.map((card) => card.dataset.content)")
    assert twins == [content] * 4
    assert page.locator(".lines path.lit").count() == 3
    card.locator(".twin").first.click()
    assert page.evaluate("document.activeElement.dataset.content") == content


def test_the_first_visit_says_what_to_do_and_offers_words_of_the_corpus(open_page: Callable[..., Opened]) -> None:
    opened = open_page()
    opened.page.get_by_role("heading", name="Does it rank by meaning, or by language?").wait_for()
    opened.page.locator(".example").first.click()
    opened.page.locator(".card").first.wait_for()
    assert opened.told == []


def test_a_hostile_document_is_text_and_nothing_else(open_page: Callable[..., Opened]) -> None:
    opened = open_page(asked("script image neige", "&k=50"))
    page = opened.page
    page.locator(".card").first.wait_for()
    page.wait_for_timeout(200)
    assert opened.told == []
    assert page.evaluate("window.hacked") is None
    texts = page.locator(".text").all_text_contents()
    assert any("<script>window.hacked = 1</script>" in text for text in texts)
    assert page.locator(".card img, .card script, .card iframe, .card b:not(.letter)").count() == 0
    assert page.locator('a[href^="javascript"]').count() == 0
    assert 1000 < max(map(len, page.locator(".source").all_text_contents())) <= 2000  # of the megabyte
    turned = page.locator(".text", has_text="turned").first
    assert turned.evaluate("(text) => getComputedStyle(text).unicodeBidi") in ("isolate", "plaintext")
    assert page.locator(".card", has_text="turned").first.locator(".score").bounding_box()["x"] > 0


def test_right_to_left_texts_run_from_the_right_and_the_interface_from_the_left(
    open_page: Callable[..., Opened],
) -> None:
    page = open_page(asked("الثلج يغطي الطريق", "&k=50")).page
    arabic = page.locator(".text[lang=ar]").first
    arabic.wait_for()
    assert arabic.evaluate("(text) => getComputedStyle(text).direction") == "rtl"
    assert page.get_by_role("searchbox").evaluate("(box) => getComputedStyle(box).direction") == "rtl"
    assert page.evaluate("getComputedStyle(document.body).direction") == "ltr"


def test_nothing_found_is_reported_with_what_to_do(open_page: Callable[..., Opened], running: Running) -> None:
    opened = open_page()
    page = opened.page
    empty = {
        "language": "en",
        "corpus": {},
        "columns": [{"model": "m", "balance": "none", "results": [], "mix": {}}] * 2,
    }
    page.locator("#go:enabled").wait_for()
    page.route("**/v1/search", lambda route: route.fulfill(json=empty))
    page.get_by_role("searchbox").fill("snow")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Nothing found").wait_for()


def test_errors_say_what_happened_and_keep_the_question(open_page: Callable[..., Opened]) -> None:
    page = open_page(asked("snow")).page
    page.locator(".card").first.wait_for()
    page.route("**/v1/search", lambda route: route.abort())
    page.get_by_role("searchbox").fill("garden")
    page.keyboard.press("Enter")
    alert = page.get_by_role("alert")
    alert.get_by_role("heading", name="The server does not answer").wait_for()
    page.unroute("**/v1/search")
    busy = {"error": {"message": "64 requests are in progress; try again in a moment"}}
    page.route("**/v1/search", lambda route: route.fulfill(status=429, json=busy))
    alert.get_by_role("button", name="Search again").click()
    alert.get_by_role("heading", name="The server is busy").wait_for()
    page.unroute("**/v1/search")
    alert.get_by_role("button", name="Search again").click()
    page.locator(".card").first.wait_for()
    assert page.get_by_role("searchbox").input_value() == "garden"


@pytest.mark.parametrize("name", ["constructor", "toString", "__proto__", "nowhere"])
def test_an_address_that_names_no_page_shows_the_search(open_page: Callable[..., Opened], name: str) -> None:
    opened = open_page(f"#{name}")
    expect(opened.page).to_have_title("Search – isoglot")
    expect(opened.page.get_by_role("searchbox")).to_be_visible()


def test_the_description_of_the_api_needs_the_key_as_its_data_does(
    open_page: Callable[..., Opened], served: Served
) -> None:
    with Running(create_app(served.index, served.encoders, Settings(api_key="open sesame"))) as keyed:
        page = open_page("#api", keyed).page
        page.get_by_label("Key").fill("open sesame")
        page.keyboard.press("Enter")
        expect(page.locator("#api").get_by_text("question (required)")).to_be_visible()


def test_a_server_with_a_key_asks_for_it_and_keeps_it_for_the_tab(
    open_page: Callable[..., Opened], served: Served
) -> None:
    with Running(create_app(served.index, served.encoders, Settings(api_key="open sesame"))) as keyed:
        page = open_page(asked("snow"), keyed).page
        waiting: list[Route] = []
        page.route("**/v1/*", lambda route: waiting.append(route))
        page.get_by_label("Key").fill("wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_label("Key")).to_be_disabled()  # what is typed now would be lost
        for route in waiting:
            route.continue_()
        page.unroute("**/v1/*")
        page.get_by_label("Key").fill("open sesame")
        page.keyboard.press("Enter")
        page.locator(".card").first.wait_for()
        page.reload()
        page.locator(".card").first.wait_for()


def test_the_corpus_page_counts_languages_and_draws_their_map(open_page: Callable[..., Opened]) -> None:
    opened = open_page("#corpus")
    page = opened.page
    page.locator("#corpus figure svg").nth(1).wait_for()
    assert page.locator("#corpus tbody tr").count() >= 3
    assert page.locator("#corpus figure svg path").count() > 10
    fill = page.locator("#corpus figure svg path[fill^='var(--language']").first
    assert fill.evaluate("(mark) => getComputedStyle(mark).fill") != "rgb(0, 0, 0)"
    assert opened.told == []


def test_the_bias_page_shows_the_audits_charts_and_gives_the_report(
    open_page: Callable[..., Opened], served: Served
) -> None:
    opened = open_page("#bias")
    page = opened.page
    page.get_by_role("heading", name="Complete@K").wait_for()
    assert page.locator("#bias .verdict li").count() >= 1
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the whole report").click()
    assert "isoglot report" in Path(download.value.path()).read_text(encoding="utf-8")
    assert [line for line in opened.told if "blob:" not in line] == []
    with Running(create_app(served.index, served.encoders, Settings())) as without:
        page = open_page("#bias", without).page
        page.get_by_role("heading", name="No audit to show yet").wait_for()
        assert "isoglot serve DIR --audit audit" in page.locator("#bias pre").inner_text()


def test_the_api_page_lists_what_can_be_asked(open_page: Callable[..., Opened]) -> None:
    opened = open_page("#api")
    opened.page.get_by_text("/v1/embeddings").wait_for()
    assert opened.page.locator("#api").get_by_text("question (required)").is_visible()
    assert opened.told == []


@pytest.mark.parametrize(("scheme", "size"), [("light", DESK), ("dark", PHONE)])
def test_the_page_meets_wcag_aa(open_page: Callable[..., Opened], scheme: str, size: dict[str, int]) -> None:
    from axe_playwright_python.sync_playwright import Axe

    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
    for address in ("", asked("snow covers the mountain road"), "#bias", "#corpus", "#api"):
        page = open_page(address, color_scheme=scheme, viewport=size).page
        page.wait_for_load_state("networkidle")
        if address == "":
            page.get_by_text("Languages: all").click()
        results = Axe().run(page, options=rules)
        assert results.violations_count == 0, f"{address}: {results.generate_report()}"


def test_on_a_phone_nothing_is_wider_than_the_screen_but_the_two_columns_one_swipes(
    open_page: Callable[..., Opened],
) -> None:
    for address in ("", asked("snow covers the mountain road"), "#bias", "#corpus", "#api"):
        page = open_page(address, viewport=PHONE).page
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], address
        if "search" in address:
            board = page.locator(".board")
            assert board.evaluate("(board) => board.scrollWidth > board.clientWidth")
            assert page.locator(".column").first.bounding_box()["width"] > 300
