"""An index after kills at the worst moments, after long runs, and with damaged files."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from lancedb.table import LanceTable

from isoglot import Index, IsoglotError
from isoglot.indexing import snapshot, writer
from isoglot.indexing.checksums import HINT
from isoglot.indexing.splitting import Splitter
from isoglot.indexing.update import add_model, drop_model, update_index
from isoglot.platform.checksums import CHECKSUMS
from tests.indexing import numbered, use_hash_encoders, vector_of, write_jsonl

COMMITS = ("add_columns", "drop_columns", "update_field_metadata", "add", "delete", "create_index", "optimize")
"""Methods of LanceDB's table that commit; a merge commits as well, between two of them."""


class Killed(BaseException):
    """Stands for SIGKILL: no handler of isoglot's takes it, and what was committed before stays."""


@contextmanager
def killed_before(number: int) -> Iterator[None]:
    """Stop the work before its commit of this number, counted from 0."""
    count = 0

    def stopping(method: Any) -> Any:
        def call(self: LanceTable, *arguments: Any, **options: Any) -> Any:
            nonlocal count
            if count == number:
                raise Killed
            count += 1
            return method(self, *arguments, **options)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in COMMITS:
            patch.setattr(LanceTable, name, stopping(getattr(LanceTable, name)))
        yield


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A corpus that is indexed with the models `base` and `other`."""
    use_hash_encoders(monkeypatch)
    corpus = write_jsonl(tmp_path / "corpus.jsonl", numbered(30))
    update_index(corpus, tmp_path / "index", ["base", "other"])
    return corpus


def columns(folder: Path) -> list[tuple[str, bool]]:
    return [(model.name, model.ready) for model in Index(folder).snapshot().models]


@pytest.mark.parametrize("model", ["second", "first"])
def test_a_kill_before_the_column_of_a_changed_model_is_dropped_breaks_nothing(
    tmp_path: Path, corpus: str, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    """The next run has the same model or again the one before."""
    use_hash_encoders(monkeypatch, "second")
    with killed_before(1), pytest.raises(Killed):
        update_index(corpus, tmp_path / "index")
    assert columns(tmp_path / "index") == [("base", True), ("other", True), ("base", False)]
    use_hash_encoders(monkeypatch, model)
    assert update_index(corpus, tmp_path / "index").encoded == {"second": 60, "first": 0}[model]
    assert sorted(columns(tmp_path / "index")) == [("base", True), ("other", True)]
    nearest = Index(tmp_path / "index").search_vector(vector_of(f"base {model} document number 9"), model="base")
    assert nearest[0].passage.id == "d9#1"


def test_a_model_that_a_kill_left_two_columns_of_is_dropped_with_both(
    tmp_path: Path, corpus: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_hash_encoders(monkeypatch, "second")
    with killed_before(1), pytest.raises(Killed):
        update_index(corpus, tmp_path / "index")
    drop_model(tmp_path / "index", "base")
    assert columns(tmp_path / "index") == [("other", True)]


def test_killed_before_any_of_its_commits_a_run_is_finished_by_the_next(
    tmp_path: Path, corpus: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both models have changed, one is new, documents are added, changed and deleted."""
    use_hash_encoders(monkeypatch, "second")
    rows = [{**row, "text": row["text"] + " more"} if row["_id"] == "d9" else row for row in numbered(40)[5:]]
    corpus = write_jsonl(tmp_path / "corpus.jsonl", rows)
    kills = 0
    while True:
        try:
            with killed_before(kills % 3):
                update_index(corpus, tmp_path / "index", ["third"])
            break
        except Killed:
            kills += 1
    assert kills >= 8
    index = Index(tmp_path / "index")
    assert sorted(index.models) == ["base", "other", "third"]
    assert len(index) == 35
    for model in index.models:
        vector = vector_of(f"{model} second document number 9 more")
        assert index.search_vector(vector, model=model)[0].passage.id == "d9#1"


