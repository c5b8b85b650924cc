from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from isoglot.corpora.documents import SourceDocument, read_documents
from isoglot.corpora.left_out import LeftOut
from isoglot.corpora.readers import extraction
from isoglot.indexing.splitting import Splitter, sentences
from isoglot.platform.errors import InputError, IsoglotError
from tests.indexing import write_jsonl

GERMAN = "Die Straße über den Berg ist heute wegen Schnee gesperrt."


def read(path: Path | str, language: str | None = None) -> list[SourceDocument]:
    return list(read_documents(str(path), language))


def refused(path: Path) -> str:
    with pytest.raises(IsoglotError) as caught:
        read(path)
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(str(path.parent) + "/", "")


def one_page_pdf(text: str, title: str = "") -> bytes:
    """The least that is a PDF; an empty text makes a page without any."""
    content = f"BT /F1 12 Tf 20 100 Td ({text}) Tj ET".encode() if text else b"0 0 m 9 9 l S"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 500 200] /Contents 4 0 R"
        b" /Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Title (%s) >>" % title.encode(),
    ]
    data, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer << /Size 6 /Root 1 0 R /Info 5 0 R >>\nstartxref\n%d\n%%%%EOF" % len(data)
    return data + b"xref\n0 6\n0000000000 65535 f \n" + table + trailer


def test_jsonl_fields_come_in_and_unknown_ones_become_metadata(tmp_path: Path) -> None:
    row = {
        "_id": 7,
        "lang": "zho_Hans",
        "title": "雪",
        "text": "雪覆盖了山路。",
        "content_id": "snow",
        "url": "https://example.org/7",
        "metadata": {"author": "Li"},
        "year": 2024,
    }
    (document,) = read(write_jsonl(tmp_path / "a.jsonl", [row]))
    assert (document.id, document.language, document.title, document.content_id) == ("7", "zh", "雪", "snow")
    assert document.source == "https://example.org/7"
    assert document.metadata == {"author": "Li", "year": 2024}


def test_a_language_that_is_not_given_is_detected_or_the_users(tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "a.jsonl", [{"_id": "a", "text": GERMAN}, {"_id": "b", "text": GERMAN, "lang": "nl"}])
    assert [document.language for document in read(file)] == ["de", "nl"]
    assert [document.language for document in read(file, "fr")] == ["fr", "nl"]


def test_a_document_without_an_id_is_known_by_its_content(tmp_path: Path) -> None:
    first, second = read(write_jsonl(tmp_path / "a.jsonl", [{"text": GERMAN}, {"text": GERMAN, "lang": "nl"}]))
    assert first.id.startswith("text-")
    assert first.id != second.id
    moved = read(write_jsonl(tmp_path / "b.jsonl", [{"text": "Noch ein Satz auf Deutsch."}, {"text": GERMAN}]))
    assert moved[1].id == first.id


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"_id": "a", "text": 3}, "field 'text' is int, not text"),
        ({"_id": ["a"], "text": "b"}, "field '_id' is list, not text"),
        ({"_id": "a", "text": "b", "lang": "klingonish"}, "unknown language 'klingonish'"),
        ({"_id": "a", "text": "b", "language": 5.5}, "field 'language' is float, not text"),
    ],
)
def test_a_wrong_field_is_named_with_file_and_line(tmp_path: Path, line: dict[str, Any], message: str) -> None:
    good = {"_id": "z", "text": GERMAN}
    write_jsonl(tmp_path / "a.jsonl", [good, line])
    assert refused(tmp_path / "a.jsonl").startswith(f"a.jsonl:2: {message}")


def test_nul_and_other_control_characters_become_spaces(tmp_path: Path) -> None:
    (document,) = read(write_jsonl(tmp_path / "a.jsonl", [{"text": "one\0two\u0007\tthree\r\nfour", "lang": "en"}]))
    assert document.text == "one two \tthree\nfour"


