"""Training rows from Electron's documentation, out of a package that the test wrote."""

from __future__ import annotations

import json

import pytest

from isoglot.platform.downloads import SourceMissingError
from isoglot.training_data.origins.electron_docs import rows
from isoglot.training_data.row import Row
from tests.packages import WrittenDownloads

LONG = "The text of this section is long enough to be an answer to what its heading asks, as all of them should be."
GERMAN_LONG = (
    "Der Text dieses Abschnitts ist lang genug, um zu beantworten, was die Überschrift fragt, wie es sein soll."
)

ENGLISH = f"""<h1 id="app">app</h1><p>{LONG}</p>
<h2 id="close"><a href="#close">1) Closing the window</a></h2>
<p>{LONG} See <code>win.close()</code>
for more.</p><pre><code>win.close()</code></pre><ul><li>First<ul><li>inner</li></ul></li></ul>
<table><tr><th>Type</th><th>Support</th></tr><tr><td>String</td><td>yes</td></tr></table>
<h3><code>win.setSize(width)</code></h3><p>{LONG}</p>
<h3>Event: 'ready' <em>macOS</em></h3><p>{LONG}</p>
<h2>How to?</h2><p>{LONG}</p><h2>How to?</h2><p>{LONG}</p>
<h2>A short section</h2><p>Short.</p>"""


def german(english: str) -> str:
    return (
        english.replace(LONG, GERMAN_LONG)
        .replace("Closing the window", "Das Fenster schließen")
        .replace("First", "Erstens")
    )


def package(**pages: str) -> WrittenDownloads:
    docs = {locale.replace("_", "-"): {"/docs/api/app": {"html": page}} for locale, page in pages.items()}
    return WrittenDownloads(npm={"electron-i18n": {"package/dist/docs.json": json.dumps(docs)}})


def test_a_section_gives_a_row_without_code_listings_and_menus() -> None:
    assert rows(package(en_US=ENGLISH, de_DE=german(ENGLISH)), None) == [
        Row(
            "electron-docs:api/app#1",
            {"en": "Closing the window", "de": "Das Fenster schließen"},
            {
                "en": f"{LONG} See win.close() for more.\nFirst\ninner\nType | Support\nString | yes",
                "de": f"{GERMAN_LONG} See win.close() for more.\nErstens\ninner\nType | Support\nString | yes",
            },
            "electron-docs",
            "MIT",
            {"en": "original", "de": "human"},
        )
    ]


def test_a_sentence_left_in_english_drops_the_language() -> None:
    english = ENGLISH.replace("for more.", "for what you can do before it is closed.")
    assert rows(package(en_US=english, de_DE=german(english)), None) == []


def test_locales_become_canonical_tags_and_only_those_wanted_are_read() -> None:
    downloads = package(en_US=ENGLISH, zh_CN=german(ENGLISH), pt_BR=german(ENGLISH), fr_FR=german(ENGLISH))
    assert rows(downloads, None)[0].languages == ["en", "fr", "pt", "zh"]
    assert rows(downloads, frozenset({"zh"}))[0].languages == ["en", "zh"]


def test_a_page_with_other_sections_is_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert rows(package(en_US=ENGLISH, de_DE=german(ENGLISH) + "<h2>Neu</h2>"), None) == []
    assert "/docs/api/app has other sections in de-DE" in caplog.text


def test_data_structures_and_lists_of_pages_are_left_out() -> None:
    docs = {
        locale: {
            "/docs/README": {"html": page},
            "/docs/api/structures/size": {"html": page, "isApiStructureDoc": True},
        }
        for locale, page in (("en-US", ENGLISH), ("de-DE", german(ENGLISH)))
    }
    assert rows(WrittenDownloads(npm={"electron-i18n": {"package/dist/docs.json": json.dumps(docs)}}), None) == []


@pytest.mark.parametrize("content", ["[]", "{", '{"de-DE": {}}', '{"en-US": {"/docs/api/app": {"markdown": "x"}}}'])
def test_a_changed_layout_is_reported_in_one_line(content: str) -> None:
    with pytest.raises(SourceMissingError, match="its layout changed"):
        rows(WrittenDownloads(npm={"electron-i18n": {"package/dist/docs.json": content}}), None)


def test_a_package_without_the_file_is_reported_in_one_line() -> None:
    with pytest.raises(SourceMissingError, match="its layout changed"):
        rows(WrittenDownloads(npm={"electron-i18n": {"package/readme.md": ""}}), None)
