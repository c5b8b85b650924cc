"""Texts that a model cuts are counted by language and said: in the audit, its file and its reports."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding

import isoglot
from isoglot import Audit, Collection
from isoglot.encoders.lengths import LanguageLengths, TextLengths, cut_notes, word_count
from isoglot.encoders.sentence_transformer import load_encoder
from isoglot.report.html.page import Material, audits_to_html
from isoglot.report.lengths import length_tables
from isoglot.report.markdown import audit_to_markdown, comparison_to_markdown
from tests.command_line import isoglot as run
from tests.tiny_models import save_model, tiny_tokenizer

NOTE = (
    "6 of 6 German documents and 0 of 6 English ones are longer than the model's 128 tokens and were cut: it does not "
    "see their ends, and a language that is cut more looks buried."
)


@pytest.fixture(scope="module")
def collection(small_collection: Collection) -> Collection:
    """The small collection with German documents of more than 128 characters, a token each in the tiny model."""
    documents = [
        replace(document, text=" ".join([document.text] * 8)) if document.language == "de" else document
        for document in small_collection.documents
    ]
    return replace(small_collection, documents=documents)


@pytest.fixture(scope="module")
def audit(tiny_model: Path, collection: Collection) -> Audit:
    return isoglot.audit(str(tiny_model), collection, pools=[["en", "de"]], scenarios=["multi"])


def test_texts_that_were_cut_are_counted_by_language(audit: Audit, collection: Collection) -> None:
    documents, queries = audit.lengths["document"], audit.lengths["query"]
    assert (documents.limit, queries.limit) == (128, 128)
    assert {tag: (found.texts, found.cut) for tag, found in documents.by_language.items()} == {
        "en": (6, 0),
        "de": (6, 6),
    }
    english = [document.text for document in collection.documents if document.language == "en"]
    characters, words = sum(map(len, english)), sum(len(text.split()) for text in english)
    assert documents.by_language["en"].tokens_per_word == pytest.approx(characters / words, abs=0.001)
    assert queries.by_language["de"].cut == 0
    assert audit.notes == (NOTE,)


def test_a_text_as_long_as_the_limit_is_not_cut(tiny_model: Path, small_collection: Collection) -> None:
    fitting = 128 - len("d: ") - 2  # beside the prompt and two special tokens
    for length, cut in ((fitting, 0), (fitting + 1, 1)):
        first, *others = small_collection.documents
        changed = replace(small_collection, documents=[replace(first, text="a" * length), *others])
        found = isoglot.audit(str(tiny_model), changed, pools=[["en", "de"]], scenarios=["multi"])
        assert found.lengths["document"].by_language["en"].cut == cut


def test_audit_json_and_every_report_say_it(audit: Audit, tmp_path: Path) -> None:
    audit.save(tmp_path)
    assert Audit.load(tmp_path).lengths == audit.lengths
    assert json.loads((tmp_path / "audit.json").read_text())["lengths"]["document"]["by_language"]["de"]["cut"] == 6
    (table,) = length_tables(audit)
    assert table.title == "texts as the model reads them, cut at 128 tokens"
    assert [row[:3] for row in table.rows] == [("en", "6", "0"), ("de", "6", "6")]
    assert NOTE in audit_to_markdown(audit)
    assert table.title in audit_to_markdown(audit)
    page = audits_to_html(Material(audits=[audit], folders=[tmp_path]))
    assert NOTE.replace("'", "&#39;") in page
    assert table.title in page


def test_a_comparison_says_it_once_or_with_the_model_that_it_is_about(audit: Audit) -> None:
    assert f"- {NOTE}" in comparison_to_markdown(isoglot.compare(audit, audit, names=["a", "b"]))
    other = replace(audit, notes=())
    assert f"- b: {NOTE}" in comparison_to_markdown(isoglot.compare(other, audit, names=["a", "b"]))


def test_of_many_languages_the_most_cut_are_named() -> None:
    tags = ("en", "de", "fr", "es", "it", "pt", "ru", "zh")
    by_language = {tag: LanguageLengths(texts=10, cut=number, tokens_per_word=1.0) for number, tag in enumerate(tags)}
    (note,) = cut_notes({"query": TextLengths(limit=64, by_language=by_language)})
    assert note.startswith(
        "7 of 10 Chinese questions, 6 of 10 Russian ones, 5 of 10 Portuguese ones, 4 of 10 Italian ones, 3 of 10 "
        "Spanish ones and 3 of 30 in 3 other languages are longer than the model's 64 tokens"
    )


def test_a_retriever_without_tokens_tells_no_lengths(collection: Collection) -> None:
    found = isoglot.audit("bm25", collection, pools=[["en", "de"]], scenarios=["multi"])
    assert (found.lengths, found.notes) == ({}, ())
    assert "lengths" not in json.loads(found.to_json())


def test_prompts_that_are_not_used_are_in_the_audit(
    tiny_berts: tuple[Path, Path], tmp_path: Path, small_collection: Collection
) -> None:
    model = save_model("other-prompts", tiny_berts, tmp_path / "model")
    found = isoglot.audit(str(model), small_collection, pools=[["en", "de"]], scenarios=["multi"])
    assert set(found.model.unused_prompts) == {"web_search_query", "sts_query"}
    assert "of which none is used: its ranks may be better with them." in found.notes[0]
    assert msgspec.json.decode(found.to_json())["model"]["unused_prompts"]
    chosen = isoglot.audit(
        str(model),
        small_collection,
        pools=[["en", "de"]],
        scenarios=["multi"],
        prompts={"query": "web_search_query"},
    )
    assert chosen.notes == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Snow covers the road, twice.", 5),
        ("यह नदी कहाँ से निकलती है?", 6),
        ("河流从哪里开始？", 3.5),
        ("แม่น้ำ", 1.5),
        ("東京 Tokyo 2024", 3),
        ("?!", 0),
    ],
)
def test_words_are_counted_in_every_script(text: str, words: float) -> None:
    assert word_count(text) == words


@pytest.fixture(scope="module")
def cutting_static_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A static model, without a limit of its own, whose tokenizer cuts at 100 tokens."""
    tokenizer = tiny_tokenizer()._tokenizer
    tokenizer.enable_truncation(100)
    folder = tmp_path_factory.mktemp("models") / "static"
    model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=8)], device="cpu")
    model.save_pretrained(str(folder), create_model_card=False)
    return folder