def test_ids_and_metadata_hold_no_nul_no_half_of_a_surrogate_pair_and_no_number_that_json_has_not(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.jsonl").write_text(
        '{"id": "a\\u0000b", "text": "\\ud800 x", "lang": "en", "content_id": "c\\ud800", "url": "u\\u0000", '
        '"title": NaN, "n\\u0000": ["x\\u0000y", {"deep": NaN}], "far": -Infinity, '
        '"metadata": {"ok": 1.5, "no": null}}\n'
    )
    (document,) = read(tmp_path / "a.jsonl")
    assert (document.id, document.text, document.content_id, document.source) == ("a b", "? x", "c?", "u")
    assert document.metadata == {"n": ["x y", {"deep": None}], "far": None, "ok": 1.5, "no": None}
    assert document.title == ""


def test_utf_16_without_a_byte_order_mark_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("The road.".encode("utf-16-le"))
    assert refused(tmp_path / "a.txt").startswith("a.txt: is not UTF-8 but UTF-16")


def test_metadata_nested_without_end_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "x", "lang": "en", "n": ' + "[" * 900 + "]" * 900 + "}\n")
    assert refused(tmp_path / "a.jsonl") == "a.jsonl:1: what becomes metadata is nested too deeply"


def test_csv_with_quoted_lines_and_empty_cells(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('\ufeffid,lang,text,shelf\n1,de,"Zeile eins\nZeile zwei",\n2,en,"a ""b""",B4\n')
    first, second = read(tmp_path / "a.csv")
    assert (first.id, first.text, first.metadata) == ("1", "Zeile eins\nZeile zwei", {})
    assert (second.text, second.metadata) == ('a "b"', {"shelf": "B4"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"id,text,text\n1,x,y\n", "a.csv:1: two columns are named 'text'"),
        (b"id;text;lang\n1;x;en\n", "a.csv:1: the fields are separated by semicolons"),
        (b"id,text,lang\n1,x,en\n2,y,en,z\n", "a.csv:3: has 4 fields, more than the header's 3"),
        (b"id,text,lang\n1,\xff,en\n", "a.csv:2: byte 3 of the line is not UTF-8"),
        (b'id,text,lang\n1,"x"y,en\n', "a.csv:2: malformed CSV"),
        (b'id,text,lang\n1,"x,en\n', "a.csv:2: malformed CSV: unexpected end of data"),
    ],
)
def test_wrong_csv_is_told_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    assert refused(tmp_path / "a.csv").startswith(message)


def test_parquet_rows_and_what_is_wrong_with_them(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1, 2], "text": ["eins", None], "lang": ["de", "de"]}), tmp_path / "a.parquet")
    assert [document.id for document in read(tmp_path / "a.parquet")] == ["1"]
    pq.write_table(pa.table({"id": [1], "text": ["eins"], "lang": ["de"]}), tmp_path / "b.parquet")
    assert [document.id for document in read(tmp_path / "b.parquet")] == ["1"]
    (tmp_path / "c.parquet").write_bytes(b"PAR1 not really")
    assert refused(tmp_path / "c.parquet").startswith("c.parquet: cannot be read as Parquet")


def test_a_folder_is_read_file_by_file_and_hidden_or_unknown_files_are_not(tmp_path: Path) -> None:
    (tmp_path / "de").mkdir()
    (tmp_path / "de" / "weg.txt").write_text(GERMAN)
    (tmp_path / "road.md").write_text(
        "---\nlayout: page\n---\n# The *road*\n\nIt is closed because of the snow.\n\n- one\n- two\n"
    )
    (tmp_path / ".hidden.txt").write_text("hidden")
    (tmp_path / "photo.png").write_bytes(b"\x89PNG")
    road, way = read(tmp_path)
    assert (road.id, road.title, road.language) == ("road.md", "The road", "en")
    assert road.text == "It is closed because of the snow.\n\none\n\ntwo"
    assert (way.id, way.source, way.text) == ("de/weg.txt", "de/weg.txt", GERMAN)


