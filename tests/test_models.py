"""Models of every kind that sentence-transformers loads: each method and each command on each of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Router
from sentence_transformers.sentence_transformer.modules import (
    Normalize,
    Pooling,
    StaticEmbedding,
    Transformer,
    WordEmbeddings,
)
from sentence_transformers.sentence_transformer.modules.tokenizer import WhitespaceTokenizer

import isoglot
from isoglot import Collection, IsoglotError
from isoglot.alignment.registry import METHODS
from isoglot.encoders.encoder import Encoder
from isoglot.encoders.language_modules import LanguageCentering, LanguageProjection
from isoglot.encoders.prompts import ROLES
from isoglot.encoders.sentence_transformer import load_encoder, load_model
from isoglot.platform.arrays import Vectors
from isoglot.retrievers.base import PromptRecord
from isoglot.training_data.row import Row
from tests import command_line
from tests.indexing import write_jsonl
from tests.tiny_models import CHARACTERS, DIMENSION, KINDS, PROMPTS, save_bert, save_model, tiny_tokenizer

pytestmark = pytest.mark.usefixtures("own_cache")

STATIC = ("static", "static-truncated", "router-static")
"""The kinds that cannot be trained: at least one route has no pooling."""
TRUNCATED = [kind for kind, (_, arguments) in KINDS.items() if "truncate_dim" in arguments]
UNTRAINED = [name for name, method in METHODS.items() if not method.trained]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """A second thread only waits where models are so small."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def berts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two BERTs whose vectors lie far apart, so that no method divides by what is nearly 0."""
    folder = tmp_path_factory.mktemp("berts")
    return save_bert(folder / "one", spread=0.3), save_bert(folder / "two", seed=1, spread=0.3)


