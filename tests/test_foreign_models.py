"""Models as strangers save them: fingerprints, code of their own, and what isoglot refuses or notes."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import CrossEncoder, MultiVectorEncoder, SentenceTransformer, SparseEncoder
from sentence_transformers.base.modules import Router
from sentence_transformers.sentence_transformer.modules import (
    LSTM,
    Dense,
    Normalize,
    Pooling,
    StaticEmbedding,
    Transformer,
    WeightedLayerPooling,
    WordEmbeddings,
)
from sentence_transformers.sentence_transformer.modules.tokenizer import WhitespaceTokenizer
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    XLMRobertaConfig,
    XLMRobertaModel,
)

import isoglot
from isoglot import Collection, IsoglotError
from isoglot.encoders.encoder import Encoder
from isoglot.encoders.language_modules import LanguageCentering
from isoglot.encoders.sentence_transformer import load_encoder, load_model
from tests import command_line
from tests.tiny_models import CHARACTERS, DIMENSION, PROMPTS, save_bert, save_with_code, tiny_tokenizer

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """A second thread only waits where models are so small."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def berts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two BERTs whose vectors lie far apart."""
    folder = tmp_path_factory.mktemp("berts")
    return save_bert(folder / "one", spread=0.3), save_bert(folder / "two", seed=1, spread=0.3)


def test_the_fingerprint_knows_where_a_tokenizer_cuts(berts: tuple[Path, Path]) -> None:
    """A static model's tokenizer.json says how many tokens count; tokenizer_config.json from which end others cut."""
    weights, text = torch.rand(len(CHARACTERS) + 4, 8), "bread and butter"
    found = []
    for cut in (None, 5):
        tokenizer = tiny_tokenizer()._tokenizer
        if cut:
            tokenizer.enable_truncation(cut)
        found.append(
            Encoder(SentenceTransformer(modules=[StaticEmbedding(tokenizer, weights)], device="cpu"), "static")
        )
    for side in ("right", "left"):
        route = Transformer(str(berts[0]), max_seq_length=5, processor_kwargs={"truncation_side": side})
        model = SentenceTransformer(modules=[route, Pooling(DIMENSION)], device="cpu")
        found.append(Encoder(model, side))
    for one, two in (found[:2], found[2:]):
        assert one.fingerprint != two.fingerprint
        assert not (one.encode([text], "query", ["en"]) == two.encode([text], "query", ["en"])).all()


def test_the_fingerprint_knows_the_vocabulary_of_a_tokenizer_that_is_no_librarys() -> None:
    words, weights = ["bread", "butter", "milk"], torch.rand(3, 8)
    prints = []
    for vocabulary, stop_words in ((words, "abc"), (words, "cab"), (words[::-1], "abc")):
        module = WordEmbeddings(WhitespaceTokenizer(vocabulary, stop_words=stop_words), weights)
        prints.append(Encoder(SentenceTransformer(modules=[module, Pooling(8)], device="cpu"), "words").fingerprint)
    assert prints[0] == prints[1] != prints[2]


def test_code_of_a_models_own_is_part_of_it(berts: tuple[Path, Path], tmp_path: Path) -> None:
    folder = save_with_code(berts[0], tmp_path / "own")
    vectors, prints = [], []
    for power in (1, 1, 3):
        (folder / "power.py").write_text(f"POWER = {power}\n", encoding="utf-8")
        encoder = load_encoder(str(folder), device="cpu", trust_remote_code=True)
        vectors.append(encoder.encode(["bread"], "query", ["en"]))
        prints.append(encoder.fingerprint)
    assert prints[0] == prints[1] != prints[2]
    assert (vectors[0] == vectors[1]).all()
    assert not (vectors[1] == vectors[2]).all()


