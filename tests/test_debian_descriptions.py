"""Debian's package descriptions: how they are laid out, and one row for each family of packages."""

from __future__ import annotations

import hashlib
import string
from collections.abc import Mapping
from pathlib import Path

import pytest

from isoglot.platform.downloads import SourceMissingError
from isoglot.training_data.origins.debian_descriptions import rows
from isoglot.training_data.row import Row
from tests.packages import WrittenDownloads

LONG = " A picture editor with layers and masks, for photos and for drawings alike.\n"
LANG = " Ein Bildbearbeiter mit Ebenen und Masken, für Fotos so gut wie für Zeichnungen.\n"

Packages = Mapping[str, tuple[str, str]]


def written(folder: Path, languages: Mapping[str, Packages]) -> WrittenDownloads:
    """Indices of the packages, name -> (short, long), of each language; English must have them all."""
    paths = {}
    for language, packages in languages.items():
        paths[language] = folder / f"Translation-{language}"
        paths[language].write_text(
            "".join(stanza(name, language, *packages[name], languages["en"]) for name in packages)
        )
    return WrittenDownloads(translations=paths)


def stanza(package: str, language: str, short: str, long: str, english: Packages) -> str:
    md5 = hashlib.md5("".join(english[package]).encode()).hexdigest()
    return f"Package: {package}\nDescription-md5: {md5}\nDescription-{language}: {short}\n{long}\n"


def one(folder: Path, language: str, long: str, english: str = LONG) -> Row:
    (row,) = rows(written(folder, {"en": {"gimp": ("editor", english)}, language: {"gimp": ("X", long)}}), None)
    return row


def names(kept: list[Row]) -> list[str]:
    return [row.content_id.removeprefix("debian-descriptions:") for row in kept]


def test_a_description_becomes_a_query_and_a_document_joined_by_the_md5_of_the_english_one(tmp_path: Path) -> None:
    downloads = written(
        tmp_path, {"en": {"gimp": ("Image editor", LONG)}, "de": {"gimp": ("Bildbearbeitung", LANG)}, "eo": {}}
    )
    (row,) = rows(downloads, None)
    assert row.content_id == "debian-descriptions:gimp"
    assert row.query == {"en": "Image editor", "de": "Bildbearbeitung"}
    assert row.document == {"en": LONG.strip(), "de": LANG.strip()}
    assert row.provenance == {"en": "original", "de": "human"}
    assert rows(downloads, frozenset({"eo"})) == []


def test_paragraphs_items_and_verbatim_lines_become_lines(tmp_path: Path) -> None:
    long = (
        " An editor for photos,\n drawings and well-\n known pictures. Features:\n"
        "  * layers that can be\n    masked\n  * many formats\n"
        " .\n - undo\n without end\n .\n It reads:\n  PNG\n  JPEG\n"
    )
    assert one(tmp_path, "de", long.replace("photos", "Fotos"), long).document["en"].split("\n") == [
        "An editor for photos, drawings and well-known pictures. Features:",
        "layers that can be masked",
        "many formats",
        "undo without end",
        "It reads:",
        "PNG",
        "JPEG",
    ]


def test_a_hyphen_before_a_conjunction_keeps_its_space(tmp_path: Path) -> None:
    assert one(tmp_path, "de", " Für Bild-\n und Ton-\n Dateien.\n").document["de"] == "Für Bild- und Ton-Dateien."


def test_broken_lines_of_chinese_and_japanese_get_no_space(tmp_path: Path) -> None:
    assert (
        one(tmp_path, "zh_CN", " 这是一个图像编\n 辑器，支持\n PNG 格式。\n").document["zh"]
        == "这是一个图像编辑器，支持 PNG 格式。"
    )


def test_a_korean_word_broken_at_the_end_of_a_line_is_one_word_if_it_stands_elsewhere(tmp_path: Path) -> None:
    long = " 이 라이브러리를 쓰는 프로그램은 많습니다. 그래서 이 라이브\n 러리를 모든\n 사람이 씁니다.\n"
    text = one(tmp_path, "ko", long).document["ko"]
    assert text.endswith("그래서 이 라이브러리를 모든 사람이 씁니다.")


