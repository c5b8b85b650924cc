"""The origin `mmarco`, on a small local copy of the layout of its data set."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

from isoglot.platform.downloads import Downloads, SourceMissingError
from isoglot.platform.errors import InputError
from isoglot.training_data.building import build
from isoglot.training_data.origins import hub_files, mmarco
from isoglot.training_data.row import read_rows

QUERIES = {
    "english": {"5": "what fruit is native to australia", "9": "how deep is lake baikal", "4": "what is tracheids"},
    "german": {"5": "welche Frucht ist in Australien heimisch", "9": "wie tief ist der Baikalsee"},
    "japanese": {"5": "オーストラリア原産の果物は何ですか", "9": "バイカル湖の深さ"},
}
PASSAGES = {
    "english": {
        "0": "Passiflora herbertiana is a rare passion fruit that grows in the forests of the eastern coast.",
        "1": "The kola nut is the fruit of the kola tree.",
        "2": "Lake Baikal is the deepest lake of the world: it&#39;s 1642 metres deep.",
        "3": "The plantâ€™s cells are called tracheids and carry water.",
    },
    "german": {
        "0": "Passiflora herbertiana ist eine seltene Passionsfrucht, die in den Wäldern der Ostküste wächst.",
        "2": "Der Baikalsee ist der tiefste See der Welt: Er ist 1642 Meter tief.",
    },
    "japanese": {"0": "パッシフローラ・ヘルベルティアナは東海岸の森に生える珍しいパッションフルーツです。"},
}
TRIPLES = "5\t0\t1\n9\t2\t1\n5\t1\t2\n4\t3\t1\n"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    for part, ending, texts in (
        ("google/collections", "_collection.tsv", PASSAGES),
        ("google/queries/train", "_queries.train.tsv", QUERIES),
    ):
        (data / part).mkdir(parents=True)
        for name, lines in texts.items():
            written = "".join(f"{identity}\t{text}\n" for identity, text in lines.items())
            (data / part / f"{name}{ending}").write_text(written, encoding="utf-8")
    (data / "triples.train.ids.small.tsv").write_text(TRIPLES, encoding="utf-8")
    return tmp_path


def test_a_row_has_the_languages_that_have_both_question_and_first_positive(copy: Path) -> None:
    rows = mmarco.rows(Downloads(copy), folder=copy)
    assert [(row.content_id, row.languages) for row in rows] == [
        ("mmarco:0", ["en", "de", "ja"]),
        ("mmarco:2", ["en", "de"]),
    ]
    assert rows[0].query["de"] == QUERIES["german"]["5"]
    assert rows[0].document["ja"] == PASSAGES["japanese"]["0"]
    assert rows[0].provenance == {"en": "original", "de": "machine", "ja": "machine"}
    assert rows[1].document["en"].endswith("it's 1642 metres deep.")


def test_misdecoded_passages_are_left_out(copy: Path) -> None:
    assert all("tracheids" not in row.query["en"] for row in mmarco.rows(Downloads(copy), folder=copy))


def test_only_the_wanted_languages_are_read(copy: Path) -> None:
    (copy / "data/google/collections/japanese_collection.tsv").write_text("no tab here\n", encoding="utf-8")
    rows = mmarco.rows(Downloads(copy), frozenset({"de", "ko"}), copy)
    assert [row.languages for row in rows] == [["en", "de"], ["en", "de"]]
    with pytest.raises(InputError, match=r"japanese_collection\.tsv:1: no tab"):
        mmarco.rows(Downloads(copy), folder=copy)


def test_files_in_one_folder_are_found_too(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    flat = tmp_path_factory.mktemp("flat")
    for path in copy.rglob("*.tsv"):
        shutil.copy(path, flat)
    assert mmarco.rows(Downloads(flat), folder=flat) == mmarco.rows(Downloads(copy), folder=copy)


def test_a_language_without_files_is_reported_and_english_is_required(
    copy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (copy / "data/google/queries/train/german_queries.train.tsv").unlink()
    with caplog.at_level(logging.WARNING):
        assert [row.languages for row in mmarco.rows(Downloads(copy), frozenset({"de"}), copy)] == [["en"], ["en"]]
    assert "de is left out" in caplog.text
    (copy / "data/google/queries/train/english_queries.train.tsv").unlink()
    with pytest.raises(SourceMissingError, match=r"has no file english_queries\.train\.tsv"):
        mmarco.rows(Downloads(copy), folder=copy)


def test_no_more_questions_are_read_than_fit_into_memory(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mmarco, "MOST", 1)
    assert [row.content_id for row in mmarco.rows(Downloads(copy), folder=copy)] == ["mmarco:0"]


def test_a_local_copy_can_be_built_from(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "isoglot.training_data.held_out.EVALUATION", ("mini@test",)
    )  # the others are looked for on the hub
    report = build(f"mmarco:{copy}", copy / "rows.jsonl", languages=["de"], downloads=Downloads(copy))
    assert report.rows == 2
    assert [row.languages for row in read_rows(copy / "rows.jsonl")] == [["en", "de"]] * 2


def test_without_hub_and_cache_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(hub_files, "reachable", lambda: False)
    with pytest.raises(SourceMissingError, match=r"^unicamp-dl/mmarco is not in the hub's cache .* use mmarco:DIR"):
        mmarco.rows(Downloads(tmp_path))
