"""Debian's manuals: pages as DocBook's stylesheets write them, and the rows made of them."""

from __future__ import annotations

import logging

import pytest

from isoglot.platform.downloads import SourceMissingError
from isoglot.training_data.origins.debian_manuals import rows
from isoglot.training_data.origins.html_sections import sections
from isoglot.training_data.row import Row
from tests.packages import WrittenDownloads

LONG = "The kernel mediates access to the resources of the machine between all processes that run on it at one time. "
LANG = "Der Kern vermittelt zwischen allen Prozessen, die zur selben Zeit laufen, den Zugriff auf Mittel der Maschine. "


def section(heading: str, body: str, anchor: str = "a", kind: str = "sect1") -> str:
    return (
        f'<div class="{kind}"><div class="titlepage"><div><div><h2 class="title"><a name="{anchor}"></a>{heading}</h2>'
        f"</div></div></div>{body}</div>"
    )


def page(*parts: str, up: str = "Chapter 2. System Requirements", href: str = "ch02.html") -> str:
    return (
        f'<html><head><link rel="up" href="{href}" title="{up}"></head><body><div class="navheader">Prev</div>'
        f'{"".join(parts)}<div class="navfooter">Next</div></body></html>'
    )


def guide(pages: dict[str, str], languages: frozenset[str] | None = None) -> list[Row]:
    folder = "usr/share/doc/installation-guide-amd64"
    files = {f"{folder}/{name}.html": text for name, text in pages.items()}
    return rows(WrittenDownloads({"installation-guide-amd64": files}), languages)


def test_a_section_ends_where_its_first_subsection_begins() -> None:
    outer, inner = sections(page(section("2.1. Outer", f"<p>Own.</p>{section('2.1.1. In', '<p>Its.</p>')}")).encode())
    assert (outer.heading, outer.depth, outer.parent, outer.text) == ("Outer", 0, "System Requirements", "Own.")
    assert (inner.heading, inner.depth, inner.parent, inner.text) == ("In", 1, "Outer", "Its.")


def test_what_is_not_the_text_of_a_section_is_left_out() -> None:
    body = (
        '<p>Before<a class="footnote"><sup>[1]</sup></a> it,\n see <a class="xref">“<span class="emphasis">TIP</span> '
        'X”</a>.</p><div class="note"><table><tr><th>Note</th></tr><tr><td><p>Mind this.</p></td></tr></table></div>'
        '<div class="informaltable"><table><tr><td>amd64</td></tr></table></div>'
        "<ul><li><p>One</p></li><li>Two</li></ul>"
        '<pre class="screen">$ ls\n$ pwd</pre><div class="footnotes"><div class="footnote">[1] Foot</div></div>'
    )
    (found,) = sections(page(section("2.1. Heading", body)).encode())
    assert found.paragraphs == ("Before it, see “ X”.", "Mind this.", "One", "Two")
    assert found.listings == ("$ ls", "$ pwd")
    assert found.tables == ("amd64",)
    assert found.text == "Before it, see “ X”.\nMind this.\nOne\nTwo\n$ ls\n$ pwd"


@pytest.mark.parametrize(
    "title",
    ["Chapter 6. Tools", "第6章 Tools", "第 6 章 Tools", "章 6. Tools", "6장. Tools", "Cap. 6. Tools", "付録B Tools"],
)
def test_the_label_of_a_chapter_is_not_part_of_its_heading(title: str) -> None:
    (found,) = sections(page(section(title, "<p>x</p>", kind="chapter"), href="index.html").encode())
    assert (found.heading, found.parent) == ("Tools", "")


def test_a_box_is_a_section_without_its_kind_in_the_heading() -> None:
    content = (
        '<?xml version="1.0" encoding="UTF-8"?><html xmlns="http://www.w3.org/1999/xhtml"><body><div class="section">'
        '<div class="titlepage"><h2 class="title"><a id="s"/>9.8. Outer</h2></div><div class="para">Own.</div>'
        '<div class="sidebar"><div class="titlepage"><p class="title"><strong><span class="emphasis"><em>BACK TO BASICS'
        '</em></span> The <code>nice</code> command</strong></p></div><div class="para">Boxed.</div></div></div>'
        "</body></html>"
    )
    outer, box = sections(content.encode())
    assert (outer.anchor, outer.text) == ("s", "Own.")
    assert (box.heading, box.text) == ("The nice command", "Boxed.")


def test_lines_of_chinese_are_joined_without_a_space() -> None:
    (found,) = sections(page(section("2.1. 标题", "<p>内核在所有\n进程之间</p>")).encode())
    assert found.text == "内核在所有进程之间"


