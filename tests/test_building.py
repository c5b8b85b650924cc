"""Builds of training rows: what is chosen, what is reported, what is the same again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from isoglot import IsoglotError, Row, read_rows
from isoglot.corpora.sources import load_collection
from isoglot.platform.downloads import Downloads
from isoglot.training_data import building, held_out
from isoglot.training_data.building import OriginCounts, build, report_path
from isoglot.training_data.choosing import choose
from isoglot.training_data.origins import MIX, ORIGINS
from tests.bakery import BAKERY, CLOSED, GRAINS
from tests.command_line import isoglot


@pytest.fixture(autouse=True)
def origins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(ORIGINS, "bakery", BAKERY)
    monkeypatch.setitem(ORIGINS, "closed", CLOSED)
    monkeypatch.setattr(held_out, "EVALUATION", ("mini@test",))
    monkeypatch.setenv("ISOGLOT_CACHE", str(tmp_path / "cache"))


def row(content: str, *languages: str, source: str = "a") -> Row:
    tags = ("en", *languages)
    return Row(content, dict.fromkeys(tags, f"q {content}"), dict.fromkeys(tags, f"d {content}"), source)


def test_a_build_writes_rows_and_a_report_of_what_it_did(tmp_path: Path) -> None:
    report = build("bakery", tmp_path / "rows.jsonl")
    rows = read_rows(tmp_path / "rows.jsonl")
    assert [written.content_id for written in rows] == sorted(
        f"bakery:{name}" for name in ("rye", "wheat", "oats", "barley", "maize")
    )
    assert report.origins == {"bakery": OriginCounts(found=5, checked=5, passed=5, written=5)}
    assert report.languages == {"en": 5, "zh": 5, "de": 4}
    assert report.checks["bakery"]["markup"] == 1
    assert report.against == ["mini@test"]
    assert [package.name for package in report.packages] == ["test:bakery"]
    saved = json.loads(report_path(tmp_path / "rows.jsonl").read_text(encoding="utf-8"))
    assert saved["rows"] == 5
    assert saved["origins"] == {"bakery": {"found": 5, "checked": 5, "passed": 5, "written": 5}}
    assert saved["findings"][0]["content_id"] == "bakery:maize"


def test_two_builds_are_the_same_byte_by_byte_and_another_seed_chooses_others(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        build("bakery", tmp_path / f"{name}.jsonl", size=3, per_row=1, seed=seed)
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    assert (tmp_path / "a.jsonl").read_bytes() != (tmp_path / "c.jsonl").read_bytes()


def test_languages_and_sizes_are_those_wanted(tmp_path: Path) -> None:
    build("bakery", tmp_path / "rows.jsonl", languages=["zh-Hans"], size=2)
    assert [written.languages for written in read_rows(tmp_path / "rows.jsonl")] == [["en", "zh"]] * 2


def test_a_mix_goes_on_without_an_origin_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "MIX", ("closed", "bakery"))
    report = build("mix", tmp_path / "rows.jsonl")
    assert report.rows == 5
    assert report.missing == {"closed": "the archive has no such package"}


def test_a_mix_without_mini_is_what_it_was_before_mini_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "MIX", ("bakery", "mini"))
    report = build("mix", tmp_path / "old.jsonl", without=["mini"])
    digest = hashlib.sha256((tmp_path / "old.jsonl").read_bytes()).hexdigest()
    assert report.fingerprint == "2b3defab3e86928609fa176e91292e8b75ecf6228583d8b8c452b892925fcd89"
    assert digest == "97aeccca8037d5c2d38fdd6a411926c2ec47ed3539857d6f7f09d9e6375fdc7f"
    assert build("mix", tmp_path / "new.jsonl").fingerprint != report.fingerprint
    assert MIX[-1] == "mini"
    assert MIX[:-1] == ("libreoffice-help", "debian-descriptions", "debian-manuals", "electron-docs")
    with pytest.raises(IsoglotError, match="mix has no origin 'maxi' to leave out; it has bakery, mini"):
        build("mix", tmp_path / "rows.jsonl", without=["maxi"])
    with pytest.raises(IsoglotError, match="mix without mini, bakery has no origin left"):
        build("mix", tmp_path / "rows.jsonl", without=["mini", "bakery"])


def test_the_questions_of_mini_train_are_an_origin_of_machine_texts(tmp_path: Path) -> None:
    topics = load_collection("mini@train")
    build("mini", tmp_path / "rows.jsonl", per_row=len(topics.languages))
    rows = read_rows(tmp_path / "rows.jsonl")
    assert {row.query["en"] for row in rows} == {query.text for query in topics.queries if query.language == "en"}
    assert {row.content_id for row in rows} == {f"mini:{document.content_id}" for document in topics.documents}
    assert {tag for row in rows for tag in row.languages} == set(topics.languages)
    assert {(row.source, row.licence) for row in rows} == {("mini", "CC0-1.0")}
    assert {value for row in rows for value in row.provenance.values()} == {"machine"}
    build("mini", tmp_path / "de.jsonl", languages=["de"])
    assert {tuple(row.languages) for row in read_rows(tmp_path / "de.jsonl")} == {("en", "de")}


def test_what_is_unavailable_or_unknown_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(IsoglotError, match="the archive has no such package"):
        build("closed", tmp_path / "rows.jsonl")
    monkeypatch.setattr(building, "MIX", ("closed",))
    with pytest.raises(IsoglotError, match="mix: no origin can be read here"):
        build("mix", tmp_path / "rows.jsonl")
    with pytest.raises(IsoglotError, match="unknown origin 'bread'; known are mix, "):
        build("bread", tmp_path / "rows.jsonl")
    with pytest.raises(IsoglotError, match="bakery takes no folder"):
        build("bakery:here", tmp_path / "rows.jsonl")
    with pytest.raises(IsoglotError, match="unknown language"):
        build("bakery", tmp_path / "rows.jsonl", languages=["klingon"])
    with pytest.raises(IsoglotError, match=r"rows are written to .jsonl or .parquet"):
        build("closed", tmp_path / "rows.csv")
    assert list(tmp_path.glob("rows*")) == []


def test_strict_makes_a_finding_an_error_and_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(IsoglotError, match="1 findings, the first: markup in bakery:maize de: <b>"):
        build("bakery", tmp_path / "rows.jsonl", strict=True)
    assert list(tmp_path.glob("rows*")) == []


def test_a_build_without_a_row_that_passes_says_which_checks_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.bakery.GRAINS", GRAINS[-1:])
    with pytest.raises(IsoglotError, match="bakery: no row passed the checks, which found: markup 1, alone 1"):
        build("bakery", tmp_path / "rows.jsonl", languages=["de"])
    monkeypatch.setattr("tests.bakery.GRAINS", [])
    with pytest.raises(IsoglotError, match="bakery: has no rows; choose other languages"):
        build("bakery", tmp_path / "rows.jsonl")
    assert list(tmp_path.glob("rows*")) == []


def test_a_row_that_overlaps_a_named_collection_is_dropped(tmp_path: Path) -> None:
    held = tmp_path / "held"
    (held / "qrels").mkdir(parents=True)
    text = "Dieses Korn wächst auf kargen Böden und ergibt einen dunklen, schweren Laib."
    (held / "corpus.jsonl").write_text(json.dumps({"_id": "a", "text": text, "lang": "de"}))
    (held / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": "Roggen?", "lang": "de"}))
    (held / "qrels" / "test.tsv").write_text("q\ta\t1\n")
    report = build("bakery", tmp_path / "rows.jsonl", against=[f"folder:{held}"])
    assert report.checks["bakery"]["contamination"] == 1
    assert "bakery:rye" not in [written.content_id for written in read_rows(tmp_path / "rows.jsonl")]
    with pytest.raises(IsoglotError, match="no such folder"):
        build("bakery", tmp_path / "rows.jsonl", against=["folder:nowhere"])


def test_evaluation_collections_that_cannot_be_loaded_are_reported_and_a_local_copy_stands_in(
    tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_out, "EVALUATION", ("mini@test", "xquad"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert list(build("bakery", tmp_path / "rows.jsonl").unchecked) == ["xquad"]
    report = build("bakery", tmp_path / "rows.jsonl", against=[f"xquad:{shared_data / 'xquad'}"])
    assert (report.unchecked, len(report.against)) == ({}, 2)


def test_origins_share_a_mix_evenly_as_far_as_they_go() -> None:
    passed = {
        "thin": [row(f"t{i}", "de", source="thin") for i in range(3)],
        "wide": [row(f"w{i}", "de", source="wide") for i in range(50)],
        "broad": [row(f"b{i}", "de", source="broad") for i in range(50)],
    }
    chosen = choose(passed, 23, 8, 0)
    assert len(chosen) == 23
    assert [sum(chosen_row.source == name for chosen_row in chosen) for name in passed] == [3, 10, 10]


def test_rows_in_more_languages_are_preferred_up_to_those_wanted() -> None:
    rows = [row("one", "de"), row("two", "de", "fr"), row("three", "de", "fr", "ja")]
    assert [chosen_row.content_id for chosen_row in choose({"a": rows}, 2, 2, 0)] == ["three", "two"]
    assert {chosen_row.content_id for seed in range(9) for chosen_row in choose({"a": rows}, 1, 2, seed)} == {
        "two",
        "three",
    }


def test_a_language_of_a_handful_of_rows_is_left_out() -> None:
    rows = [row(f"c{i}", "de") for i in range(299)] + [row("odd", "de", "hi")]
    assert {tag for chosen_row in choose({"a": rows}, 300, 8, 0) for tag in chosen_row.languages} == {"en", "de"}


def test_held_out_collections_are_in_no_build() -> None:
    assert not {"gnome-help", "debian-faq"} & {*MIX, *ORIGINS}


def test_the_command_line_builds_checks_describes_and_exports(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    built = isoglot("data", "build", "bakery", "-o", file)
    assert built.returncode == 0
    assert "5 rows" in built.stdout
    assert "markup" in built.stdout
    again = isoglot("data", "build", "bakery", "-o", file)
    assert again.returncode == 2
    assert "exists already" in again.stderr
    checked = isoglot("data", "check", file, "-o", tmp_path / "clean.jsonl", "--strict")
    assert checked.returncode == 0
    assert "5 of 5 rows pass, 0 findings" in checked.stdout
    described = isoglot("data", "stats", file, "--plot", tmp_path / "plot.svg")
    assert "German" in described.stdout
    assert (tmp_path / "plot.svg").is_file()
    exported = isoglot("data", "export", file, "--to", "beir", "-o", tmp_path / "beir")
    assert exported.returncode == 0
    assert "libreoffice-help" in isoglot("data", "origins").stdout
    assert json.loads(isoglot("data", "stats", file, "--json").stdout)["rows"] == 5
    assert json.loads(isoglot("data", "check", file, "--json").stdout)["passed"] == 5


def test_downloads_of_a_build_may_be_kept_elsewhere(tmp_path: Path) -> None:
    downloads = Downloads(tmp_path / "mirror")
    build("bakery", tmp_path / "rows.jsonl", downloads=downloads)
    assert {package.name for package in downloads.used} == {"test:bakery"}
