"""isoglot's pools as mteb retrieval tasks, and its encoders as mteb models (``pip install isoglot[mteb]``).

Usage:
    import mteb
    from isoglot import mteb_tasks

    print(mteb.evaluate(mteb_tasks.model("e5-small-q4"), mteb_tasks.tasks("mini@test")).to_dataframe())
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from isoglot.corpora.collection import Collection
from isoglot.corpora.sources import load_collection
from isoglot.encoders.encoder import Encoder
from isoglot.encoders.sentence_transformer import load_encoder
from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.platform.extras import needs
from isoglot.ranking.pools import Pool, build_pools
from isoglot.report.mteb import SPLIT, mteb_languages, revision, subset_name, task_name

with needs("isoglot.mteb_tasks", "mteb"):
    from datasets import Dataset
    from mteb.abstasks import AbsTaskRetrieval
    from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.models import ModelMeta
    from mteb.models.abs_encoder import AbsEncoder
    from mteb.models.model_meta import ScoringFunction


def tasks(
    collection: str | Collection,
    *,
    pools: Sequence[Sequence[str]] | None = None,
    query_languages: Sequence[str] | None = None,
    scenarios: Sequence[str] = ("multi", "control"),
    documents_mode: str = "dedup",
    limit: int | None = None,
    seed: int = 0,
) -> list[PoolRetrieval]:
    """Make an mteb task for each scenario, whose subsets are the pools and query languages, such as ``en+zh.zh``.

    With the model that `model` returns, the ``ndcg_at_10`` of a task is a hundredth of the ``ndcg@10`` of an audit.

    Args:
        collection: As for `isoglot.audit`.
        pools: As for `isoglot.audit`.
        query_languages: As for `isoglot.audit`.
        scenarios: As for `isoglot.audit`.
        documents_mode: As for `isoglot.audit`.
        limit: As for `isoglot.audit`.
        seed: Random seed for ties, control pools and the limit.

    Returns:
        Tasks for ``mteb.evaluate``.

    Raises:
        IsoglotError: The collection has no such language or scenario, or no pool has a query with a relevant document.
    """
    loaded = load_collection(collection) if isinstance(collection, str) else collection
    built = build_pools(
        loaded,
        pools=pools,
        query_languages=query_languages,
        scenarios=scenarios,
        documents_mode=documents_mode,
        limit=limit,
        seed=seed,
    )
    data_revision = revision(loaded.fingerprint, documents_mode, limit, seed)
    return [
        _task(loaded, scenario, subsets, data_revision)
        for scenario in dict.fromkeys(scenarios)
        if (subsets := {_subset(pool): pool for pool in built if pool.scenario == scenario})
    ]


class PoolRetrieval(AbsTaskRetrieval):  # type: ignore[misc]
    """A scenario of a collection as an mteb retrieval task; `tasks` makes it.

    Besides mteb's scores it has ``complete_at_10``: of the queries with at most 10 relevant documents, the share with
    all of them in the top 10; NaN where there is no such query.
    """

    collection: Collection
    pools: dict[str, Pool]

    def load_data(self, *args: Any, **kwargs: Any) -> None:
        """Put the pools' texts where mteb looks for them."""
        self.dataset = {name: {SPLIT: _split(self.collection, pool)} for name, pool in self.pools.items()}
        self.data_loaded = True

    def task_specific_scores(
        self, scores: dict[str, dict[str, float]], qrels: Mapping[str, Mapping[str, int]], *args: Any, **kwargs: Any
    ) -> dict[str, float]:
        """Complete@10, from the recall of each query."""
        complete = [by_name["recall_10"] == 1 for query, by_name in scores.items() if len(qrels[query]) <= 10]
        return {"complete_at_10": float(np.mean(complete)) if complete else math.nan}