@pytest.fixture(scope="module")
def bases(berts: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Kind -> the folder of a model."""
    folder = tmp_path_factory.mktemp("kinds")
    return {kind: save_model(kind, berts, folder / kind) for kind in KINDS}


def texts_in(collection: Collection, role: str, language: str) -> list[str]:
    found = collection.documents if role == "document" else collection.queries
    return [item.text for item in found if item.language == language]


def encoded(encoder: Encoder, collection: Collection) -> Vectors:
    """The vectors of all texts of a collection, from the cache where they are kept."""
    found = []
    for role, items in (("query", collection.queries), ("document", collection.documents)):
        found.append(encoder.encode([item.text for item in items], role, [item.language for item in items]))
    return np.concatenate(found)


def assert_plain(folder: Path, collection: Collection, tolerance: float) -> None:
    """Plain sentence-transformers gives the vectors of isoglot's encoder, which are of unit length."""
    encoder = load_encoder(str(folder), device="cpu")
    plain = SentenceTransformer(str(folder), device="cpu", trust_remote_code=True)
    for role, encode in (("query", plain.encode_query), ("document", plain.encode_document)):
        for language in ("en", "ru"):
            texts = texts_in(collection, role, language)
            named = {"language": language} if encoder.uses_language else {}
            ours = encoder.encode(texts, role, [language] * len(texts))
            assert encode(texts, **named) == pytest.approx(ours, abs=tolerance)
            assert np.linalg.norm(ours, axis=1) == pytest.approx(1, abs=1e-5)


def check_aligned(
    base: Path, method: str, collection: Collection, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Align; the folder is a plain model and can be audited, and the base's vectors stay as they were, bit by bit."""
    with monkeypatch.context() as patch:
        patch.setenv("ISOGLOT_CACHE", str(folder / "of the base alone"))
        before = encoded(load_encoder(str(base), device="cpu"), collection)
    options = {"epochs": 1.0, "batch_size": 6} if METHODS[method].trained else {}
    aligned = isoglot.align(str(base), method, collection, folder / method, dev="none", **options)
    # a posterior of soft-center between languages amplifies rounding
    assert_plain(aligned, collection, 1e-3 if method == "soft-center" else 1e-5)
    audited = isoglot.audit(str(aligned), collection, scenarios=["multi"], limit=3)
    assert audited.model.dimension == load_encoder(str(base)).dimension
    after = load_encoder(str(base), device="cpu")
    assert (encoded(after, collection) == before).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "method",
    [
        "center",
        "leace",
        *(pytest.param(name, marks=pytest.mark.slow) for name in sorted({*UNTRAINED} - {"center", "leace"})),
    ],
)
def test_a_method_without_training_works_on_every_kind_of_model(
    bases: dict[str, Path],
    kind: str,
    method: str,
    small_collection: Collection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check_aligned(bases[kind], method, small_collection, tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in STATIC])
@pytest.mark.parametrize("method", ["distill", "jsd-nce"])
def test_every_kind_of_model_with_a_pooling_can_be_trained(
    bases: dict[str, Path],
    kind: str,
    method: str,
    small_collection: Collection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check_aligned(bases[kind], method, small_collection, tmp_path, monkeypatch)


@pytest.mark.parametrize("kind", ["unnormalized", "truncated", "static", "router-static"])
def test_every_kind_of_model_is_calibrated_on_a_corpus(
    bases: dict[str, Path], kind: str, small_collection: Collection, tmp_path: Path
) -> None:
    corpus = tmp_path / "corpus.jsonl"
    lines = [
        {"id": f"{number}", "text": f"{document.text} " * 3, "language": document.language}
        for number, document in enumerate(small_collection.documents)
    ]
    write_jsonl(corpus, lines)
    assert_plain(isoglot.align(str(bases[kind]), None, corpus, tmp_path / "out"), small_collection, 1e-5)


@pytest.mark.parametrize("kind", STATIC)
@pytest.mark.parametrize("method", ["distill", "jsd-nce", "nce"])
def test_a_model_without_pooling_is_refused_before_anything_is_encoded(
    bases: dict[str, Path], kind: str, method: str, own_cache: Path, tmp_path: Path
) -> None:
    done = command_line.isoglot(
        "align",
        bases[kind],
        "--method",
        method,
        "--data",
        "mini@demo-train",
        "--languages",
        "en,zh",
        "-o",
        tmp_path / "out",
    )
    assert done.returncode == 2
    assert f"{kind}: has no pooling; training needs a model that pools by mean or CLS" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not own_cache.exists()
    assert not (tmp_path / "out").exists()


def test_a_model_of_word_vectors_is_centered_and_not_trained(small_collection: Collection, tmp_path: Path) -> None:
    """As average_word_embeddings_glove: its tokenizer is no library's, its weights are frozen."""
    items = (*small_collection.documents, *small_collection.queries)
    words = sorted({word.strip("?") for item in items for word in item.text.split()})
    tokenizer = WhitespaceTokenizer(words, stop_words=[])
    vectors = WordEmbeddings(tokenizer, np.random.default_rng(0).normal(size=(len(words), 16)))
    base = tmp_path / "words"
    SentenceTransformer(modules=[vectors, Pooling(16)], device="cpu").save_pretrained(str(base))
    folder = isoglot.align(str(base), "center", small_collection, tmp_path / "center", dev="none")
    assert_plain(folder, small_collection, 1e-5)
    with pytest.raises(IsoglotError, match="words: all its weights are frozen; choose a method without training"):
        isoglot.align(str(base), "distill", small_collection, tmp_path / "distill")


@pytest.mark.slow
def test_auto_leaves_out_what_cannot_be_trained(bases: dict[str, Path], tmp_path: Path) -> None:
    rows = [
        Row(f"c{number}", {"en": f"what is {word}?", "ru": f"что {word}?"}, {"en": f"the {word}", "ru": f"это {word}"})
        for number, word in enumerate(f"{letter}{other}x" for letter in "abcdefgh" for other in "mnopqr")
    ]
    folder = isoglot.align(str(bases["static"]), "auto", rows, tmp_path / "out")
    tried = json.loads((folder / "isoglot.json").read_text())["auto"]["tried"]
    left_out = {trial["method"]: trial["left_out"] for trial in tried if trial["left_out"]}
    assert left_out.keys() == {"distill", "jsd-nce"}
    assert all("has no pooling" in reason for reason in left_out.values())


@pytest.mark.parametrize("kind", KINDS)
def test_every_command_works_on_every_kind_of_model(
    bases: dict[str, Path], kind: str, tmp_path: Path, own_cache: Path
) -> None:
    corpus = tmp_path / "corpus.jsonl"
    texts = {"en": "the old piano is in the garden", "ru": "старое пианино стоит в саду"}
    lines = [{"id": tag, "text": text, "language": tag} for tag, text in texts.items()]
    write_jsonl(corpus, lines)
    model, index, audit = bases[kind], tmp_path / "index", tmp_path / "audit"
    question = ("audit", model, "--data", "mini@demo", "--pool", "en,de", "--scenarios", "multi", "--limit", 2)
    for command in (
        (*question, "-o", audit, "-q"),
        (*question, "-o", audit, "-q"),  # the same once more is accepted
        ("encode", corpus, "-m", model, "-o", tmp_path / "vectors"),
        ("index", corpus, "-m", model, "-o", index),
        ("search", index, "пианино", "-k", 1),
    ):
        done = command_line.isoglot(*command)
        assert done.returncode == 0, done.stderr
        assert "inf tokens" not in done.stdout
    assert " 1  " in done.stdout


@pytest.mark.parametrize("kind", TRUNCATED)
def test_truncation_becomes_a_module_of_the_aligned_model(
    bases: dict[str, Path], kind: str, small_collection: Collection, tmp_path: Path
) -> None:
    folder = isoglot.align(str(bases[kind]), "leace", small_collection, tmp_path / "out", dev="none")
    assert "truncate_dim" not in json.loads((folder / "config_sentence_transformers.json").read_text())
    types = [module["type"] for module in json.loads((folder / "modules.json").read_text())]
    assert all(name.startswith("sentence_transformers.") for name in types)
    cut, scaled, _, last = list(load_model(str(folder), device="cpu"))[-4:]
    assert torch.equal(cut.linear.weight, torch.eye(16, DIMENSION))
    assert isinstance(scaled, Normalize)
    assert isinstance(last, Normalize)


def test_models_truncated_otherwise_have_another_fingerprint_and_share_the_kept_vectors(
    bases: dict[str, Path], small_collection: Collection, own_cache: Path
) -> None:
    whole, cut = (load_encoder(str(bases[kind]), device="cpu") for kind in ("normalized", "truncated"))
    assert whole.fingerprint != cut.fingerprint
    long, short = encoded(whole, small_collection), encoded(cut, small_collection)
    assert short.shape[1] == cut.dimension == 16
    assert short == pytest.approx(long[:, :16] / np.linalg.norm(long[:, :16], axis=1, keepdims=True), abs=1e-6)
    assert len(list(own_cache.rglob("*.sqlite"))) == 2


@pytest.mark.parametrize("module", [LanguageCentering, LanguageProjection])
def test_a_language_module_behind_vectors_of_any_length_is_told_the_language(
    bases: dict[str, Path], module: type[LanguageCentering], tmp_path: Path
) -> None:
    """As in folders that isoglot wrote before it put a Normalize before its modules."""
    model = load_model(str(bases["unnormalized"]), device="cpu")
    model.append(module(["en", "zh"], torch.nn.functional.normalize(torch.rand(2, 2, DIMENSION), dim=2)))
    model.save_pretrained(str(tmp_path / "old"), create_model_card=False)
    encoder = load_encoder(str(tmp_path / "old"), device="cpu")
    plain = load_model(str(tmp_path / "old"), device="cpu")
    english, chinese = (encoder.encode(["NaCl 25 kg"], "document", [tag]) for tag in ("en", "zh"))
    assert english != pytest.approx(chinese, abs=0.01)
    assert plain.encode_document(["NaCl 25 kg"], language="zh") == pytest.approx(chinese, abs=1e-5)


@pytest.mark.parametrize("kind", ["static", "router-static", "truncated", "unnormalized"])
def test_the_language_is_read_from_the_tokens_of_every_kind(
    bases: dict[str, Path], kind: str, small_collection: Collection, tmp_path: Path
) -> None:
    folder = isoglot.align(str(bases[kind]), "center", small_collection, tmp_path / "out", dev="none")
    model = load_model(str(folder), device="cpu")
    for role, encode in (("query", model.encode_query), ("document", model.encode_document)):
        texts = texts_in(small_collection, role, "ru")
        assert encode(texts) == pytest.approx(encode(texts, language="ru"), abs=1e-5)
        assert encode(texts) != pytest.approx(encode(texts, language="en"), abs=0.01)


def test_a_model_without_a_length_limit_has_none(bases: dict[str, Path]) -> None:
    assert load_encoder(str(bases["static"])).max_length is None
    encoder = load_encoder(str(bases["normalized"]), device="cpu")
    encoder.model.max_seq_length = int(1e30)
    assert encoder.max_length is None
    with encoder.cut_at(12):
        assert encoder.max_length == 12


def test_each_route_of_a_router_keeps_its_own_length_limit(berts: tuple[Path, Path]) -> None:
    routes = [[Transformer(str(bert)), Pooling(DIMENSION)] for bert in berts]
    routes[0][0].max_seq_length = 16
    encoder = Encoder(SentenceTransformer(modules=[Router.for_query_document(*routes)], device="cpu"), "router")
    text = "x" * 200
    assert [encoder.token_counts([text], role)[text] for role in ROLES] == [16, 128]
    with encoder.cut_at(64):
        assert [encoder.token_counts([text], role)[text] for role in ROLES] == [16, 64]
    assert [encoder.token_counts([text], role)[text] for role in ROLES] == [16, 128]


def test_the_fingerprint_knows_a_static_models_tokenizer_and_a_routers_routes(berts: tuple[Path, Path]) -> None:
    weights = torch.rand(len(CHARACTERS) + 4, 8)
    static = [
        Encoder(SentenceTransformer(modules=[StaticEmbedding(tiny_tokenizer(order), weights)], device="cpu"), "static")
        for order in (CHARACTERS, CHARACTERS[::-1])
    ]
    routers = []
    for mode in ("mean", "cls"):
        routes = [[Transformer(str(bert)), Pooling(DIMENSION, mode)] for bert in berts]
        routers.append(
            Encoder(SentenceTransformer(modules=[Router.for_query_document(*routes)], device="cpu"), "router")
        )
    for one, two in (static, routers):
        assert one.fingerprint != two.fingerprint
        assert not (one.encode(["bread"], "query", ["en"]) == two.encode(["bread"], "query", ["en"])).all()


def test_a_task_without_a_route_is_told_in_one_line(berts: tuple[Path, Path]) -> None:
    routes = {name: [Transformer(str(bert)), Pooling(DIMENSION)] for name, bert in zip("ab", berts, strict=True)}
    model = SentenceTransformer(modules=[Router(routes, allow_empty_key=False)], device="cpu")
    with pytest.raises(IsoglotError, match="cannot encode query texts: No route found for task type 'query'") as error:
        Encoder(model, "router").encode(["bread"], "query", ["en"])
    assert "\n" not in str(error.value)


def test_a_chosen_prompt_is_used_recorded_and_kept_by_the_aligned_model(
    bases: dict[str, Path], small_collection: Collection, tmp_path: Path
) -> None:
    base, chosen = str(bases["other-prompts"]), {"query": "web_search_query", "document": "Text: "}
    prompts = isoglot.audit(base, small_collection, prompts=chosen).model.prompts
    assert prompts == {"query": PromptRecord("w: ", "chosen"), "document": PromptRecord("Text: ", "chosen")}
    encoder, plain = load_encoder(base, device="cpu", prompts=chosen), load_model(base, device="cpu")
    texts = texts_in(small_collection, "query", "en")
    expected = plain.encode(texts, prompt="w: ", normalize_embeddings=True)
    assert encoder.encode(texts, "query", ["en"] * len(texts)) == pytest.approx(expected, abs=1e-5)
    folder = isoglot.align(base, "center", small_collection, tmp_path / "out", dev="none", prompts=chosen)
    aligned = load_model(str(folder), device="cpu")
    assert (aligned.prompts["query"], aligned.prompts["document"]) == ("w: ", "Text: ")
    assert_plain(folder, small_collection, 1e-5)
    assert isoglot.align(base, "center", small_collection, folder, dev="none", prompts=chosen) == folder
    with pytest.raises(IsoglotError, match="holds an alignment with other settings"):
        isoglot.align(base, "center", small_collection, folder, dev="none")


def run(*command: object) -> command_line.Done:
    done = command_line.isoglot(*command)
    assert done.returncode == 0, done.stderr
    return done


def test_every_command_that_encodes_takes_prompts(bases: dict[str, Path], tmp_path: Path) -> None:
    model, corpus = bases["other-prompts"], tmp_path / "corpus.jsonl"
    write_jsonl(corpus, [{"id": "one", "text": "the old piano", "language": "en"}])
    audit = ("audit", model, "--data", "mini@demo", "--pool", "en,de", "--scenarios", "multi", "--limit", 2, "--json")
    plain = run(*audit)
    assert "has prompts (sts_query, web_search_query), of which none is used" in plain.stderr
    chosen = run(*audit, "--query-prompt", "web_search_query", "--document-prompt", "D ")
    assert "of which none is used" not in chosen.stderr
    texts = {role: prompt["text"] for role, prompt in json.loads(chosen.stdout)["model"]["prompts"].items()}
    assert texts == {"query": "w: ", "document": "D "}
    none = json.loads(run(*audit, "--prompts", "none").stdout)["model"]["prompts"]
    assert none == {role: {"text": "", "source": "chosen"} for role in ("query", "document")}
    run("encode", corpus, "-m", model, "-o", tmp_path / "vectors", "--document-prompt", "D ")
    assert json.loads((tmp_path / "vectors" / "encoded.json").read_text())["prompts"]["document"] == "D "
    for more, message in ((("all",), "it knows only none"), (("none", "--query-prompt", "Q "), "goes without")):
        assert message in command_line.isoglot(*audit, "--prompts", *more).stderr
    other = command_line.isoglot("encode", corpus, "-m", model, "-o", tmp_path / "vectors")
    assert "its prompts is" in other.stderr
    aligned = (
        "align",
        model,
        "--data",
        "mini@demo-train",
        "--languages",
        "en,de",
        "--method",
        "center",
        "--dev",
        "none",
    )
    run(*aligned, "-o", tmp_path / "aligned", "--query-prompt", "sts_query")
    assert load_model(str(tmp_path / "aligned"), device="cpu").prompts["query"] == "s: "


@pytest.mark.slow
def test_compare_and_report_use_the_prompts_that_are_chosen(
    bases: dict[str, Path], tmp_path: Path, own_cache: Path
) -> None:
    model, audit = bases["other-prompts"], tmp_path / "audit"
    pool = ("--data", "mini@demo", "--query-prompt", "web_search_query")
    run("audit", model, *pool, "--pool", "en,de", "--scenarios", "multi,mono-same", "-q", "-o", audit)
    kept = {path: path.stat().st_size for path in own_cache.rglob("*.sqlite")}
    run("report", audit, "--models", model, "--data", "mini@demo", "-o", tmp_path / "report.html")
    assert {path: path.stat().st_size for path in own_cache.rglob("*.sqlite")} == kept
    done = run("compare", model, bases["no-prompts"], "--data", "mini@demo", "--query-prompt", "Q ", "--json")
    assert "of which none is used" not in done.stderr


def test_an_index_keeps_the_prompts_that_were_chosen_for_its_models(bases: dict[str, Path], tmp_path: Path) -> None:
    model, corpus, index = bases["other-prompts"], tmp_path / "corpus.jsonl", tmp_path / "index"
    write_jsonl(corpus, [{"id": "one", "text": "the old piano", "language": "en"}])

    def score(*options: str) -> float:
        return float(json.loads(run("search", index, "a piano", "--json", *options).stdout)[0]["score"])

    def expected(query: str, document: str) -> float:
        encoder = load_encoder(str(model), device="cpu", prompts={"query": query, "document": document})
        vectors = [
            encoder.encode([text], role, ["en"])[0]
            for role, text in (("query", "a piano"), ("document", "the old piano"))
        ]
        return float(vectors[0] @ vectors[1])

    run("index", corpus, "-m", model, "-o", index, "--query-prompt", "web_search_query", "--document-prompt", "D ")
    assert score() == pytest.approx(expected("w: ", "D "), abs=1e-5)
    assert score("--query-prompt", "Q ") == pytest.approx(expected("Q ", "D "), abs=1e-5)
    assert "1 unchanged" in run("index", corpus, "-o", index).stdout
    run("index", corpus, "-m", model, "-o", index, "--query-prompt", "Q ", "--document-prompt", "D ")
    assert score() == pytest.approx(expected("Q ", "D "), abs=1e-5)
    run("index", corpus, "-m", model, "-o", index, "--query-prompt", "Q ", "--document-prompt", "E ")
    assert score() == pytest.approx(expected("Q ", "E "), abs=1e-5)
    audited = json.loads(run("audit", "--index", index, "--query-prompt", "w: ", "--json").stdout)["model"]["prompts"]
    assert {role: prompt["text"] for role, prompt in audited.items()} == {"query": "w: ", "document": "E "}
    for command, message in (
        (("index", corpus, "-o", index, "--query-prompt", "Q "), "prompts are chosen for models; name them with -m"),
        (("audit", "--index", index, "--document-prompt", "D "), "--index holds the documents' vectors"),
        (("search", index, "piano", "--query-prompt", "web"), "has no prompt 'web'"),
    ):
        done = command_line.isoglot(*command)
        assert done.returncode == 2
        assert message in done.stderr


def test_a_retriever_that_encodes_nothing_takes_no_prompts(small_collection: Collection) -> None:
    for name in ("bm25", "vectors:somewhere"):
        with pytest.raises(IsoglotError, match=f"{name}: encodes no text, so there is no prompt to choose"):
            isoglot.audit(name, small_collection, prompts={"query": "q: "})


class Turned(torch.nn.Module):
    """Turns vectors of queries around, if it is told the task."""

    def forward(self, features: dict[str, torch.Tensor], task: str | None = None) -> dict[str, torch.Tensor]:
        sign = -1 if task == "query" else 1
        return {**features, "sentence_embedding": sign * features["sentence_embedding"]}


def test_a_module_that_is_told_the_task_is_told_it_when_a_head_follows(berts: tuple[Path, Path]) -> None:
    """As those of jina-embeddings-v3, whose adapters depend on the task."""
    modules = [Transformer(str(berts[0])), Pooling(DIMENSION), Turned(), Normalize()]
    model = SentenceTransformer(modules=modules, device="cpu", prompts=PROMPTS)
    model.module_kwargs = {"2": ["task"]}
    encoder = Encoder(model, "turned")
    encoder.append(LanguageCentering(["en"], torch.zeros(1, 2, DIMENSION)))
    expected = model.encode_query(["bread"], language="en")
    assert encoder.encode(["bread"], "query", ["en"]) == pytest.approx(expected, abs=1e-5)
