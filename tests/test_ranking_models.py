"""Cross-encoders, sparse and multi-vector models, against sentence-transformers' own scores."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder, MultiVectorEncoder, SparseEncoder
from transformers import BertConfig, BertForMaskedLM, BertForSequenceClassification

import isoglot
from isoglot import IsoglotError
from isoglot.corpora.collection import Collection
from isoglot.ranking.pools import Pool, build_pools
from isoglot.retrievers.pairs import PairRetriever
from isoglot.retrievers.registry import as_retriever
from tests import command_line
from tests.tiny_models import save_bert, tiny_tokenizer

KINDS = ("cross-encoder", "sparse", "multi-vector")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOGLOT_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny random model of each kind."""
    folders = {kind: tmp_path_factory.mktemp(kind) for kind in KINDS}
    bert = save_bert(tmp_path_factory.mktemp("bert"), spread=0.5)
    config = BertConfig.from_pretrained(bert, num_labels=1)
    torch.manual_seed(0)
    for kind, architecture in (("cross-encoder", BertForSequenceClassification), ("sparse", BertForMaskedLM)):
        architecture(config).save_pretrained(folders[kind])
        tiny_tokenizer().save_pretrained(folders[kind])
    MultiVectorEncoder(str(bert), device="cpu").save_pretrained(str(folders["multi-vector"]), create_model_card=False)
    return folders


@pytest.fixture
def small(small_collection: Collection) -> tuple[Collection, Pool]:
    """A collection and a mixed pool of it."""
    pool = build_pools(
        small_collection,
        pools=None,
        query_languages=None,
        scenarios=["multi"],
        documents_mode="dedup",
        limit=None,
        seed=0,
    )[0]
    return small_collection, pool


def own_scores(kind: str, folder: Path, queries: list[str], documents: list[str]) -> np.ndarray[Any, Any]:
    """(q, n) scores by sentence-transformers alone, each text by itself."""
    if kind == "cross-encoder":
        pairs = [(query, document) for query in queries for document in documents]
        scores = CrossEncoder(str(folder), device="cpu").predict(pairs, batch_size=1, activation_fn=torch.nn.Identity())
        return np.asarray(scores).reshape(len(queries), len(documents))
    model = (SparseEncoder if kind == "sparse" else MultiVectorEncoder)(str(folder), device="cpu")
    encoded = [model.encode_query(queries, batch_size=1), model.encode_document(documents, batch_size=1)]
    return np.asarray(model.similarity(*encoded).to_dense() if kind == "sparse" else model.similarity(*encoded))


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_those_of_sentence_transformers(
    kind: str, models: dict[str, Path], small: tuple[Collection, Pool]
) -> None:
    collection, pool = small
    retriever = as_retriever(f"{kind}:{models[kind]}", device="cpu")
    (ranking,) = retriever.rankings(collection, [pool], balance="none", top_k=10**6, show_progress=False)
    queries, documents = ([each.text for each in texts] for texts in (collection.queries, collection.documents))
    expected = own_scores(kind, models[kind], queries, documents)[np.ix_(pool.queries, pool.documents)]
    np.testing.assert_allclose(
        ranking.top_scores, np.take_along_axis(expected, ranking.top, axis=1), rtol=1e-4, atol=1e-5
    )
    assert np.ptp(expected, axis=1).min() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_audited_balanced_and_reranks(kind: str, models: dict[str, Path]) -> None:
    name = f"{kind}:{models[kind]}"
    for arguments in ([name], [name, "--balance", "scaled"], [f"bm25 + {name}"], [f"bm25 %5 >> {name}"]):
        done = command_line.isoglot("audit", *arguments, "--data", "mini@demo", "--pool", "en,de", "--limit", "4")
        assert done.returncode == 0, done.stderr
        assert ("stages" in done.stdout) == (" " in arguments[0])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_prefer_the_query_language(
    kind: str, models: dict[str, Path], small: tuple[Collection, Pool]
) -> None:
    collection, pool = small
    balance = "scaled(k=5, weight=0.7, prefer=1000)"
    retriever = as_retriever(f"{kind}:{models[kind]}", device="cpu")
    (ranking,) = retriever.rankings(collection, [pool], balance=balance, top_k=10**6, show_progress=False)
    own = pool.document_languages[ranking.top] == pool.query_language_number
    assert own[:, 0].all()
    assert (np.diff(own.astype(int), axis=1) <= 0).all()


def test_no_pair_is_scored_twice(
    models: dict[str, Path], small: tuple[Collection, Pool], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, scored = f"cross-encoder:{models['cross-encoder']}", []
    plain = PairRetriever.pair_scores

    def counted(self: Any, *arguments: Any, **settings: Any) -> Any:
        fresh = self.fresh_scores
        self.fresh_scores = lambda pairs: scored.extend(pairs) or fresh(pairs)
        return plain(self, *arguments, **settings)

    monkeypatch.setattr(PairRetriever, "pair_scores", counted)
    first = isoglot.audit(name, small[0], device="cpu")
    assert len(scored) == len(set(scored)) > 0
    scored.clear()
    second = isoglot.audit(name, small[0], device="cpu")
    assert not scored
    assert second.to_json() == first.to_json()


def test_the_number_of_pairs_is_told_before_they_are_scored(
    models: dict[str, Path], small: tuple[Collection, Pool], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="isoglot")
    collection, pool = small
    pairs = len(pool.queries) * len(pool.documents)
    list(
        as_retriever(f"cross-encoder:{models['cross-encoder']}", device="cpu").rankings(
            collection, [pool], balance="none", top_k=1, show_progress=False
        )
    )
    assert f"{pairs} pairs of a query and a document to score, of {pairs}" in caplog.text


@pytest.mark.parametrize(
    ("kind", "of", "message"),
    [
        ("cross-encoder", "sparse", "is a BertForMaskedLM; this needs a reranker"),
        ("cross-encoder", "multi-vector", "is a MultiVectorEncoder; this needs a reranker"),
        (
            "sparse",
            "cross-encoder",
            "is a BertForSequenceClassification; this needs a model that gives each text a spa",
        ),
        ("multi-vector", "sparse", "is a BertForMaskedLM; this needs a model that gives each text many vectors"),
    ],
)
def test_a_model_of_another_kind_is_refused(kind: str, of: str, message: str, models: dict[str, Path]) -> None:
    with pytest.raises(IsoglotError, match=message):
        as_retriever(f"{kind}:{models[of]}", device="cpu")


def test_a_classifier_of_pairs_is_no_reranker(models: dict[str, Path], tmp_path: Path) -> None:
    config = BertConfig.from_pretrained(models["cross-encoder"], num_labels=3)
    BertForSequenceClassification(config).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(IsoglotError, match="gives 3 scores a pair; a reranker gives one"):
        as_retriever(f"cross-encoder:{tmp_path}", device="cpu")


def test_scores_that_are_not_finite_are_refused(models: dict[str, Path], small: tuple[Collection, Pool]) -> None:
    retriever: Any = as_retriever(f"cross-encoder:{models['cross-encoder']}", device="cpu")
    with torch.no_grad():
        for weights in retriever.model.parameters():
            weights.fill_(float("nan"))
    retriever.fingerprint = "broken"
    collection, pool = small
    with pytest.raises(IsoglotError, match="gave nan for"):
        list(retriever.rankings(collection, [pool], balance="none", top_k=1, show_progress=False))