def test_html_is_read_without_scripts_and_by_its_own_language(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        "<!DOCTYPE html><html lang='de-DE'><head><title>Weg &amp;\n Steg</title><style>p {}</style></head><body>"
        "<nav>Home</nav><script>alert('hacked')</script><noscript>no</noscript><!-- comment -->"
        "<p>Der <b>Berg</b>weg<br>ist zu.</p>\n<p>Bis   morgen.</p><table><tr><td>a</td><td>b</td></tr></table>"
        "<pre>x\n  y</pre><script>late()</script> Ende</body></html>"
    )
    (document,) = read(tmp_path / "a.html")
    assert (document.title, document.language) == ("Weg & Steg", "de")
    assert document.text == "Der Bergweg\nist zu.\n\nBis morgen.\n\na b\n\nx\n y\n\nEnde"


def test_html_in_another_encoding_and_deeply_nested_html(tmp_path: Path) -> None:
    page = f"<html><head><meta charset='iso-8859-1'></head><body><p>{GERMAN}</p></body></html>"
    (tmp_path / "a.html").write_bytes(page.encode("latin-1"))
    (document,) = read(tmp_path / "a.html")
    assert document.text == GERMAN
    (tmp_path / "b.html").write_text("<div>" * 1_000 + GERMAN)
    assert read(tmp_path / "b.html", "de")[0].text == GERMAN
    words = [f"Wort{number}" for number in range(3_000)]
    for tag in ("font color='red'", "div"):
        (tmp_path / "c.html").write_text("<title>Viel</title>" + "".join(f"<{tag}>{word} " for word in words))
        (document,) = read(tmp_path / "c.html", "de")
        assert (document.title, document.text.split()) == ("Viel", words)


def test_a_page_on_which_a_call_into_c_takes_hours_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "large.html").write_text("<title>Straße</title>" + f"<p>{GERMAN}</p>" * 5_000)
    (document,) = read(tmp_path, "de")
    assert (document.title, document.text) == ("Straße", "\n\n".join([GERMAN] * 5_000))
    monkeypatch.setattr(extraction, "MAX_SECONDS", 0.5)
    attributes = " ".join(f"a{number}" for number in range(500_000))
    (tmp_path / "large.html").write_text(f"<p {attributes}>{GERMAN}</p>")
    assert read(tmp_path, "de") == []
    assert caplog.messages == [
        f"{tmp_path}: left out: files that are too large or nested too deeply, or take too long to read: 1, "
        "first in large.html"
    ]


def test_files_without_text_are_left_out_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "empty.html").write_text("<!-- nothing -->")
    (tmp_path / "scan.pdf").write_bytes(one_page_pdf(""))
    (tmp_path / "text.txt").write_text(GERMAN)
    assert [document.id for document in read(tmp_path)] == ["text.txt"]
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}: left out: files without text: 3, first in empty.html"
    ]
    with pytest.raises(IsoglotError, match=r"empty.html: --strict refuses files without text"):
        list(read_documents(str(tmp_path), left_out=LeftOut(strict=True)))