def test_sections_are_joined_over_languages_by_their_place() -> None:
    (row,) = guide(
        {
            "en/ch02s01": page(section("2.1. Supported hardware", f"<p>{LONG}</p>", "idm189")),
            "de/ch02s01": page(section("2.1. Unterstützte Hardware", f"<p>{LANG}</p>", "idm200")),
        }
    )
    assert row.content_id == "debian-manuals:installation-guide/ch02s01#idm189"
    assert row.query == {"en": "Supported hardware", "de": "Unterstützte Hardware"}
    assert row.document == {"en": LONG.strip(), "de": LANG.strip()}
    assert (row.licence, row.provenance) == ("GPL-2.0-only", {"en": "original", "de": "human"})


def test_portuguese_of_debian_is_that_of_portugal() -> None:
    pages = {"en/ch02s01": page(section("2.1. Supported hardware", f"<p>{LONG}</p>"))}
    pages["pt/ch02s01"] = page(section("2.1. Equipamento suportado", f"<p>{LANG}</p>"))
    assert guide(pages)[0].languages == ["en", "pt-PT"]
    assert guide(pages, frozenset({"pt"})) == []


@pytest.mark.parametrize(
    ("heading", "body"),
    [
        ("2.1. Supported hardware", LANG),
        ("2.1. Unterstützte Hardware", LONG),
        ("2.1. Unterstützte Hardware", f"{LANG * 3}</p><p>{LONG} (siehe Abschnitt 3)"),
    ],
    ids=["heading", "body", "paragraph"],
)
def test_what_was_left_in_english_is_no_translation(heading: str, body: str) -> None:
    pages = {
        "en/ch02s01": page(section("2.1. Supported hardware", f"<p>{LONG}</p>")),
        "de/ch02s01": page(section(heading, f"<p>{body}</p>")),
        "fr/ch02s01": page(section("2.1. Matériel", f"<p>{LANG}</p>")),
    }
    assert guide(pages)[0].languages == ["en", "fr"]


def test_a_name_that_the_text_uses_may_stay_as_it_is_in_the_heading() -> None:
    (row,) = guide(
        {
            "en/ch02s01": page(section("2.1. Kali Linux", f"<p>Kali Linux is here. {LONG}</p>")),
            "de/ch02s01": page(section("2.1. Kali Linux", f"<p>Hier ist Kali Linux. {LANG}</p>")),
        }
    )
    assert row.query["de"] == "Kali Linux"


def test_a_heading_of_one_word_gets_that_of_its_chapter() -> None:
    (row,) = guide(
        {
            "en/ch02s01": page(section("2.1. Introduction", f"<p>{LONG}</p>")),
            "de/ch02s01": page(section("2.1. Einleitung", f"<p>{LANG}</p>"), up="Kapitel 2. Systemanforderungen"),
        }
    )
    assert row.query == {"en": "System Requirements: Introduction", "de": "Systemanforderungen: Einleitung"}


def test_long_listings_are_left_out_and_sections_that_are_mostly_listings_too() -> None:
    listing = "<pre>" + "$ ls -l\n" * 60 + "</pre>"

    def written(times: int) -> list[Row]:
        return guide(
            {
                "en/ch02s01": page(section("2.1. Supported hardware", f"<p>{LONG * times}</p>{listing}")),
                "de/ch02s01": page(section("2.1. Unterstützte Hardware", f"<p>{LANG * times}</p>{listing}")),
            }
        )

    assert written(1) == []
    assert "$ ls" not in written(4)[0].document["de"]
    assert "$ ls" in written(20)[0].document["de"]


def test_a_file_with_other_sections_than_the_english_one_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    pages = {
        "en/ch02s01": page(section("2.1. Supported hardware", f"<p>{LONG}</p>")),
        "de/ch02s01": page(section("2.1. Unterstützte Hardware", f"<p>{LANG}</p>") * 2),
    }
    with caplog.at_level(logging.WARNING):
        assert guide(pages) == []
    assert "installation-guide ch02s01 has other sections in de; left out" in caplog.text


def test_each_language_of_the_reference_has_its_package_and_only_wanted_ones_are_read() -> None:
    debian = {
        f"debian-reference-{tag}": {
            f"usr/share/debian-reference/ch01.{tag}.html": page(section(f"1.1. {heading}", f"<p>{text}</p>"))
        }
        for tag, heading, text in (
            ("en", "Console basics", LONG),
            ("de", "Grundlagen der Konsole", LANG),
            ("pt-br", "Bases da consola", LANG),  # Portugal's, as in the package -pt
        )
    }
    assert [row.languages for row in rows(WrittenDownloads(debian), None)] == [["en", "de"]]
    assert rows(WrittenDownloads(debian), frozenset({"fr"})) == []


def test_without_any_manual_the_message_names_the_packages() -> None:
    with pytest.raises(SourceMissingError, match=r"no manual of Debian is available: .*debian-handbook"):
        rows(WrittenDownloads(), None)


def test_a_file_that_is_no_page_has_no_sections() -> None:
    assert sections(b"") == sections(b"<?xml") == sections(b"plain \xff text") == []
