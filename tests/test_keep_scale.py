"""`align --keep-scale`, and the cut-offs that every alignment shows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

import isoglot
from isoglot import Audit, Collection, IsoglotError
from isoglot.alignment.card import model_card
from isoglot.alignment.keep_scale import common_share, keep_scale
from isoglot.alignment.record import AlignmentRecord, SimilaritiesRecord, read_record, to_json
from isoglot.encoders.sentence_transformer import load_encoder
from isoglot.evaluation.similarities import Distribution, Similarities
from tests.command_line import isoglot as run


def with_mean(mean: float) -> Similarities:
    return Similarities(unrelated=Distribution.of(np.array([mean - 0.1, mean + 0.1])))


def aligned(model: Path, data: Collection, output: Path, **options: object) -> tuple[AlignmentRecord, Audit]:
    folder = isoglot.align(str(model), "center", data, output, dev=data, max_loss=100, **options)  # type: ignore[arg-type]
    record = read_record(folder)
    assert record is not None
    return record, Audit.load(folder / "development" / "aligned")


@pytest.fixture
def apart(small_collection: Collection) -> Collection:
    """The same collection in texts of at most 7 words, so that it may guard what is fitted to it."""
    documents = [replace(document, text=" ".join(document.text.split()[:7])) for document in small_collection.documents]
    queries = [replace(query, text=" ".join(query.text.split()[:7])) for query in small_collection.queries]
    return replace(small_collection, name="apart", documents=documents, queries=queries)


def test_unrelated_pairs_keep_their_mean_and_rankings_stay(
    tiny_model: Path, apart: Collection, own_cache: Path, tmp_path: Path
) -> None:
    plain, without = aligned(tiny_model, apart, tmp_path / "plain")
    kept, with_scale = aligned(tiny_model, apart, tmp_path / "kept", keep_scale=True)
    assert plain.similarities is not None
    assert kept.similarities is not None
    base, moved, back = (
        found.unrelated.mean  # type: ignore[union-attr]
        for found in (plain.similarities.base, plain.similarities.aligned, kept.similarities.aligned)
    )
    assert base - moved > 0.1
    assert back == pytest.approx(base, abs=1e-3)
    for one, other in zip(without.scenarios, with_scale.scenarios, strict=True):
        assert one.judged is not None
        assert other.judged is not None
        assert np.array_equal(one.judged.ranks, other.judged.ranks)
    assert (without.model.dimension, with_scale.model.dimension) == (32, 33)


def test_the_saved_model_has_one_more_component_in_plain_sentence_transformers(
    tiny_model: Path, apart: Collection, own_cache: Path, tmp_path: Path
) -> None:
    record, _ = aligned(tiny_model, apart, tmp_path / "kept", keep_scale=True)
    assert json.loads(to_json(record))["keep_scale"] is True
    assert record.common_share is not None
    model = SentenceTransformer(str(tmp_path / "kept"), device="cpu", trust_remote_code=True)
    vector = model.encode_document("the old piano", language="en")
    assert vector.shape == (33,)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
    assert vector[-1] == pytest.approx(record.common_share**0.5, abs=1e-6)
    card = (tmp_path / "kept" / "README.md").read_text()
    assert "Scale: kept. Vectors have one more component" in card
    with pytest.raises(IsoglotError, match="holds an alignment with other settings"):
        aligned(tiny_model, apart, tmp_path / "kept")


def test_the_constant_that_keeps_the_mean() -> None:
    assert common_share(with_mean(0.72), with_mean(0.25)) == pytest.approx(0.47 / 0.75)
    assert common_share(with_mean(0.25), with_mean(0.25)) == 0
    assert common_share(with_mean(0.25), with_mean(0.3)) is None
    with pytest.raises(IsoglotError, match="no query and document that are unrelated"):
        common_share(with_mean(0.25), Similarities())


def test_a_mean_that_has_risen_changes_nothing_and_is_said(tiny_model: Path, caplog: pytest.LogCaptureFixture) -> None:
    encoder = load_encoder(str(tiny_model), device="cpu")
    before = encoder.fingerprint
    assert keep_scale(encoder, with_mean(0.2), with_mean(0.3)) is None
    assert encoder.fingerprint == before
    assert "the scale cannot be kept: the mean cosine of unrelated pairs has not fallen" in caplog.text


def test_without_a_development_split_it_is_refused(
    tiny_model: Path, small_collection: Collection, own_cache: Path, tmp_path: Path
) -> None:
    for options in ({"dev": "none"}, {}):
        with pytest.raises(IsoglotError, match="--keep-scale needs a development split"):
            isoglot.align(str(tiny_model), "center", small_collection, tmp_path / "x", keep_scale=True, **options)


def test_every_alignment_prints_and_keeps_the_cutoffs(
    tiny_model: Path, small_collection: Collection, own_cache: Path, tmp_path: Path
) -> None:
    documents = (
        json.dumps({"id": d.content_id, "lang": d.language, "text": " ".join(3 * [d.text])})
        for d in small_collection.documents
    )
    (tmp_path / "corpus.jsonl").write_text("\n".join(documents))
    result = run("align", tiny_model, "--data", tmp_path / "corpus.jsonl", "-o", tmp_path / "out", "--keep-scale")
    assert result.returncode == 0, result.stderr
    assert "Similarities: mean and quantiles of the cosine" in " ".join(result.stdout.split())
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| unrelated, same language | before |" in card
    assert "| relevant, same language | after |" in card
    record = read_record(tmp_path / "out")
    assert record is not None
    assert record.keep_scale
    moved = msgspec.structs.replace(record, similarities=SimilaritiesRecord(with_mean(0.72), with_mean(0.2)))
    assert "| before: cut-off | 0.7 | 0.75 | 0.8 |\n| --- | ---: | ---: | ---: |\n| after: cut-off | 0.180 |" in (
        model_card(moved)
    )
