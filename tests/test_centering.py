"""`center`: the module, by hand and inside a model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

import isoglot
from isoglot import Collection, Document, IsoglotError, Query
from isoglot.encoders.language_modules import LanguageCentering
from isoglot.encoders.sentence_transformer import load_encoder, load_model

MEANS = torch.tensor([[[0.5, 0.0], [0.0, 0.5]], [[0.0, 0.0], [0.3, 0.0]]])  # de, en; query, document


@pytest.fixture(scope="module")
def centered(tiny_model: Path, small_collection: Collection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return isoglot.align(str(tiny_model), "center", small_collection, tmp_path_factory.mktemp("center") / "model")


def test_each_vector_loses_the_mean_of_its_language_and_role() -> None:
    module = LanguageCentering(["de", "en"], MEANS)
    vectors = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.6, 0.8], [0.6, 0.8]])
    found = module.transform(vectors, ["de", "de", "en", "en"], ["query", "document", "query", "document"])
    expected = np.array([[1, 0], [0, 1], [0.6, 0.8], np.array([0.3, 0.8]) / np.hypot(0.3, 0.8)])
    assert found.numpy() == pytest.approx(expected, abs=1e-6)


def test_an_unknown_role_gets_the_mean_of_both_means() -> None:
    module = LanguageCentering(["de", "en"], MEANS)
    found = module.transform(torch.tensor([[1.0, 0.0]]), ["de"], [None])
    assert found.numpy() == pytest.approx(np.array([[0.75, -0.25]]) / np.hypot(0.75, 0.25), abs=1e-6)


def test_a_language_without_a_mean_is_left_as_it_is_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    module = LanguageCentering(["de", "en"], MEANS)
    vectors = torch.tensor([[0.6, 0.8], [0.8, 0.6]])
    assert module.transform(vectors, ["ja", "ja"], ["query", "query"]).numpy() == pytest.approx(vectors.numpy())
    assert module.transform(vectors, ["ja", None], ["query", "query"]).numpy() == pytest.approx(vectors.numpy())
    assert caplog.text.count("knows nothing of ja") == 1
    assert caplog.text.count("knows nothing of texts of no known language") == 1
    assert not torch.equal(module.transform(vectors, ["de-AT", "de"], ["query", "query"]), vectors)


def test_after_fitting_the_languages_have_one_centre(
    tiny_model: Path, centered: Path, small_collection: Collection
) -> None:
    texts = [(d.text, d.language) for d in small_collection.documents]
    found = {}
    for name in (tiny_model, centered):
        vectors = load_encoder(str(name), device="cpu").encode([t for t, _ in texts], "document", [t for _, t in texts])
        found[name] = [vectors[[tag == language for _, tag in texts]].mean(axis=0) for language in ("en", "ru")]
    module = load_model(str(centered), device="cpu")[-1]
    for language, mean in zip(("en", "ru"), found[tiny_model], strict=True):
        assert module.table[module.languages.index(language), 1].numpy() == pytest.approx(mean, abs=1e-6)
    apart, before = (np.linalg.norm(means[0] - means[1]) for means in (found[centered], found[tiny_model]))
    assert apart < 0.6 * before


def test_given_detected_and_told_by_the_prompt_are_the_same(centered: Path) -> None:
    model = load_model(str(centered), device="cpu")
    text = "поезд отходит в девять часов утра"
    given = model.encode(text, prompt_name="query", language="ru", task="query")
    for other in (
        model.encode_query(text),
        model.encode(text, prompt_name="query"),
        model.encode("q: " + text),
        load_encoder(str(centered), device="cpu").encode([text], "query", ["ru"])[0],
    ):
        assert other == pytest.approx(given, abs=1e-5)
    assert model.encode_document(text) != pytest.approx(given, abs=1e-3)
    assert model.encode(text, prompt_name="query", language="de", task="query") != pytest.approx(given, abs=1e-3)


def test_several_languages_in_one_call_are_told_apart(centered: Path) -> None:
    model = load_model(str(centered), device="cpu")
    texts = ["поезд отходит в девять часов утра", "the train leaves at nine in the morning", "der zug fährt um neun ab"]
    together = model.encode_query(texts)
    alone = [model.encode_query(text, language=tag) for text, tag in zip(texts, ("ru", "en", "de"), strict=True)]
    assert together == pytest.approx(np.stack(alone), abs=1e-5)


def test_plain_sentence_transformers_loads_it_when_trusted_and_isoglot_without(centered: Path) -> None:
    ours = load_model(str(centered), device="cpu").encode_query("the old piano", language="en")
    plain = SentenceTransformer(str(centered), trust_remote_code=True, device="cpu")
    assert plain.encode_query("the old piano", language="en") == pytest.approx(ours, abs=1e-6)
    with pytest.raises(ValueError, match="trust_remote_code"):
        SentenceTransformer(str(centered))


def test_the_folder_holds_safetensors_only(centered: Path) -> None:
    suffixes = {path.suffix for path in centered.rglob("*") if path.is_file()}
    assert suffixes <= {".safetensors", ".json", ".md"}


def test_a_foreign_module_is_refused_unless_trusted(centered: Path, tmp_path: Path) -> None:
    shutil.copytree(centered, tmp_path / "foreign")
    file = tmp_path / "foreign" / "modules.json"
    modules = json.loads(file.read_text())
    modules[-1]["type"] = "os.path.join"
    file.write_text(json.dumps(modules))
    with pytest.raises(IsoglotError, match="--trust-remote-code") as error:
        load_model(str(tmp_path / "foreign"))
    assert "\n" not in str(error.value)


def test_a_mean_of_one_text_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    documents = [Document(c, "en", f"text {c}") for c in "abc"] + [Document("a", "de", "ein text")]
    found = Collection("c", documents, [Query(c, "en", f"{c}?") for c in "abc"], {c: (c,) for c in "abc"})
    with pytest.raises(IsoglotError, match="de has one document text only"):
        isoglot.align(str(tiny_model), "center", found, tmp_path / "out")
    assert not (tmp_path / "out").exists()