@pytest.mark.parametrize("method", ["center", "distill"])
def test_an_aligned_model_brings_the_code_of_its_base(
    method: str, berts: tuple[Path, Path], small_collection: Collection, tmp_path: Path
) -> None:
    base = save_with_code(berts[0], tmp_path / "base", power=3)
    folder = isoglot.align(
        str(base), method, small_collection, tmp_path / "out", dev="none", trust_remote_code=True, device="cpu"
    )
    shutil.rmtree(base)
    aligned = load_model(str(folder), device="cpu", trust_remote_code=True)
    assert [type(module).__name__ for module in aligned][:4] == ["Transformer", "Pooling", "Raised", "Normalize"]
    assert np.isfinite(aligned.encode_query(["bread"])).all()


def test_a_checkpoint_without_a_pooler_has_one_fingerprint(berts: tuple[Path, Path], tmp_path: Path) -> None:
    """As all of masked language models, for which transformers draws a pooler at random that no pooling reads."""
    BertForMaskedLM(BertConfig.from_pretrained(berts[0])).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    encoders = []
    for seed in range(2):
        torch.manual_seed(seed)
        encoders.append(load_encoder(str(tmp_path), device="cpu"))
        assert torch.initial_seed() == seed
    assert encoders[0].fingerprint == encoders[1].fingerprint


def test_a_text_is_cut_at_the_last_position_of_a_model_that_counts_them_from_behind_its_padding(
    tmp_path: Path,
) -> None:
    """As XLM-R: of 514 positions 512 are usable, whatever its tokenizer says."""
    config = XLMRobertaConfig(
        vocab_size=100,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        max_position_embeddings=20,
        pad_token_id=1,
    )
    XLMRobertaModel(config).save_pretrained(tmp_path)
    tokenizer = tiny_tokenizer()
    tokenizer.model_max_length = 10**30
    tokenizer.save_pretrained(tmp_path)
    encoder = load_encoder(str(tmp_path), device="cpu")
    assert encoder.max_length == 18
    vectors = encoder.encode(["bread and butter", "bread and butter on the table"], "document", ["en"] * 2)
    assert (vectors[0] == vectors[1]).all()


def test_layers_whose_states_a_module_weighs_are_those_of_sentence_transformers(berts: tuple[Path, Path]) -> None:
    layers = Transformer(str(berts[0]), config_kwargs={"output_hidden_states": True})
    modules = [layers, WeightedLayerPooling(DIMENSION, num_hidden_layers=2, layer_start=1), Pooling(DIMENSION)]
    model = SentenceTransformer(modules=modules, device="cpu", prompts=PROMPTS)
    vectors = Encoder(model, "weighted").encode(["bread"], "query", ["en"])
    assert vectors == pytest.approx(model.encode_query(["bread"], normalize_embeddings=True), abs=1e-6)


@pytest.mark.parametrize(
    ("modules", "reason"),
    [
        ([], "its modules give texts no vector; it has no pooling"),
        ([Dense(DIMENSION, 8, module_input_name="token_embeddings", module_output_name="token_embeddings")], "no poo"),
        ([Pooling(DIMENSION), Dense(16, 8)], "mat1 and mat2 shapes cannot be multiplied"),
        ([LSTM(DIMENSION, 8), Pooling(16)], "KeyError: 'sentence_lengths'"),
    ],
)
def test_modules_that_do_not_fit_each_other_are_told_in_one_line(
    modules: list[torch.nn.Module], reason: str, berts: tuple[Path, Path]
) -> None:
    model = SentenceTransformer(modules=[Transformer(str(berts[0])), *modules], device="cpu")
    with pytest.raises(IsoglotError, match=f"^misfit: cannot encode query texts: .*{re.escape(reason)}") as error:
        Encoder(model, "misfit").encode(["bread"], "query", ["en"])
    assert "\n" not in str(error.value)


