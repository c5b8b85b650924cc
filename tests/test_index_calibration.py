"""`isoglot index --calibrate`: calibrated vectors beside the plain ones, and when they are out of date."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from isoglot import Collection, Index, IsoglotError
from isoglot.alignment.guard import LossyError, Verdict
from isoglot.alignment.index_calibration import calibrate_index
from isoglot.alignment.record import read_record
from isoglot.encoders.encoder import Encoder
from isoglot.encoders.means import means_of_sums, shrunk_means
from isoglot.encoders.sentence_transformer import load_encoder
from isoglot.evaluation.statistics.intervals import Interval
from isoglot.indexing.update import update_index
from tests.command_line import isoglot as command
from tests.indexing import write_jsonl


@pytest.fixture
def corpus(small_collection: Collection, tmp_path: Path) -> str:
    return write_jsonl(
        tmp_path / "corpus.jsonl",
        [
            {"id": f"{d.content_id}-{d.language}", "content_id": d.content_id, "lang": d.language, "text": d.text * 3}
            for d in small_collection.documents
        ],
    )


@pytest.fixture
def index(tiny_model: Path, corpus: str, tmp_path: Path, own_cache: Path) -> Path:
    update_index(corpus, tmp_path / "index", [str(tiny_model)])
    return tmp_path / "index"


def vectors_by_language(index: Index, model: str) -> dict[str, np.ndarray]:
    return {tag: index.vectors(model, index.sample(tag, 10**6)) for tag in index.languages}


def test_means_of_sums_are_those_of_the_vectors() -> None:
    generator = np.random.default_rng(0)
    drawn = {tag: generator.normal(size=(n, 8)).astype(np.float32) + n for n, tag in ((3, "de"), (40, "en"), (9, "zh"))}
    units = {tag: vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for tag, vectors in drawn.items()}
    sums = {tag: vectors.sum(axis=0, dtype=np.float64) for tag, vectors in units.items()}
    expected = shrunk_means(units)
    for tag, mean in means_of_sums(sums, {tag: len(vectors) for tag, vectors in units.items()}).items():
        np.testing.assert_allclose(mean, expected[tag], atol=1e-6)


def test_an_index_is_calibrated_without_encoding_a_passage(
    index: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[str] = []
    encode = Encoder._encode

    def counted(self: Encoder, texts: list[str], role: str) -> np.ndarray:
        encoded.extend(texts if role == "document" else [])
        return encode(self, texts, role)

    monkeypatch.setattr(Encoder, "_encode", counted)
    done = command("index", "--calibrate", "-o", index)
    assert done.returncode == 0, done.stderr
    assert encoded == []
    name = f"{tiny_model}+calibrated"
    assert f"{name}: 32 dimensions, exact search" in done.stdout
    opened = Index(index)
    assert opened.models == [str(tiny_model), name]
    plain, centered = (vectors_by_language(opened, model) for model in opened.models)
    module = opened.load_encoder(name).model[-1]
    for number, tag in enumerate(module.languages):
        np.testing.assert_allclose(module.table[number, 1], shrunk_means(plain)[tag], atol=1e-6)
        expected = plain[tag] - module.table[number, 1].numpy()
        np.testing.assert_allclose(centered[tag], expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-5)
    passage = opened.sample("de", 1)[0]
    again = opened.load_encoder(name).encode([passage.full_text], "document", ["de"])
    np.testing.assert_allclose(opened.vectors(name, [passage]), again, atol=1e-5)
    (folder,) = (index / "models").iterdir()
    assert folder.name.endswith("-tiny+calibrated")
    record = read_record(folder)
    assert record is not None
    assert (record.data.documents, record.data.spans) == (18, True)


def test_new_documents_get_both_vectors_and_moved_means_are_reported(
    index: Path, corpus: str, tiny_model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    calibrate_index(index)
    lines = [json.loads(line) for line in Path(corpus).read_text().splitlines()]
    one_more = {"id": "new", "lang": "de", "text": "Ein neues Dokument."}
    write_jsonl(Path(corpus), [*lines, one_more])
    caplog.clear()
    update_index(corpus, index)
    opened = Index(index)
    name = f"{tiny_model}+calibrated"
    (new,) = (passage for passage in opened.sample("de", 100) if passage.document_id == "new")
    expected = load_encoder(str(next((index / "models").iterdir()))).encode([new.full_text], "document", ["de"])
    np.testing.assert_allclose(opened.vectors(name, [new]), expected, atol=1e-5)
    write_jsonl(Path(corpus), [*lines, *({**one_more, "id": f"x{n}", "text": f"x {n} " * 40} for n in range(60))])
    update_index(corpus, index)
    assert f"{name}: the documents' means have moved since it was fitted (de by " in caplog.text
    caplog.clear()
    calibrate_index(index)
    update_index(corpus, index)
    assert "have moved" not in caplog.text


def test_a_calibration_that_loses_too_much_ends_as_an_alignment_does(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lossy(*arguments: object, **options: object) -> None:
        raise LossyError("lost 3 points", index, Verdict(Interval(-3.0, -4.0, -2.0), 1.0))

    monkeypatch.setattr("isoglot.alignment.index_calibration.align", lossy)
    done = command("index", "--calibrate", "-o", index)
    assert (done.returncode, done.stderr) == (3, "isoglot: lost 3 points\n")
    assert len(Index(index).models) == 1


@pytest.mark.process
def test_describing_an_index_loads_no_torch(index: Path) -> None:
    code = (
        "import sys; from isoglot.cli import main\ntry: main(sys.argv[1:])\nfinally: assert 'torch' not in sys.modules"
    )
    command_line = [sys.executable, "-c", code, "index", "-o", str(index)]
    done = subprocess.run(command_line, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "passages" in done.stdout


def test_what_cannot_be_calibrated_is_reported(index: Path, tmp_path: Path) -> None:
    with pytest.raises(IsoglotError, match="the index has no vectors of 'other'"):
        calibrate_index(index, ["other"])
    with pytest.raises(IsoglotError, match="is not on this machine"):
        calibrate_index("s3://bucket/index")
    assert "--queries goes with --calibrate" in command("index", "-o", index, "--queries", "q.txt").stderr
    assert "no index here" in command("index", "--calibrate", "-o", tmp_path / "nothing").stderr