def test_debians_pt_is_european_and_unknown_languages_are_left_out(tmp_path: Path) -> None:
    translated = {name: {"gimp": (name, LANG)} for name in ("pt", "pt_BR", "de", "de_DE", "en_GB", "xx@yy")}
    (row,) = rows(written(tmp_path, {"en": {"gimp": ("editor", LONG)}, **translated}), None)
    assert row.query == {"en": "editor", "pt-PT": "pt", "pt": "pt_BR", "de": "de"}


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("editor", LANG),
        ("Bearbeiter", LONG),
        ("Bearbeiter", f"{LANG} .\n <trans>\n"),
        ("Bearbeiter", f"{LANG} .\n Ein Absatz, den das Original nicht hat.\n"),
    ],
)
def test_a_translation_that_is_not_whole_gives_no_row(tmp_path: Path, short: str, long: str) -> None:
    assert rows(written(tmp_path, {"en": {"gimp": ("editor", LONG)}, "de": {"gimp": (short, long)}}), None) == []


def test_of_a_family_that_shares_its_description_the_member_in_most_languages_is_kept(tmp_path: Path) -> None:
    english = {
        "gimp-core": ("editor", f"{LONG} .\n This package contains the core.\n"),
        "gimp-plugins": ("editor (plug-ins)", f"{LONG} .\n This package contains the plug-ins.\n"),
    }
    german = {name: (f"DE {short}", f"{LANG} .\n Teil {name}.\n") for name, (short, _) in english.items()}
    french = {"gimp-plugins": ("FR", f"{LANG} .\n Partie.\n")}
    assert names(rows(written(tmp_path, {"en": english, "de": german, "fr": french}), None)) == ["gimp-plugins"]
    assert names(rows(written(tmp_path, {"en": english, "de": german}), None)) == ["gimp-core"]


def test_packages_that_differ_in_names_and_numbers_alone_are_a_family(tmp_path: Path) -> None:
    text = " This dictionary lets a spelling checker find the mistakes in any text that was written in {}.\n"
    english = {f"ispell-{name.lower()}": (name, text.format(name)) for name in ("Danish", "Irish")}
    german = {name: (f"DE {short}", LANG) for name, (short, _) in english.items()}
    assert names(rows(written(tmp_path, {"en": english, "de": german}), None)) == ["ispell-danish"]


def test_packages_that_hold_parts_of_others_or_nothing_are_left_out(tmp_path: Path) -> None:
    texts = [" ".join(f"word{chr(97 + text)}{chr(97 + word)}" for word in range(20)) for text in range(6)]
    described = {
        name: (short, f" {text}.\n")
        for (name, short), text in zip(
            {
                "libgimp-dev": "library",
                "golang-gimp-dev": "Go library",
                "gimp-doc": "manual",
                "gimp-l10n-de": "messages",
                "gimp-old": "transitional package",
                "gimp": "editor",
            }.items(),
            texts,
            strict=True,
        )
    }
    german = {name: (f"DE {short}", f" Deutsch{long}") for name, (short, long) in described.items()}
    assert names(rows(written(tmp_path, {"en": described, "de": german}), None)) == ["gimp", "golang-gimp-dev"]


def test_what_unlike_packages_all_say_is_no_description(tmp_path: Path) -> None:
    long = " This package contains the shared library, which is needed to run what was linked with it.\n"
    english = {
        f"lib{letter}1": (f"library {letter}", f"{long} .\n lib{letter}1.\n") for letter in string.ascii_lowercase
    }
    german = {name: (f"DE {short}", f"{LANG} .\n {name}!\n") for name, (short, _) in english.items()}
    assert rows(written(tmp_path, {"en": english, "de": german}), None) == []


def test_an_index_that_is_missing_or_laid_out_otherwise_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError, match="Translation-en"):
        rows(WrittenDownloads(), None)
    path = tmp_path / "Translation-en"
    path.write_text("# a new layout\n")
    with pytest.raises(SourceMissingError, match="not laid out as it was"):
        rows(WrittenDownloads(translations={"en": path}), None)
