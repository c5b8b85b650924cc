"""The methods beside `center` and `jsd-nce`: what each does to vectors, by hand and in a model."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

import isoglot
from isoglot import Collection, IsoglotError
from isoglot.alignment.methods import distill, lir, wccn
from isoglot.alignment.options import DistillOptions
from isoglot.alignment.registry import METHODS
from isoglot.alignment.row_vectors import RowVectors, encode_rows
from isoglot.alignment.training.examples import quads
from isoglot.encoders.language_modules import LanguageProjection
from isoglot.encoders.prompts import ROLES
from isoglot.encoders.sentence_transformer import load_encoder
from isoglot.training_data.loading import training_rows
from isoglot.training_data.row import Row

FLAT = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], dtype=np.float32)


@pytest.fixture
def row_vectors(tiny_model: Path, small_collection: Collection, own_cache: Path) -> RowVectors:
    return encode_rows(load_encoder(str(tiny_model)), training_rows(small_collection), show_progress=False)


def align(model: Path, method: str, data: Collection, out: Path, **options: float | str) -> Path:
    return isoglot.align(str(model), method, data, out, **options)


def vectors(folder: Path, collection: Collection, role: str, language: str) -> np.ndarray:
    found = collection.documents if role == "document" else collection.queries
    texts = [item.text for item in found if item.language == language]
    return load_encoder(str(folder)).encode(texts, role, [language] * len(texts))


def test_row_vectors_hold_every_distinct_text_once(row_vectors: RowVectors, small_collection: Collection) -> None:
    assert row_vectors.languages == ["de", "en", "ru"]
    assert {role: found.shape for role, found in row_vectors.vectors.items()} == {
        "query": (18, 32),
        "document": (18, 32),
    }
    assert row_vectors.of("query", "ru").shape == (6, 32)
    assert row_vectors.means("x")["ru", "query"] == pytest.approx(row_vectors.of("query", "ru").mean(axis=0), abs=1e-6)


def test_shift_moves_documents_onto_english_and_leaves_queries(
    tiny_model: Path, small_collection: Collection, own_cache: Path, tmp_path: Path
) -> None:
    shifted = align(tiny_model, "shift", small_collection, tmp_path / "shift")
    for language in ("en", "ru"):
        same = vectors(shifted, small_collection, "query", language)
        assert same == pytest.approx(vectors(tiny_model, small_collection, "query", language), abs=1e-6)
    base, english = (vectors(tiny_model, small_collection, "document", tag) for tag in ("ru", "en"))
    expected = base - (base - english).mean(axis=0)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert vectors(shifted, small_collection, "document", "ru") == pytest.approx(expected, abs=1e-5)
    assert vectors(shifted, small_collection, "document", "en") == pytest.approx(english, abs=1e-6)
    half = align(tiny_model, "shift", small_collection, tmp_path / "half", alpha=0.0)
    assert vectors(half, small_collection, "document", "ru") == pytest.approx(base, abs=1e-6)


def test_shift_needs_parallel_documents(tiny_model: Path, small_collection: Collection, tmp_path: Path) -> None:
    with pytest.raises(IsoglotError, match="no row has its document in English and in another language"):
        isoglot.align(str(tiny_model), "shift", small_collection, tmp_path / "out", languages=["de", "ru"])


def test_lir_removes_the_first_direction_of_each_language(
    tiny_model: Path, small_collection: Collection, own_cache: Path, tmp_path: Path
) -> None:
    projected = align(tiny_model, "lir", small_collection, tmp_path / "lir", r=2)
    for language in ("en", "ru"):
        both = np.concatenate([vectors(tiny_model, small_collection, role, language) for role in ("query", "document")])
        directions = np.linalg.svd(both, full_matrices=False)[2][:2]
        for role in ("query", "document"):
            assert np.abs(vectors(projected, small_collection, role, language) @ directions.T).max() < 1e-5
    with pytest.raises(IsoglotError, match="too few to remove 50 directions"):
        align(tiny_model, "lir", small_collection, tmp_path / "many", r=50)
    with pytest.raises(IsoglotError, match="vectors have 2 dimensions; removing 2 leaves nothing"):
        lir.fit(RowVectors({role: [("en", text) for text in "abc"] for role in ROLES}, dict.fromkeys(ROLES, FLAT)), 2)
    with pytest.raises(IsoglotError, match="r is 0"):
        align(tiny_model, "lir", small_collection, tmp_path / "none", r=0)


def test_projection_by_hand_and_what_unknown_languages_lose(caplog: pytest.LogCaptureFixture) -> None:
    module = LanguageProjection(["de", "en"], torch.tensor([[[0.6, 0.8]], [[1.0, 0.0]]]))
    found = module.transform(torch.tensor([[0.6, 0.8], [0.6, 0.8]]), ["en", "ja"], [None, None])
    bisector = np.array([2, 1]) / np.sqrt(5)  # between the two languages' directions
    assert found.numpy()[0] == pytest.approx([0, 1], abs=1e-6)
    assert found.numpy()[1] == pytest.approx([-bisector[1], bisector[0]], abs=1e-6)
    assert "was not fitted on ja" in caplog.text


def test_leace_leaves_nothing_linear_of_the_language_and_is_a_plain_model(
    tiny_model: Path, small_collection: Collection, own_cache: Path, tmp_path: Path
) -> None:
    folder = align(tiny_model, "leace", small_collection, tmp_path / "leace")
    types = [module["type"] for module in json.loads((folder / "modules.json").read_text())]
    assert all(name.startswith("sentence_transformers.") for name in types)
    model = SentenceTransformer(str(folder), device="cpu")
    before_normalising = SentenceTransformer(modules=list(model)[:-1], prompts=model.prompts, device="cpu")
    means = []
    for language in ("en", "de", "ru"):
        documents = [d.text for d in small_collection.documents if d.language == language]
        queries = [q.text for q in small_collection.queries if q.language == language]
        both = [before_normalising.encode_document(documents), before_normalising.encode_query(queries)]
        means.append(np.concatenate(both).mean(axis=0))
    assert np.abs(means[0] - means[1]).max() < 1e-4
    assert np.abs(means[0] - means[2]).max() < 1e-4
    text = small_collection.documents[0].text
    ours = load_encoder(str(folder)).encode([text], "document", ["en"])[0]
    assert model.encode_document(text) == pytest.approx(ours, abs=1e-5)
    with pytest.raises(IsoglotError, match="in one language"):
        isoglot.align(str(tiny_model), "leace", small_collection, tmp_path / "one", languages=["en"])


def test_wccn_by_hand_shrinks_the_direction_in_which_translations_differ() -> None:
    versions = {"en": "a", "de": "b"}
    vectors = np.array([[0.6, 0.8], [-0.6, 0.8]], dtype=np.float32)  # translations differ in the first component only
    row_vectors = RowVectors({role: list(versions.items()) for role in ROLES}, dict.fromkeys(ROLES, vectors))
    weight, bias = wccn.fit(row_vectors, [Row("1", versions, versions)], 1.0)
    # S = diag(0.72, 0), and a sphere of trace / d = 0.36 is added: the map's eigenvalues are as 1 / 1.08 to 1 / 0.36
    assert weight == pytest.approx(np.diag([1 / 3, 1]), abs=1e-6)
    assert bias == pytest.approx([0, -0.8], abs=1e-6)


def test_wccn_is_a_plain_model_that_needs_translations(
    tiny_model: Path, small_collection: Collection, own_cache: Path, tmp_path: Path
) -> None:
    folder = align(tiny_model, "wccn", small_collection, tmp_path / "wccn")
    model = SentenceTransformer(str(folder), device="cpu")
    text = small_collection.documents[0].text
    ours = load_encoder(str(folder)).encode([text], "document", ["en"])[0]
    assert model.encode_document(text) == pytest.approx(ours, abs=1e-5)
    stacked = align(
        align(tiny_model, "center", small_collection, tmp_path / "c"), "wccn", small_collection, tmp_path / "b"
    )
    names = [module["type"].rpartition(".")[2] for module in json.loads((stacked / "modules.json").read_text())]
    assert names[-3:] == ["LanguageCentering", "Dense", "Normalize"]
    with pytest.raises(IsoglotError, match="no row has a text in two languages"):
        isoglot.align(str(tiny_model), "wccn", small_collection, tmp_path / "one", languages=["en"])
    with pytest.raises(IsoglotError, match="shrinkage is 0"):
        align(tiny_model, "wccn", small_collection, tmp_path / "zero", shrinkage=0.0)


def test_quads_are_both_texts_in_english_and_in_the_other_language() -> None:
    rows = [Row("a", {"en": "q", "de": "f"}, {"en": "d", "de": "D", "zh": "文"}), Row("b", {"en": "q"}, {"de": "D"})]
    (found,) = quads(rows)
    assert (found.query, found.query_translation, found.document, found.translation) == ("q", "f", "d", "D")
    with pytest.raises(IsoglotError, match="both in English and in another language"):
        quads(rows[1:])


@pytest.mark.parametrize("teacher", ["center", "lir"])
def test_teachers_are_the_neutral_vectors_and_mixing_brings_translations_together(
    row_vectors: RowVectors, small_collection: Collection, teacher: str
) -> None:
    rows = training_rows(small_collection)
    own = distill.teachers(rows, row_vectors, DistillOptions(teacher=teacher))["document"]
    shared = distill.teachers(rows, row_vectors, DistillOptions(teacher=teacher, mix=1.0))["document"]
    assert np.linalg.norm(list(own.values()), axis=1) == pytest.approx(1)
    for row in rows:
        versions = [shared[pair] for pair in row.document.items()]
        assert versions[0] == pytest.approx(versions[1], abs=1e-6)
        assert own["en", row.document["en"]] != pytest.approx(own["de", row.document["de"]], abs=1e-3)


def test_teachers_by_source_are_those_of_each_source_alone(
    row_vectors: RowVectors, small_collection: Collection
) -> None:
    rows = [
        msgspec.structs.replace(row, source="headings" if at % 2 else "questions")
        for at, row in enumerate(training_rows(small_collection))
    ]
    apart = distill.teachers(rows, row_vectors, DistillOptions(by_source=True))
    together = distill.teachers(rows, row_vectors, DistillOptions())
    for source in ("headings", "questions"):
        of_source = [row for row in rows if row.source == source]
        alone = distill.teachers(of_source, row_vectors.of_rows(of_source), DistillOptions(), shrunk=True)
        for role, learnt in alone.items():
            for pair, vector in learnt.items():
                assert apart[role][pair] == pytest.approx(vector, abs=1e-6)
                assert together[role][pair] != pytest.approx(vector, abs=1e-3)


def test_distill_brings_the_student_near_its_teacher_and_needs_no_tag(
    tiny_model: Path, small_collection: Collection, own_cache: Path, tmp_path: Path, row_vectors: RowVectors
) -> None:
    options = {"epochs": 8.0, "batch_size": 6, "learning_rate": 3e-3}
    folder = align(tiny_model, "distill", small_collection, tmp_path / "distill", **options)
    taught = distill.teachers(training_rows(small_collection), row_vectors, DistillOptions())["document"]
    texts = [(d.language, d.text) for d in small_collection.documents]
    near = {}
    for name in (tiny_model, folder):
        found = load_encoder(str(name)).encode([text for _, text in texts], "document", [tag for tag, _ in texts])
        near[name] = np.mean([vector @ taught[pair] for vector, pair in zip(found, texts, strict=True)])
    assert near[folder] > near[tiny_model] + 0.1
    assert not load_encoder(str(folder)).uses_language


def test_nce_learns(tiny_model: Path, small_collection: Collection, own_cache: Path, tmp_path: Path) -> None:
    folder = align(tiny_model, "nce", small_collection, tmp_path / "nce", epochs=4, batch_size=6, learning_rate=3e-3)
    losses = [json.loads(line)["loss"] for line in (folder / "losses.jsonl").read_text().splitlines()]
    assert losses[-1] < losses[0] - 0.1


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("distill", {"teacher": "leace"}, "unknown teacher 'leace'"),
        ("distill", {"mix": 2.0}, "mix is 2.0; it must be from 0 to 1"),
        ("nce", {"temperature": 0.0}, "temperature is 0.0; it must be above 0"),
        ("shift", {"alpha": float("nan")}, "alpha is nan; it must be from 0 to 10"),
    ],
)
def test_options_out_of_range_are_told(method: str, options: dict[str, float], message: str) -> None:
    with pytest.raises(IsoglotError, match=message):
        METHODS[method].options(options)


@pytest.mark.slow
def test_every_method_says_whether_it_needs_the_language(
    tiny_model: Path, small_collection: Collection, own_cache: Path, tmp_path: Path
) -> None:
    for name, method in METHODS.items():
        options = {"epochs": 0.2, "batch_size": 6} if method.trained else {}
        folder = align(tiny_model, name, small_collection, tmp_path / name, **options)
        assert load_encoder(str(folder)).uses_language == method.needs_language, name