def test_a_pdf_gives_its_text_and_title(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(one_page_pdf("The road is closed because of the snow.", "Road news"))
    (document,) = read(tmp_path / "a.pdf")
    assert (document.title, document.text, document.language) == (
        "Road news",
        "The road is closed because of the snow.",
        "en",
    )


def test_a_damaged_pdf_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4\nnothing more")
    assert refused(tmp_path / "a.pdf").startswith("a.pdf: cannot be read as PDF: ")


def test_whatever_a_damaged_pdf_makes_pypdf_raise_is_told_in_one_line(tmp_path: Path) -> None:
    """Its tokens are mutated; pypdf raises NotImplementedError, AttributeError, TypeError ... for a few of them."""
    whole, generator = one_page_pdf("The road is closed because of the snow.", "Road news"), random.Random(0)
    tokens = [b"0", b"-1", b"/", b"<<", b">>", b"[", b"R", b"(", b"null", b"true", b"1.5", b"/Encrypt"]
    messages = []
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(generator.choice([1, 2, 8])):
            place = generator.randrange(len(damaged))
            damaged[place : place + generator.randrange(4)] = generator.choice(tokens)
        (tmp_path / "a.pdf").write_bytes(damaged)
        try:
            read(tmp_path / "a.pdf", "en")
        except InputError as error:
            messages.append(str(error))
    assert len(messages) > 20
    assert [message for message in messages if "\n" in message] == []


def test_a_mistake_of_isoglots_own_is_no_damaged_pdf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.pdf").write_bytes(one_page_pdf("The road is closed because of the snow."))
    monkeypatch.setattr(extraction, "Extracted", None)
    with pytest.raises(TypeError):
        read(tmp_path / "a.pdf")


def test_text_in_a_wrong_encoding_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("eins\nzwei\nStraße".encode("latin-1"))
    assert refused(tmp_path / "a.txt") == "a.txt:3: is not UTF-8 here; convert the file to UTF-8"


def test_an_isoglot_source_gives_twins_their_content_ids() -> None:
    documents = read("mini@demo")
    assert len(documents) == 320
    assert documents[0].id == f"{documents[0].content_id}:{documents[0].language}"


def test_what_is_no_corpus_is_told(tmp_path: Path) -> None:
    assert "no such file or folder, and no source" in refused(tmp_path / "nothing")
    (tmp_path / "a.docx").write_bytes(b"x")
    assert refused(tmp_path / "a.docx").startswith("a.docx: unknown kind of file")


def test_sentences_end_where_their_script_ends_them() -> None:
    text = (
        'Dr. Li said: "Stop!" Then 3.14 e.g. this. 雪很大。他说：“好！”走了。'
        "ฝนตก ถนนลื่น यह सड़क है। वह गया। هل أنت هنا؟ نعم.\n\nA heading\n\nእሱ መጣ። አዎ።"
    )
    found = sentences(text)
    assert "".join(found) == text
    assert [sentence.strip() for sentence in found] == [
        "Dr.",
        'Li said: "Stop!"',
        "Then 3.14 e.g. this.",
        "雪很大。",
        "他说：“好！”",
        "走了。",
        "ฝนตก",
        "ถนนลื่น",
        "यह सड़क है।",
        "वह गया।",
        "هل أنت هنا؟",
        "نعم.",
        "A heading",
        "እሱ መጣ።",
        "አዎ።",
    ]


def test_passages_keep_to_their_length_and_begin_with_the_end_of_the_last() -> None:
    text = "One is here. Two is there. Three is gone. Four is back. Five is lost."
    passages = Splitter(None, 40, 15).split("", text)
    assert passages == [
        "One is here. Two is there.",
        "Two is there. Three is gone.",
        "Three is gone. Four is back.",
        "Four is back. Five is lost.",
    ]
    assert Splitter(None, 40, 0).split("", text)[1] == "Three is gone. Four is back."


def test_a_title_takes_its_part_of_a_passage() -> None:
    passages = Splitter(None, 40, 0).split("A title of 20 signs.", "One is here. Two is there.")
    assert passages == ["One is here.", "Two is there."]


@pytest.mark.parametrize(
    "text",
    [
        "文字" * 250_000,
        "a\u0301\u0302" * 150_000,
        "1. " * 150_000,
        "." * 500_000,
        "word " * 100_000,
        "\n \n" * 100_000 + "x",
    ],
    ids=["no spaces", "clusters", "numbers", "full stops", "words", "blank lines"],
)
def test_texts_of_half_a_megabyte_are_split_within_seconds(text: str) -> None:
    passages = Splitter(None, 512, 64).split("", text)
    assert max(map(len, passages)) <= 512
    assert "".join("".join(passages).split())[:1000] in "".join(text.split())


def test_lengths_that_make_no_sense_are_refused() -> None:
    with pytest.raises(IsoglotError, match="too short"):
        Splitter(None, 3, 0)
    with pytest.raises(IsoglotError, match="overlap of 300 tokens"):
        Splitter(None, 512, 300)