@pytest.mark.parametrize("number", range(5))
def test_an_index_that_lacks_a_part_of_a_corpus_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    """Killed before the corpus is noted, before each ten of its documents, or before it is noted that all are there."""
    use_hash_encoders(monkeypatch)
    monkeypatch.setattr(writer, "COMMIT_PASSAGES", 10)
    folder, first = tmp_path / "index", write_jsonl(tmp_path / "first.jsonl", numbered(30))
    second = write_jsonl(tmp_path / "second.jsonl", [{**row, "_id": f"more {row['_id']}"} for row in numbered(30)])
    with killed_before(number), pytest.raises(Killed):
        update_index(first, folder, ["base"])
    assert len(Index(folder).unfinished) == 1
    assert caplog.messages[-1].endswith("is in it; run the same `isoglot index` again to finish it")
    update_index(first, folder)
    assert Index(folder).unfinished == []
    with killed_before(max(number, 1)), pytest.raises(Killed):
        update_index(second, folder, add=True)
    assert Index(folder).unfinished == [second]
    update_index(second, folder, add=True)
    assert (Index(folder).unfinished, len(Index(folder))) == ([], 60)


def files_of(folder: Path) -> list[Path]:
    return [path for path in sorted((folder / "passages.lance").glob("*/**/*")) if path.is_file() and path.name != HINT]


def test_a_flipped_bit_in_any_file_of_an_index_is_told(tmp_path: Path, corpus: str) -> None:
    folder = tmp_path / "index"
    generator = random.Random(0)
    assert len(files_of(folder)) > 10
    for path in files_of(folder):
        whole = path.read_bytes()
        if not whole:
            continue
        for _ in range(5):
            flipped = bytearray(whole)
            flipped[generator.randrange(len(whole))] ^= 1 << generator.randrange(8)
            path.write_bytes(flipped)
            for use in (lambda: Index(folder), lambda: update_index(corpus, folder)):
                with pytest.raises(IsoglotError, match=f"{path.name}: is damaged: its checksum is not the one"):
                    use()
        path.write_bytes(whole)
    assert len(Index(folder)) == 30


def test_each_run_records_what_it_wrote_and_an_open_index_checks_what_is_new(tmp_path: Path, corpus: str) -> None:
    folder = tmp_path / "index"
    index, first = Index(folder), set(files_of(folder))
    for start in (30, 60):
        update_index(write_jsonl(tmp_path / "more.jsonl", numbered(5, start)), folder, add=True)
    recorded = json.loads((folder / "passages.lance" / CHECKSUMS).read_text())
    assert {folder / "passages.lance" / name for name in recorded} == set(files_of(folder)) > first
    (new, *_) = (path for path in files_of(folder) if path not in first and path.parent.name == "data")
    new.write_bytes(new.read_bytes()[:-1] + b"?")
    with pytest.raises(IsoglotError, match="is damaged"):
        len(index)


def test_a_killed_run_leaves_files_without_checksums_which_the_next_one_records(tmp_path: Path, corpus: str) -> None:
    folder = tmp_path / "index"
    more = write_jsonl(tmp_path / "more.jsonl", numbered(5, 30))
    (folder / "passages.lance" / CHECKSUMS).unlink()  # or an index of an older version
    assert len(Index(folder)) == 30
    update_index(more, folder, add=True)
    recorded = json.loads((folder / "passages.lance" / CHECKSUMS).read_text())
    assert {folder / "passages.lance" / name for name in recorded} == set(files_of(folder))


def test_adding_a_model_takes_longer_than_old_versions_are_kept(
    tmp_path: Path, corpus: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Optimizing deletes the files of old versions while the passages of one are read."""
    monkeypatch.setattr(writer, "COMMIT_PASSAGES", 10)
    more = [{**row, "text": row["text"] + " loaf" * 2000} for row in numbered(800, 100)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Splitter, "split", lambda self, title, text: [text])
        patch.setattr(writer.Writer, "optimize", lambda self: None)  # so that the passages lie in 80 files
        update_index(write_jsonl(tmp_path / "more.jsonl", more), tmp_path / "index", add=True)
    monkeypatch.setattr(writer, "OLD_VERSIONS_KEPT", timedelta(milliseconds=1))
    monkeypatch.setattr(writer, "COMMITS_BETWEEN_OPTIMIZING", 8)
    monkeypatch.setattr(snapshot, "_BATCH_ROWS", 10)
    assert add_model(tmp_path / "index", "third", "third").encoded == 830
    assert Index(tmp_path / "index").models == ["base", "other", "third"]
