"""GNOME Help as a collection, out of folders laid out as in its package."""

from __future__ import annotations

from pathlib import Path

import pytest

from isoglot.corpora.sources import load_collection
from isoglot.corpora.sources.translated import folded, is_translated
from isoglot.platform.errors import InputError, IsoglotError

PAGE = """<page xmlns="http://projectmallard.org/1.0/" xmlns:if="http://projectmallard.org/if/1.0/" id="{name}">
<info><desc>Description.</desc><credit><name>Somebody</name></credit></info>
{body}</page>"""

ENGLISH = """<title>Send a file</title>
<p>You can send <em>files</em> to other
   devices. <!-- how? --> Press <keyseq><key>Ctrl</key> <key>S</key></keyseq>.</p>
<media type="image"><p>A picture</p></media>
<steps><title>To send:</title><item><p>Open <guiseq><gui>Settings</gui><gui>Sharing</gui></guiseq>.</p></item></steps>
<table><tr><td><p>Left</p></td><td><p>Right</p></td></tr></table>
<p if:test="action:install">Install it now, please, do</p>
<if:choose><if:when test="platform:gnome-classic"><p>In classic mode</p></if:when><p>In this mode</p></if:choose>
<section id="stop"><title>Stop sending it</title><p>See <link xref="receive"/> about how to stop, and <link href="https://example.org"/>.</p>
<links type="section"><title>More</title></links></section>
<section id="safety"><title>Security</title><p>Send to people that you know.</p></section>"""

GERMAN = (
    ENGLISH.replace("Send a file", "Eine Datei senden")
    .replace("You can send", "Sie können")
    .replace("Stop sending it", "Das Senden anhalten")
    .replace("about how to stop", "darüber, wie man anhält")
)
RECEIVE = "<title>Receive a file</title><p>Files are put into a folder for you.</p>"


def write(folder: Path, pages: dict[str, str]) -> str:
    """Write pages, ``C/send`` -> body, and give the source that names them."""
    for name, body in pages.items():
        language, page = name.split("/")
        file = folder / language / "gnome-help" / f"{page}.page"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(PAGE.format(name=page, body=body), encoding="utf-8")
    return f"gnome-help:{folder}"


def documents(source: str) -> dict[tuple[str, str], str]:
    return {(d.content_id, d.language): d.text for d in load_collection(source).documents}


def test_pages_and_sections_are_contents_with_their_headings_as_queries(tmp_path: Path) -> None:
    collection = load_collection(write(tmp_path, {"C/send": ENGLISH, "C/receive": RECEIVE}))
    assert {query.query_id: query.text for query in collection.queries} == {
        "send": "Send a file",
        "send#stop": "Stop sending it",
        "receive": "Receive a file",
    }
    assert collection.golds["send#stop"] == ("send#stop",)
    assert any("CC-BY-SA-3.0" in note for note in collection.notes)


def test_text_is_what_a_reader_sees(tmp_path: Path) -> None:
    texts = documents(write(tmp_path, {"C/send": ENGLISH, "C/receive": RECEIVE}))
    assert texts["send", "en"].split("\n") == [
        "You can send files to other devices. Press Ctrl+S.",
        "To send:",
        "Open Settings > Sharing.",
        "Left",
        "Right",
        "In this mode",
    ]
    assert texts["send#stop", "en"] == "See Receive a file about how to stop, and https://example.org."


def test_a_content_is_in_a_language_only_if_all_of_it_is_translated(tmp_path: Path) -> None:
    half = GERMAN.replace("</steps>", "<item><p>This is a new step.</p></item></steps>")
    english = ENGLISH.replace("</steps>", "<item><p>This is a new step.</p></item></steps>")
    texts = documents(
        write(tmp_path, {"C/send": english, "de/send": half, "C/receive": RECEIVE, "de/receive": RECEIVE})
    )
    assert {content for content, language in texts if language == "de"} == {"send#stop"}


def test_a_heading_used_twice_is_left_out(tmp_path: Path) -> None:
    source = write(tmp_path, {"C/send": ENGLISH, "C/receive": RECEIVE, "C/again": RECEIVE})
    assert {content for content, _ in documents(source)} == {"send", "send#stop"}


def test_folders_are_named_as_gnome_names_languages(tmp_path: Path) -> None:
    pages = {f"{folder}/send": GERMAN for folder in ("pt_BR", "sr@latin", "zh_CN", "pt")}
    assert {language for _, language in documents(write(tmp_path, {"C/send": ENGLISH, **pages}))} == {
        "en",
        "pt",
        "sr-Latn",
        "zh",
    }


def test_a_language_with_hardly_a_translation_is_left_out_and_named(tmp_path: Path) -> None:
    pages = {f"C/p{n}": RECEIVE.replace("a file", f"file {n}") for n in range(30)}
    german = RECEIVE.replace("Receive", "Empfang").replace("Files are", "Dateien")
    collection = load_collection(write(tmp_path, {**pages, "de/p1": german, "fr/p1": german, "fr/p2": german}))
    assert collection.languages == ["en"]
    assert any("de, fr" in note for note in collection.notes)


@pytest.mark.parametrize(
    ("pages", "message"),
    [({"de/send": GERMAN}, "no English pages"), ({"C/send": "<title>Send</oops>"}, "malformed XML")],
)
def test_a_broken_folder_is_told_in_one_line(tmp_path: Path, pages: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_collection(write(tmp_path, pages))


def test_there_are_no_splits(tmp_path: Path) -> None:
    with pytest.raises(IsoglotError, match="no split 'train'"):
        load_collection(f"gnome-help:{tmp_path}@train")


def test_names_and_commands_may_stay_as_they_are() -> None:
    english = ["Send a file", "Ctrl+S", "Press the key to send."]
    assert is_translated(["Eine Datei senden", "Ctrl+S", "Drücken Sie die Taste."], english)
    assert not is_translated(["Eine Datei senden", "Ctrl+S", "Press the key to send."], english)
    assert not is_translated(["Eine Datei senden", "Drücken Sie die Taste."], english)


def test_an_english_sentence_is_found_beside_what_its_tool_translated() -> None:
    english = ["Send a file", "To learn how to do this on your computer, see Receive a file."]
    assert not is_translated(["Eine Datei senden", english[1].replace("Receive a file", "Empfang")], english)


def test_a_broken_line_of_chinese_gets_no_space() -> None:
    assert folded("发送\n  文件  to\n you") == "发送文件 to you"