def test_a_static_model_whose_tokenizer_cuts_is_counted(cutting_static_model: Path, collection: Collection) -> None:
    encoder = load_encoder(str(cutting_static_model))
    assert (encoder.token_limit("document"), encoder.token_lengths(["a" * 400], "document")) == (100, [400])
    assert encoder.model[0].tokenizer.truncation["max_length"] == 100
    found = isoglot.audit(encoder, collection, pools=[["en", "de"]], scenarios=["multi"])
    assert found.lengths["document"].by_language["de"].cut == 6


def test_encoded_texts_that_were_cut_are_counted_and_an_audit_of_the_vectors_knows_it(
    cutting_static_model: Path, tmp_path: Path
) -> None:
    command = ("encode", "mini@demo", "-m", cutting_static_model, "-o", tmp_path / "vectors", "--shard-size", 100)
    for _ in range(2):  # the second run keeps all shards
        done = run(*command, "--json")
        note = json.loads(done.stdout)["notes"][0]
        assert note.startswith("40 of 40 Arabic documents, 40 of 40 German ones, ")
        assert f"isoglot: mini@demo: {note}" in done.stderr
    written = json.loads((tmp_path / "vectors" / "encoded.json").read_text())["lengths"]["document"]
    assert (written["limit"], written["by_language"]["zh"]["texts"]) == (100, 40)
    models = (str(cutting_static_model), f"vectors:{tmp_path / 'vectors'}")
    one, two = (isoglot.audit(name, "mini@demo", pools=[["en", "de"]], scenarios=["multi"]) for name in models)
    assert one.lengths["document"] == two.lengths["document"]
    assert one.notes == two.notes
