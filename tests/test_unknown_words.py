"""Texts of which a model knows no word, and which it gives a vector of zeros: they stop nothing and are counted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, WordEmbeddings
from sentence_transformers.sentence_transformer.modules.tokenizer import WhitespaceTokenizer

import isoglot
from isoglot import Collection, IsoglotError
from isoglot.encoders.sentence_transformer import load_encoder
from isoglot.indexing.store import Index
from isoglot.indexing.update import update_index
from isoglot.platform.files import write_text
from tests.command_line import isoglot as run

UNKNOWN = "Zyxwvut qwrtzp."


@pytest.fixture
def model(small_collection: Collection, tmp_path: Path) -> Path:
    """A word-embedding model without a tokenizer of the library's: it knows the words of the small collection."""
    texts = [item.text for item in (*small_collection.documents, *small_collection.queries)]
    words = sorted({word for text in texts for word in text.split()})
    weights = np.random.default_rng(0).normal(size=(len(words), 16))
    modules = [WordEmbeddings(WhitespaceTokenizer(words, stop_words=[]), weights), Pooling(16)]
    SentenceTransformer(modules=modules, device="cpu").save_pretrained(str(tmp_path / "words"), create_model_card=False)
    return tmp_path / "words"


def corpus(tmp_path: Path, texts: Sequence[str]) -> str:
    lines = (json.dumps({"id": f"d{number}", "text": text, "language": "en"}) for number, text in enumerate(texts))
    write_text(tmp_path / "corpus.jsonl", "\n".join(lines) + "\n")
    return str(tmp_path / "corpus.jsonl")


def test_an_audit_goes_on_and_counts_them_by_language(model: Path, small_collection: Collection) -> None:
    first, *others = small_collection.documents
    changed = replace(small_collection, documents=[replace(first, text=UNKNOWN), *others])
    audit = isoglot.audit(str(model), changed, pools=[["en", "de"]], scenarios=["multi"])
    assert audit.notes == (
        "1 of 6 English documents and 0 of 6 German ones have no vector, since the model knows no word of them: they "
        "score 0 with every question.",
    )
    unknown = replace(changed, documents=[replace(document, text=UNKNOWN) for document in changed.documents])
    with pytest.raises(IsoglotError, match="all vectors of document texts are zero"):
        isoglot.audit(str(model), unknown, pools=[["en", "de"]], scenarios=["multi"])


def test_an_index_leaves_their_passages_out_and_says_so(
    model: Path, small_collection: Collection, tmp_path: Path
) -> None:
    known = [document.text for document in small_collection.documents if document.language == "en"][:3]
    words = known[2].split()
    long = f"{' '.join(words * 3)}\n\n{' '.join([UNKNOWN] * 12)}\n\n{' '.join(words * 3)}"
    source = corpus(tmp_path, [known[0], UNKNOWN, known[1], long])
    changes = update_index(source, tmp_path / "index", [str(model)], passage_tokens=180, overlap=0)
    assert changes.added == 3
    assert changes.left_out == "left out: passages of which a model knows no word: 2, first in d1#1"
    assert len(Index(tmp_path / "index")) == 4
    assert update_index(source, tmp_path / "index").unchanged == 3
    source = corpus(tmp_path, [UNKNOWN, UNKNOWN, known[1], long])
    assert update_index(source, tmp_path / "index").changed == 1
    assert len(Index(tmp_path / "index")) == 3
    done = run("index", source, "-o", tmp_path / "other", "-m", model, "--strict")
    assert done.returncode == 2
    assert "d0#1: --strict refuses passages of which a model knows no word" in done.stderr


def test_a_head_makes_no_vector_out_of_none(model: Path, small_collection: Collection) -> None:
    import torch

    from isoglot.encoders.modules import affine

    encoder = load_encoder(str(model))
    encoder.append(affine(torch.eye(16), torch.ones(16)))
    vectors = encoder.encode([UNKNOWN, small_collection.documents[0].text], "document", ["en", "en"], allow_zero=True)
    assert vectors.any(axis=1).tolist() == [False, True]
    with pytest.raises(IsoglotError, match=r"gave 1 of 1 vectors that are zero .*for the query 'Zyxwvut"):
        encoder.encode([UNKNOWN], "query", ["en"])


def test_encoded_vectors_of_zeros_are_counted_and_an_audit_of_them_goes_on(
    model: Path, small_collection: Collection, tmp_path: Path
) -> None:
    source = corpus(tmp_path, [small_collection.documents[0].text, UNKNOWN])
    command = ("encode", source, "-m", model, "-o", tmp_path / "vectors")
    done = run(*command)
    assert done.returncode == 0, done.stderr
    assert "corpus.jsonl: 1 documents have no vector (zeros), since the model knows no word of them." in done.stderr
    assert json.loads((tmp_path / "vectors" / "encoded.json").read_text())["zero"] == {"document": 1}
    strict = run(*command, "--strict")
    assert (strict.returncode, "--strict refuses texts without a vector" in strict.stderr) == (2, True)
    run("encode", "mini@demo", "-m", model, "-o", tmp_path / "mini")
    names = (str(model), f"vectors:{tmp_path / 'mini'}")
    one, two = (isoglot.audit(name, "mini@demo", pools=[["en", "de"]], scenarios=["multi"]) for name in names)
    assert any("have no vector" in note for note in one.notes)
    assert one.notes == two.notes
    for first, second in zip(one.scenarios, two.scenarios, strict=True):
        assert first.measures == second.measures
