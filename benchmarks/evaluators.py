"""Other evaluators on given vectors: sentence-transformers', mteb's, ir_measures and ranx.

Each takes (q, d) queries, (n, d) documents and (q, g) positions of golds among the documents, searches the top 100 or
its own default, and computes its measures. ir_measures and ranx do not search, so torch finds the top 100 in blocks.
"""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch

from isoglot.platform.arrays import Ints, Vectors

TOP = 100
CHUNK = 50_000
"""Number of documents searched at a time: the default of sentence-transformers and of mteb."""


def available() -> dict[str, Any]:
    """Return the evaluators that are installed, by name."""
    peers = {
        "sentence-transformers' evaluator": ("sentence_transformers", by_sentence_transformers),
        "mteb's search and measures": ("mteb", by_mteb),
        "torch's top 100, ir_measures": ("ir_measures", by_ir_measures),
        "torch's top 100, ranx": ("ranx", by_ranx),
    }
    return {name: way for name, (package, way) in peers.items() if importlib.util.find_spec(package)}


def by_sentence_transformers(queries: Vectors, documents: Vectors, golds: Ints) -> Any:
    """Run sentence-transformers' evaluator with a stand-in for the model, which returns the given vectors."""
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator

    evaluator = InformationRetrievalEvaluator(
        {str(number): str(number) for number in range(len(queries))},
        {str(number): str(number) for number in range(len(documents))},
        {str(number): set(map(str, positions)) for number, positions in enumerate(golds.tolist())},
        corpus_chunk_size=CHUNK,
        score_functions={"dot": _dot},
        write_csv=False,
    )
    query_vectors, document_vectors = torch.from_numpy(queries), torch.from_numpy(documents)

    def embed(model: Any, texts: list[str], **unused: Any) -> Any:
        are_queries = len(texts) == len(queries) and texts[-1] == str(len(queries) - 1)
        source = query_vectors if are_queries else document_vectors
        return source[int(texts[0]) : int(texts[0]) + len(texts)]

    evaluator.embed_inputs = embed  # type: ignore[method-assign]
    model = SimpleNamespace(similarity_fn_name="dot", model_card_data=None, similarity=_dot)
    return evaluator.compute_metrices(model)  # type: ignore[arg-type]


def by_mteb(queries: Vectors, documents: Vectors, golds: Ints) -> Any:
    """Run mteb's search of a whole corpus, and compute the measures that its retrieval tasks report."""
    from datasets import Dataset
    from mteb._evaluators.retrieval_metrics import calculate_retrieval_scores
    from mteb.models.search_wrappers import SearchEncoderWrapper

    def encode(inputs: Any, *, prompt_type: Any, **unused: Any) -> Any:
        ids = inputs.dataset["id"]
        source = queries if prompt_type.value == "query" else documents
        return torch.from_numpy(source[int(ids[0]) : int(ids[0]) + len(ids)])

    def texts(count: int) -> Any:
        return Dataset.from_dict({"id": [str(number) for number in range(count)], "text": [""] * count})

    def loader(dataset: Any, **unused: Any) -> Any:
        return SimpleNamespace(dataset=dataset)

    options: dict[str, Any] = {"task_metadata": None, "hf_split": "", "hf_subset": ""}
    options["encode_kwargs"] = {"show_progress_bar": False}
    model = SearchEncoderWrapper(SimpleNamespace(encode=encode, similarity=_dot, mteb_model_meta=None), CHUNK)
    with mock.patch("mteb.models.search_wrappers.create_dataloader", loader):  # there is no text to prepare
        model.index(texts(len(documents)), **options)
        results = model.search(texts(len(queries)), top_k=TOP, **options)
    return calculate_retrieval_scores(results, _qrels(golds), [1, 10, 100])


def by_ir_measures(queries: Vectors, documents: Vectors, golds: Ints) -> Any:
    import ir_measures
    from ir_measures import RR, R, nDCG

    run = _run(queries, documents)
    return ir_measures.calc_aggregate([nDCG @ 10, R @ 100, RR @ 10], _qrels(golds), run)


def by_ranx(queries: Vectors, documents: Vectors, golds: Ints) -> Any:
    import ranx

    run = ranx.Run(_run(queries, documents))
    return ranx.evaluate(ranx.Qrels(_qrels(golds)), run, ["ndcg@10", "recall@100", "mrr@10"])


def _dot(a: Any, b: Any) -> Any:
    return a @ b.T


def _qrels(golds: Ints) -> dict[str, dict[str, int]]:
    return {
        str(number): {str(position): 1 for position in positions} for number, positions in enumerate(golds.tolist())
    }


def _run(queries: Vectors, documents: Vectors) -> dict[str, dict[str, float]]:
    query_vectors, scores, positions = torch.from_numpy(queries), [], []
    for start in range(0, len(documents), CHUNK):
        chunk = torch.from_numpy(documents[start : start + CHUNK])
        best = torch.topk(query_vectors @ chunk.T, min(TOP, len(chunk)), dim=1)
        scores.append(best.values)
        positions.append(best.indices + start)
    best = torch.topk(torch.cat(scores, dim=1), TOP, dim=1)
    top = torch.cat(positions, dim=1).gather(1, best.indices)
    return {
        str(number): dict(zip(map(str, of_query), values, strict=True))
        for number, (of_query, values) in enumerate(zip(top.tolist(), best.values.tolist(), strict=True))
    }
