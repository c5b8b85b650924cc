"""Other evaluators on vectors that are there already: sentence-transformers', mteb's, ir_measures and ranx.

Each takes (q, d) queries, (n, d) documents and (q, g) gold rows, searches the top 100 or its default, and computes its
measures. ir_measures and ranx do not search: they get the top 100 of a product by torch in blocks.
"""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Golds = NDArray[np.int64]
TOP, CHUNK = 100, 50_000
"""CHUNK is sentence-transformers' and mteb's own default."""


def available() -> dict[str, Any]:
    """Those that are installed, by name."""
    peers = {
        "sentence-transformers' evaluator": ("sentence_transformers", by_sentence_transformers),
        "mteb's search and measures": ("mteb", by_mteb),
        "torch's top 100, ir_measures": ("ir_measures", by_ir_measures),
        "torch's top 100, ranx": ("ranx", by_ranx),
    }
    return {name: way for name, (package, way) in peers.items() if importlib.util.find_spec(package)}


def by_sentence_transformers(queries: Vectors, documents: Vectors, golds: Golds) -> Any:
    """Its evaluator, which computes the measures from vectors that a stand-in for the model hands out."""
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator

    evaluator = InformationRetrievalEvaluator(
        {str(at): str(at) for at in range(len(queries))},
        {str(at): str(at) for at in range(len(documents))},
        {str(at): set(map(str, row)) for at, row in enumerate(golds.tolist())},
        corpus_chunk_size=CHUNK,
        score_functions={"dot": _dot},
        write_csv=False,
    )
    asked, pool = torch.from_numpy(queries), torch.from_numpy(documents)

    def embed(model: Any, texts: list[str], **unused: Any) -> Any:
        source = asked if len(texts) == len(queries) and texts[-1] == str(len(queries) - 1) else pool
        return source[int(texts[0]) : int(texts[0]) + len(texts)]

    evaluator.embed_inputs = embed  # type: ignore[method-assign]
    given = SimpleNamespace(similarity_fn_name="dot", model_card_data=None, similarity=_dot)
    return evaluator.compute_metrices(given)  # type: ignore[arg-type]


def by_mteb(queries: Vectors, documents: Vectors, golds: Golds) -> Any:
    """Its search of a whole corpus, and the measures that a retrieval task reports."""
    from datasets import Dataset
    from mteb._evaluators.retrieval_metrics import calculate_retrieval_scores
    from mteb.models.search_wrappers import SearchEncoderWrapper

    def encode(inputs: Any, *, prompt_type: Any, **unused: Any) -> Any:
        rows = inputs.dataset["id"]
        source = queries if prompt_type.value == "query" else documents
        return torch.from_numpy(source[int(rows[0]) : int(rows[0]) + len(rows)])

    def texts(count: int) -> Any:
        return Dataset.from_dict({"id": [str(at) for at in range(count)], "text": [""] * count})

    def loader(dataset: Any, **unused: Any) -> Any:
        return SimpleNamespace(dataset=dataset)

    how: dict[str, Any] = {"task_metadata": None, "hf_split": "", "hf_subset": ""}
    how["encode_kwargs"] = {"show_progress_bar": False}
    model = SearchEncoderWrapper(SimpleNamespace(encode=encode, similarity=_dot, mteb_model_meta=None), CHUNK)
    with mock.patch("mteb.models.search_wrappers.create_dataloader", loader):  # there is no text to prepare
        model.index(texts(len(documents)), **how)
        found = model.search(texts(len(queries)), top_k=TOP, **how)
    return calculate_retrieval_scores(found, _qrels(golds), [1, 10, 100])


def by_ir_measures(queries: Vectors, documents: Vectors, golds: Golds) -> Any:
    import ir_measures
    from ir_measures import RR, R, nDCG

    run = _run(queries, documents)
    return ir_measures.calc_aggregate([nDCG @ 10, R @ 100, RR @ 10], _qrels(golds), run)


def by_ranx(queries: Vectors, documents: Vectors, golds: Golds) -> Any:
    import ranx

    run = ranx.Run(_run(queries, documents))
    return ranx.evaluate(ranx.Qrels(_qrels(golds)), run, ["ndcg@10", "recall@100", "mrr@10"])


def _dot(a: Any, b: Any) -> Any:
    return a @ b.T


def _qrels(golds: Golds) -> dict[str, dict[str, int]]:
    return {str(at): {str(row): 1 for row in rows} for at, rows in enumerate(golds.tolist())}


def _run(queries: Vectors, documents: Vectors) -> dict[str, dict[str, float]]:
    asked, scores, rows = torch.from_numpy(queries), [], []
    for at in range(0, len(documents), CHUNK):
        best = torch.topk(asked @ torch.from_numpy(documents[at : at + CHUNK]).T, min(TOP, len(documents) - at), dim=1)
        scores.append(best.values)
        rows.append(best.indices + at)
    best = torch.topk(torch.cat(scores, dim=1), TOP, dim=1)
    found = torch.cat(rows, dim=1).gather(1, best.indices)
    return {
        str(at): dict(zip(map(str, here), values, strict=True))
        for at, (here, values) in enumerate(zip(found.tolist(), best.values.tolist(), strict=True))
    }