class PoolEncoder(AbsEncoder):  # type: ignore[misc]
    """A model of isoglot as a model of mteb; `model` makes it.

    It uses isoglot's prompts and kept vectors. mteb keeps results under the model's fingerprint, so that two models
    trained from one base do not get each other's results.

    Args:
        encoder: Encoder of the model.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.mteb_model_meta = ModelMeta.create_empty(
            {
                "name": encoder.name if "/" in encoder.name else f"isoglot/{encoder.name}",
                "revision": encoder.fingerprint,
                "embed_dim": encoder.dimension,
                "similarity_fn_name": ScoringFunction.DOT_PRODUCT,
                "framework": ["Sentence Transformers", "PyTorch"],
            }
        )

    def encode(self, inputs: Any, *, prompt_type: Any = None, **kwargs: Any) -> Vectors:
        """Encode n texts to unit vectors (n, d); texts of tasks without roles are encoded as queries, as for E5."""
        batches = list(inputs)
        texts = [text for batch in batches for text in batch["text"]]
        languages = [tag for batch in batches for tag in batch.get("language", ())]
        if self.encoder.uses_language and not languages:
            raise IsoglotError(
                f"{self.encoder.name} must know each text's language, which this mteb task does not state"
            )
        role = prompt_type.value if prompt_type else "query"
        return self.encoder.encode(texts, role, languages, allow_zero=True)


def model(
    name: str | Encoder,
    *,
    device: str = "auto",
    trust_remote_code: bool = False,
    prompts: Mapping[str, str] | None = None,
) -> PoolEncoder:
    """Load a model for ``mteb.evaluate``.

    Args:
        name: Name of a model (bundled, a folder or a hub id), or an `Encoder`.
        device: ``auto`` or a torch device.
        trust_remote_code: Whether code inside the model's repository may run.
        prompts: As for `isoglot.audit`.

    Raises:
        IsoglotError: There is no such model or device, or the model needs code that is not trusted.
    """
    if isinstance(name, str):
        name = load_encoder(name, device=device, trust_remote_code=trust_remote_code, prompts=prompts)
    return PoolEncoder(name)


def _task(collection: Collection, scenario: str, pools: dict[str, Pool], data_revision: str) -> PoolRetrieval:
    metadata = TaskMetadata(
        name=task_name(collection.name, scenario, data_revision),
        description=f"The scenario {scenario} of isoglot on {collection.name}: "
        "do documents of several languages rank by meaning or by language?",
        dataset={"path": collection.name, "revision": data_revision},
        type="Retrieval",
        category="t2t",
        eval_splits=[SPLIT],
        eval_langs={name: mteb_languages(pool.languages, pool.query_language) for name, pool in pools.items()},
        main_score="ndcg_at_10",
    )
    # Every task has a class of its own, because mteb drops an instance's metadata when it unloads the data.
    kind: type[PoolRetrieval] = type(
        "PoolRetrieval", (PoolRetrieval,), {"metadata": metadata, "collection": collection, "pools": pools}
    )
    return kind()


def _subset(pool: Pool) -> str:
    return subset_name(pool.languages, pool.query_language)


def _split(collection: Collection, pool: Pool) -> RetrievalSplitData:
    documents = [collection.documents[position] for position in pool.documents]
    queries = [collection.queries[position] for position in pool.queries]
    last = len(documents) - 1
    # Of two equal scores mteb ranks the larger id first, so ids begin with the pool's tie order, reversed.
    ids = [
        f"{last - key:09d}/{document.content_id}@{document.language}"
        for key, document in zip(pool.tie_keys.tolist(), documents, strict=True)
    ]
    grades = np.ones(pool.golds.shape) if pool.grades is None else pool.grades
    return RetrievalSplitData(
        corpus=Dataset.from_dict(
            {"id": ids, "text": [d.text for d in documents], "language": [d.language for d in documents]}
        ),
        queries=Dataset.from_dict(
            {
                "id": [query.query_id for query in queries],
                "text": [query.text for query in queries],
                "language": [query.language for query in queries],
            }
        ),
        relevant_docs={
            query.query_id: {ids[gold]: int(grade) for gold, grade in zip(*judged, strict=True) if gold >= 0}
            for query, *judged in zip(queries, pool.golds.tolist(), grades.tolist(), strict=True)
        },
        top_ranked=None,
    )
