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
from isoglot.encoders.prompts import ROLES
from isoglot.encoders.sentence_transformer import load_encoder, load_model

pytestmark = pytest.mark.usefixtures("own_cache")

CONFIG = "config_sentence_transformers.json"
MEANS = torch.tensor([[[0.5, 0.0], [0.0, 0.5]], [[0.0, 0.0], [0.3, 0.0]]])  # de, en; query, document


@pytest.fixture(scope="module")
def centered(tiny_model: Path, small_collection: Collection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("center")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISOGLOT_CACHE", str(folder / "cache"))
        return isoglot.align(str(tiny_model), "center", small_collection, folder / "model")


def test_each_vector_loses_the_mean_of_its_language_and_role() -> None:
    module = LanguageCentering(["de", "en"], MEANS)
    vectors = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.6, 0.8], [0.6, 0.8]])
    found = module.transform(vectors, ["de", "de", "en", "en"], ["query", "document", "query", "document"])
    expected = np.array([[1, 0], [0, 1], [0.6, 0.8], np.array([0.3, 0.8]) / np.hypot(0.3, 0.8)])
    assert found.numpy() == pytest.approx(expected, abs=1e-6)


def test_the_length_of_a_vector_does_not_matter_and_a_near_variety_of_a_language_is_that_language(
    caplog: pytest.LogCaptureFixture,
) -> None:
    module = LanguageCentering(["en", "pt"], MEANS)
    vectors = torch.tensor([[0.6, 0.8]])
    expected = module.transform(vectors, ["pt"], ["document"])
    assert not torch.equal(expected, vectors)
    assert torch.allclose(module.transform(9 * vectors, ["pt"], ["document"]), expected)
    assert torch.equal(module.transform(vectors, ["pt-PT"], ["document"]), expected)
    assert not caplog.records


def test_an_unknown_role_gets_the_mean_of_both_means() -> None:
    module = LanguageCentering(["de", "en"], MEANS)
    found = module.transform(torch.tensor([[1.0, 0.0]]), ["de"], [None])
    assert found.numpy() == pytest.approx(np.array([[0.75, -0.25]]) / np.hypot(0.75, 0.25), abs=1e-6)


def test_a_language_without_a_mean_loses_the_mean_of_all_means_with_one_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    module = LanguageCentering(["de", "en"], MEANS)
    vectors = torch.tensor([[0.6, 0.8], [0.8, 0.6]])
    lost = vectors.numpy() - (MEANS[0, 0] + MEANS[1, 0]).numpy() / 2
    expected = pytest.approx(lost / np.linalg.norm(lost, axis=1, keepdims=True), abs=1e-6)
    assert module.transform(vectors, ["ja", "ja"], ["query", "query"]).numpy() == expected
    assert module.transform(vectors, ["ja", None], ["query", "query"]).numpy() == expected
    assert caplog.text.count("was not fitted on ja") == 1
    assert caplog.text.count("was not fitted on texts without a known language") == 1
    assert module.transform(vectors, ["de-AT", "de"], ["query", "query"]).numpy() != expected


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


def test_without_their_means_the_texts_of_each_language_and_role_lie_around_zero(
    tiny_model: Path, centered: Path, small_collection: Collection
) -> None:
    module = load_model(str(centered), device="cpu")[-1]
    encoder = load_encoder(str(tiny_model), device="cpu")
    for at, language in enumerate(module.languages):
        for role, items in (("query", small_collection.queries), ("document", small_collection.documents)):
            texts = [item.text for item in items if item.language == language]
            vectors = encoder.encode(texts, role, [language] * len(texts))
            left = vectors - module.table[at, ROLES.index(role)].numpy()
            assert np.abs(left.mean(axis=0)).max() < 1e-6


def test_every_clear_text_is_treated_as_its_language_without_being_told(
    centered: Path, small_collection: Collection
) -> None:
    model, encoder = load_model(str(centered), device="cpu"), load_encoder(str(centered), device="cpu")
    documents, queries = small_collection.documents, small_collection.queries
    told = encoder.encode([d.text for d in documents], "document", [d.language for d in documents])
    assert model.encode_document([d.text for d in documents]) == pytest.approx(told, abs=1e-5)
    told = encoder.encode([q.text for q in queries], "query", [q.language for q in queries])
    assert model.encode_query([q.text for q in queries]) == pytest.approx(told, abs=1e-5)


def test_without_prompt_or_task_a_text_gets_the_mean_of_both_means(tiny_model: Path, centered: Path) -> None:
    model = load_model(str(centered), device="cpu")
    plain = load_model(str(tiny_model), device="cpu").encode("снег покрыл дорогу")
    expected = plain - model[-1].table[model[-1].languages.index("ru")].mean(dim=0).numpy()
    expected /= np.linalg.norm(expected)
    assert model.encode("снег покрыл дорогу", language="ru") == pytest.approx(expected, abs=1e-5)
    assert model.encode("снег покрыл дорогу") == pytest.approx(expected, abs=1e-5)


def test_a_prompt_is_known_though_the_tokenizer_changes_its_case_and_line_breaks(
    tiny_model: Path, small_collection: Collection, own_cache: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_model, tmp_path / "uncased")
    tokenizer, config = (tmp_path / "uncased" / name for name in ("tokenizer.json", CONFIG))
    lower = {"type": "Lowercase"}
    breaks = {"type": "Replace", "pattern": {"String": "\n"}, "content": " "}
    tokenizer.write_text(
        json.dumps(
            {**json.loads(tokenizer.read_text()), "normalizer": {"type": "Sequence", "normalizers": [lower, breaks]}}
        )
    )
    prompts = {"query": "Find it\nQuery: ", "document": "Passage: "}
    config.write_text(json.dumps({**json.loads(config.read_text()), "prompts": prompts}))
    folder = isoglot.align(str(tmp_path / "uncased"), "center", small_collection, tmp_path / "centered")
    model = load_model(str(folder), device="cpu")
    text = "the train leaves at nine in the morning"
    assert model.encode(text, prompt_name="query") == pytest.approx(model.encode_query(text, language="en"), abs=1e-5)
    told = model.encode_document(text, language="en")
    assert model.encode("Passage: " + text) == pytest.approx(told, abs=1e-5)


def test_a_language_with_texts_of_one_role_has_its_mean_for_both(
    tiny_model: Path, small_collection: Collection, own_cache: Path, tmp_path: Path
) -> None:
    queries = [query for query in small_collection.queries if query.language != "ru"]
    some = Collection("some", small_collection.documents, queries, {q.query_id: (q.query_id[2:],) for q in queries})
    module = load_model(str(isoglot.align(str(tiny_model), "center", some, tmp_path / "out")), device="cpu")[-1]
    means = dict(zip(module.languages, module.table, strict=True))
    assert torch.equal(means["ru"][0], means["ru"][1])
    assert not torch.equal(means["en"][0], means["en"][1])


def test_saved_and_loaded_again_it_gives_the_same_vectors(centered: Path, tmp_path: Path) -> None:
    model = load_model(str(centered), device="cpu")
    model.save_pretrained(str(tmp_path / "again"), create_model_card=False)
    again = load_model(str(tmp_path / "again"), device="cpu")
    assert again[-1].languages == model[-1].languages
    assert torch.equal(again[-1].table, model[-1].table)
    texts = ["поезд отходит в девять", "the old piano"]
    assert (again.encode_document(texts) == model.encode_document(texts)).all()


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
