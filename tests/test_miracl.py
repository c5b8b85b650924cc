"""The origin `miracl`, on a small local copy of the layout of its data sets."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub.errors import HFValidationError, HTTPError, LocalEntryNotFoundError

from isoglot.platform.downloads import Downloads, Package, SourceMissingError
from isoglot.platform.errors import InputError
from isoglot.training_data.building import OriginCounts, build
from isoglot.training_data.origins import hub_files, miracl
from isoglot.training_data.row import read_rows

TOPICS = "3\twhat is  albedo?\n12\tHow deep is Lake Baikal?\n7\twho found radium\n"
QRELS = "3\tQ0\t8#1\t0\n3\tQ0\t39#0\t1\n3\tQ0\t39#4\t1\n12\tQ0\t500#2\t1\n7\tQ0\t900#0\t1\n"
SHARDS = {
    "docs-0": [
        ("39#0", "Albedo", "Albedo is the measure of the diffuse reflection\nof solar radiation."),
        ("39#4", "Albedo", "Snow has a high albedo."),
        ("8#1", "Anarchism", "A passage that nobody asked for."),
    ],
    "docs-1": [
        ("500#2", "Lake Baikal", "It is the world's deepest lake, with a maximum depth of 1642 metres."),
        ("900#0", "Radium", "Marie and Pierre Curie discovered it in 1898 in a uraninite sample."),
    ],
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    judged, corpus = tmp_path / "miracl-v1.0-en", tmp_path / "miracl-corpus-v1.0-en"
    for folder in (judged / "topics", judged / "qrels", corpus):
        folder.mkdir(parents=True)
    (judged / "topics" / miracl.TOPICS).write_text(TOPICS, encoding="utf-8")
    (judged / "qrels" / miracl.QRELS).write_text(QRELS, encoding="utf-8")
    for name, passages in SHARDS.items():
        with gzip.open(corpus / f"{name}.jsonl.gz", "wt", encoding="utf-8") as file:
            for docid, title, text in passages:
                file.write(json.dumps({"docid": docid, "title": title, "text": text}) + "\n")
    return tmp_path


def test_a_question_gets_title_and_text_of_the_first_relevant_passage(copy: Path) -> None:
    rows = miracl.rows(Downloads(copy), folder=copy)
    assert [row.content_id for row in rows] == ["miracl:39#0", "miracl:500#2", "miracl:900#0"]
    assert rows[0].query == {"en": "what is albedo?"}
    assert rows[0].document == {"en": "Albedo\nAlbedo is the measure of the diffuse reflection of solar radiation."}
    assert (rows[0].source, rows[0].provenance) == ("miracl", {"en": "original"})


def test_the_two_data_sets_may_lie_beside_each_other_as_git_leaves_them(copy: Path) -> None:
    expected = miracl.rows(Downloads(copy), folder=copy)
    for clone, part in (("miracl", "miracl-v1.0-en"), ("miracl-corpus", "miracl-corpus-v1.0-en")):
        (copy / clone).mkdir()
        (copy / part).rename(copy / clone / part)
    assert miracl.rows(Downloads(copy), folder=copy) == expected


def test_english_rows_survive_a_build(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "isoglot.training_data.held_out.EVALUATION", ("mini@test",)
    )  # the others are looked for on the hub
    report = build(f"miracl:{copy}", copy / "rows.jsonl", downloads=Downloads(copy))
    assert report.origins == {"miracl": OriginCounts(found=3, checked=3, passed=3, written=3)}
    assert [row.languages for row in read_rows(copy / "rows.jsonl")] == [["en"]] * 3


def test_a_passage_that_is_not_in_the_corpus_is_reported(copy: Path, caplog: pytest.LogCaptureFixture) -> None:
    (copy / "miracl-corpus-v1.0-en" / "docs-1.jsonl.gz").unlink()
    with caplog.at_level(logging.WARNING):
        assert [row.content_id for row in miracl.rows(Downloads(copy), folder=copy)] == ["miracl:39#0"]
    assert "2 of 3 questions have no passage" in caplog.text


def test_a_missing_file_is_named(copy: Path) -> None:
    (copy / "miracl-v1.0-en" / "qrels" / miracl.QRELS).unlink()
    with pytest.raises(SourceMissingError, match=f"has no file {miracl.QRELS}"):
        miracl.rows(Downloads(copy), folder=copy)


def test_a_cut_corpus_file_is_reported_in_one_line(copy: Path) -> None:
    shard = copy / "miracl-corpus-v1.0-en" / "docs-0.jsonl.gz"
    shard.write_bytes(shard.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"docs-0\.jsonl\.gz: damaged"):
        miracl.rows(Downloads(copy), folder=copy)


def test_another_layout_is_reported_with_file_and_line(copy: Path) -> None:
    (copy / "miracl-v1.0-en" / "qrels" / miracl.QRELS).write_text("3\t39#0\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"train\.tsv:1: 2 fields, not 4"):
        miracl.rows(Downloads(copy), folder=copy)


def test_without_the_hub_its_cache_is_used(
    copy: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = tmp_path_factory.mktemp("hub")
    for name, part in (("miracl", "miracl-v1.0-en"), ("miracl-corpus", "miracl-corpus-v1.0-en")):
        cached = hub / f"datasets--miracl--{name}"
        (cached / "snapshots" / "c0ffee").mkdir(parents=True)
        (cached / "refs").mkdir()
        (cached / "refs" / "main").write_text("c0ffee")
        (copy / part).rename(cached / "snapshots" / "c0ffee" / part)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(hub))
    monkeypatch.setattr(hub_files, "reachable", lambda: False)
    downloads = Downloads(copy)
    assert len(miracl.rows(downloads)) == 3
    assert downloads.fetched == 0
    assert Package("hub:miracl/miracl", "c0ffee", len(TOPICS) + len(QRELS)) in downloads.used


def test_without_hub_and_cache_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(hub_files, "reachable", lambda: False)
    with pytest.raises(SourceMissingError, match=r"^miracl/miracl is not in the hub's cache .* use miracl:DIR.*$"):
        miracl.rows(Downloads(tmp_path))


@pytest.mark.parametrize(
    "error",
    [
        LocalEntryNotFoundError("no snapshot\nin the cache"),
        HTTPError("connection cut"),
        ConnectionError("no network"),
        HFValidationError("no such name"),
        RuntimeError("hf_xet: data processing error"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_the_hubs_client_is_reported_in_one_line(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_files, "reachable", lambda: True)
    monkeypatch.setattr("huggingface_hub.snapshot_download", _raising(error))
    with pytest.raises(SourceMissingError, match=r"cannot be fetched \(.*\); use miracl:DIR") as caught:
        miracl.rows(Downloads(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_mistake_of_isoglots_own_is_not_taken_for_a_missing_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_files, "reachable", lambda: True)
    monkeypatch.setattr("huggingface_hub.snapshot_download", _raising(TypeError("unexpected keyword argument")))
    with pytest.raises(TypeError, match="unexpected keyword"):
        miracl.rows(Downloads(tmp_path))


def _raising(error: Exception) -> Callable[..., str]:
    def download(*arguments: object, **options: object) -> str:
        raise error

    return download