def test_routes_of_different_dimensions_are_refused_when_the_model_is_loaded(
    berts: tuple[Path, Path], tmp_path: Path
) -> None:
    routes = [
        [Transformer(str(bert)), Pooling(DIMENSION), Dense(DIMENSION, size)]
        for bert, size in zip(berts, (8, 16), strict=True)
    ]
    SentenceTransformer(modules=[Router.for_query_document(*routes)], device="cpu").save_pretrained(str(tmp_path))
    with pytest.raises(IsoglotError, match=r"vectors of different dimensions \(query: 8, document: 16\)"):
        load_encoder(str(tmp_path), device="cpu")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("plain reranker", "is a BertForSequenceClassification; this needs a model that gives each text one dense"),
        ("reranker", "is a CrossEncoder; this needs"),
        ("sparse", "is a SparseEncoder; this needs"),
        ("multi-vector", "is a MultiVectorEncoder; this needs"),
        (
            "incomplete",
            "its weights lack encoder.layer.1.attention.output.LayerNorm.bias and 15 more; the model is incomp",
        ),
    ],
)
def test_what_is_no_complete_dense_model_is_refused_in_one_line(
    kind: str, reason: str, berts: tuple[Path, Path], tmp_path: Path
) -> None:
    folder, config = str(tmp_path / "model"), BertConfig.from_pretrained(berts[0], num_labels=1)
    tiny_tokenizer().save_pretrained(folder)
    if kind == "plain reranker":
        BertForSequenceClassification(config).save_pretrained(folder)
    elif kind == "reranker":
        BertForSequenceClassification(config).save_pretrained(folder)
        CrossEncoder(folder, device="cpu").save_pretrained(folder)
    elif kind == "sparse":
        BertForMaskedLM(config).save_pretrained(folder)
        SparseEncoder(folder, device="cpu").save_pretrained(folder, create_model_card=False)
    elif kind == "multi-vector":
        MultiVectorEncoder(str(berts[0]), device="cpu").save_pretrained(folder, create_model_card=False)
    else:
        save_bert(Path(folder))
        weights = Path(folder, "model.safetensors")
        save_file({key: value for key, value in load_file(weights).items() if ".1." not in key}, weights)
    done = command_line.isoglot("audit", folder, "--data", "mini@demo")
    assert done.returncode == 2
    assert f"{folder}: {reason}" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_model_whose_similarity_is_not_cosine_is_noted(
    berts: tuple[Path, Path], small_collection: Collection, caplog: pytest.LogCaptureFixture
) -> None:
    notes = []
    for similarity, ends in (("dot", []), ("euclidean", []), ("dot", [Normalize()]), ("cosine", [])):
        modules = [Transformer(str(berts[0])), Pooling(DIMENSION), *ends]
        model = SentenceTransformer(modules=modules, device="cpu", prompts=PROMPTS, similarity_fn_name=similarity)
        audit = isoglot.audit(Encoder(model, "ours"), small_collection, keep_vectors=False)
        notes.append([note for note in audit.notes if "similarity_fn_name" in note])
        assert audit.model.other_similarity == (None if ends or similarity == "cosine" else similarity)
    assert [len(found) for found in notes] == [1, 1, 0, 0]
    assert notes[0][0].startswith("ours compares vectors by dot (similarity_fn_name); the ranks here are by cosine")
    assert [record.getMessage() for record in caplog.records if "cosine" in record.getMessage()] == [
        f"ours compares vectors by {similarity}; isoglot ranks by cosine" for similarity in ("dot", "euclidean")
    ]


def test_a_foreign_module_that_takes_a_language_is_given_none(berts: tuple[Path, Path], tmp_path: Path) -> None:
    folder = save_with_code(berts[0], tmp_path / "own")
    encoder = load_encoder(str(folder), device="cpu", trust_remote_code=True)
    assert "language" in encoder.model.get_model_kwargs()
    assert not encoder.uses_language
    encoder.append(LanguageCentering(["en"], torch.zeros(1, 2, DIMENSION)))
    assert encoder.uses_language
