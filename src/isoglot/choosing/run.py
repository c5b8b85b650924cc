"""`choose`: try several models on one's own data, and say which one to take."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isoglot.alignment.corpus_texts import CorpusTexts, is_corpus, read_corpus_texts, texts_of_collection
from isoglot.choosing.choice import MENDS, Candidate, Choice, Facts, Recommendation, Tried, Unfound
from isoglot.choosing.facts import facts_of
from isoglot.corpora.collection import Collection
from isoglot.corpora.sources import load_collection
from isoglot.evaluation.audit import audit
from isoglot.evaluation.comparison.comparison import Comparison, compare
from isoglot.evaluation.output import AuditSettings
from isoglot.evaluation.results import AUDIT, Audit, ScenarioResult
from isoglot.evaluation.statistics.intervals import Interval
from isoglot.platform.errors import IsoglotError
from isoglot.platform.version import __version__
from isoglot.ranking.pools import build_pools
from isoglot.retrievers.base import Retriever
from isoglot.retrievers.dense import Encodes
from isoglot.retrievers.registry import as_retriever
from isoglot.retrievers.transformed import TransformedRetriever
from isoglot.transforms.shares import SHARES
from isoglot.transforms.transform import Transform

log = logging.getLogger("isoglot")

BASELINE = "bm25"
"""What is always tried beside the models."""
MARGIN = 1.0
"""The points of quality in one language that the recommended model may be behind the best."""
MOST_UNFOUND = 20
"""The most questions that no model finds which are listed."""
SCENARIOS = ("multi", "mono-same", "control")
NOTHING = Interval(np.nan, np.nan, np.nan)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What all models are tried on.

    Attributes:
        collection: The questions and documents.
        texts: What models are calibrated on: documents, and spans of them or questions that people asked.
        labelled: Whether the collection's relevance is known.
        pools: The languages of each pool; None: English with each other language.
        limit: The most questions; None: all.
        seed: Random seed.
        output: A folder for the audits, which are read again when a stopped run goes on; None: they are not kept.
        show_progress: Whether to show progress on standard error.
    """

    collection: Collection
    texts: CorpusTexts
    labelled: bool
    pools: Sequence[Sequence[str]] | None
    limit: int | None
    seed: int
    output: Path | None
    show_progress: bool

    def audits(self, name: str, retriever: Retriever) -> Iterator[tuple[str, Audit]]:
        """Each mend that a retriever takes, with the audit after it."""
        changed = self._calibrated(retriever)
        for mend in MENDS:
            ranks = changed if mend.startswith("calibrated") else retriever
            if ranks is not None:
                folder = None if self.output is None else self.output / "audits" / _folder(name, mend, self.pools)
                balance = "scaled" if mend.endswith("scaled") else "none"
                yield mend, self._held(folder, ranks, balance) or self._audit(ranks, balance, folder)

    def _audit(self, ranks: Retriever, balance: str, folder: Path | None) -> Audit:
        return audit(
            ranks,
            self.collection,
            pools=self.pools,
            scenarios=SCENARIOS,
            balance=balance,
            limit=self.limit,
            seed=self.seed,
            output=folder,
            force=True,
            show_progress=self.show_progress,
        )

    def _held(self, folder: Path | None, ranks: Retriever, balance: str) -> Audit | None:
        """The same audit out of a run that was stopped; None if there is none."""
        if folder is None or not (folder / AUDIT).is_file():
            return None
        try:
            held = Audit.load(folder)
        except IsoglotError:
            return None
        asked = AuditSettings(
            model=ranks.describe(),
            collection=self.collection.fingerprint,
            seed=self.seed,
            limit=self.limit,
            balance=balance,
            documents_mode="dedup",
            cells=AuditSettings.of(held).cells,  # the folder's name says which pools
        )
        return held if AuditSettings.of(held) == asked and held.isoglot == __version__ else None

    def _calibrated(self, retriever: Retriever) -> Retriever | None:
        """A retriever with its vectors calibrated on `texts`; None for one that encodes no texts."""
        if not isinstance(retriever, Encodes):
            return None
        documents = [(document.language, document.text) for document in self.texts.documents]
        roles = {"document": documents, "query": self.texts.queries}
        vectors = {
            role: retriever.encode(
                [text for _, text in pairs], role, [tag for tag, _ in pairs], show_progress=self.show_progress
            )
            for role, pairs in roles.items()
        }
        transform = Transform.fit(
            vectors["document"],
            [tag for tag, _ in documents],
            vectors["query"],
            [tag for tag, _ in self.texts.queries],
            query_share=SHARES["questions" if self.texts.asked else "spans"],
            model=retriever.describe().name,
            data=self.texts.name,
        )
        return TransformedRetriever(retriever, transform, "calibrated")


def choose(
    models: Sequence[str],
    data: str | Collection,
    *,
    queries: str | Path | None = None,
    pools: Sequence[Sequence[str]] | None = None,
    limit: int | None = None,
    seed: int = 0,
    device: str = "auto",
    trust_remote_code: bool = False,
    output: str | Path | None = None,
    show_progress: bool = False,
) -> Choice:
    """Try several models on your data, each as it is, scaled by language and calibrated, and recommend one.

    A model that fails is recorded with its error, and the others are tried all the same. The recommended model finds
    all relevant documents most often, among those that are at most 1 point of mono-same ndcg@10 behind the best one.

    Args:
        models: Names of retrievers, as for `isoglot.audit`; ``bm25`` is always added.
        data: Source or `Collection` with relevance labels, or a corpus without: a file or folder of documents, or
            ``index:DIR``. Queries for a corpus are spans of its own documents, a proxy.
        queries: File of questions that people asked of the corpus, for calibration; None: spans of its documents.
        pools: Languages of each pool; None: English with each other language, or for a corpus all languages together.
        limit: Largest number of questions; None: all.
        seed: Random seed.
        device: ``auto`` or a torch device.
        trust_remote_code: Whether code inside a model's repository may run.
        output: Folder that keeps the audits, from which an interrupted run continues; None: they are not kept.
        show_progress: Whether to show progress on standard error.

    Returns:
        The results of all models, and the recommendation.

    Raises:
        IsoglotError: The data cannot be read, it holds nothing to ask, or all of `models` failed.
    """
    trial = Trial(
        **_material(data, queries, pools, seed),
        limit=limit,
        seed=seed,
        output=None if output is None else Path(output),
        show_progress=show_progress,
    )
    build_pools(  # what nothing can be asked is no model's fault
        trial.collection,
        pools=trial.pools,
        query_languages=None,
        scenarios=SCENARIOS,
        documents_mode="dedup",
        limit=limit,
        seed=seed,
    )
    candidates: list[tuple[str, str | None, Facts, dict[str, Audit]]] = []
    by_words = set()
    for name in dict.fromkeys([*models, BASELINE]):
        audits: dict[str, Audit] = {}
        try:
            retriever = as_retriever(name, device=device, trust_remote_code=trust_remote_code)
            audits.update(trial.audits(name, retriever))
            if finds_by_words(retriever):
                by_words.add(name)
            facts = facts_of(name, retriever, audits[MENDS[0]], trial.collection)
            candidates.append((name, None, facts, audits))
        except IsoglotError as error:
            log.warning("left out: %s", error)
            reason = str(error) if name in str(error) else f"{name}: {error}"
            candidates.append((name, reason, Facts(), {}))
    keys = [(name, mend) for name, _, _, audits in candidates for mend in audits]
    if not keys or (models and not any(name in models for name, _ in keys)):
        raise IsoglotError(f"none of the models could be tried; the first: {candidates[0][1]}")
    all_audits = [found for _, _, _, audits in candidates for found in audits.values()]
    comparison = compare(*all_audits, names=[f"{name}, {mend}" for name, mend in keys], margin=MARGIN)
    tried = dict(zip(keys, _tried(comparison, all_audits, [mend for _, mend in keys]), strict=True))
    # a span shares its words with its document, so what finds by words would always look best
    considered = tried if trial.labelled else {key: each for key, each in tried.items() if key[0] not in by_words}
    unfound = _unfound(all_audits, trial.collection) if trial.labelled else []
    return Choice(
        collection=all_audits[0].collection,
        labelled=trial.labelled,
        candidates=tuple(
            Candidate(name=name, error=error, facts=facts, tried=tuple(tried[name, mend] for mend in audits))
            for name, error, facts, audits in candidates
        ),
        recommendation=recommend(considered, labelled=trial.labelled),
        unfound=tuple(unfound[:MOST_UNFOUND]),
        unfound_count=len(unfound),
        settings={"seed": seed, "limit": limit, "pools": None if pools is None else [list(pool) for pool in pools]},
        environment=dict(all_audits[0].environment),
        isoglot=__version__,
    )


def _material(
    data: str | Collection, queries: str | Path | None, pools: Sequence[Sequence[str]] | None, seed: int
) -> dict[str, Any]:
    """The collection, texts and pools of a `Trial`, and whether relevance is known."""
    if not (isinstance(data, str) and is_corpus(data)):
        if queries is not None:
            raise IsoglotError("--queries is for a corpus without labels; a collection has its own questions")
        collection = load_collection(data) if isinstance(data, str) else data
        used = None if pools is None else {collection.find_language(tag) for pool in pools for tag in pool}
        texts = texts_of_collection(collection, used, seed)
        return {"collection": collection, "texts": texts, "pools": pools, "labelled": True}
    texts = read_corpus_texts(data, queries, seed=seed)
    probes = texts.probes(seed)
    if probes is None:
        raise IsoglotError(f"{data}: no document is long enough to be asked for by a span of its text")
    return {"collection": probes, "texts": texts, "pools": pools or [texts.languages], "labelled": False}


def finds_by_words(retriever: Retriever) -> bool:
    """Whether a retriever, or a part of a pipeline, finds documents by the words that they share with the query."""
    parts = getattr(retriever, "parts", ())
    return getattr(retriever, "finds_by_terms", False) or any(map(finds_by_words, parts))


def recommend(tried: Mapping[tuple[str, str], Tried], *, labelled: bool) -> Recommendation | None:
    """The best of what was tried.

    Whoever is at most `MARGIN` points of quality in one language behind the best is considered. With labels, the one
    that finds all versions most often is taken; else the one that prefers the question's language least, since the
    spans of a corpus ask for documents of their own language.

    Args:
        tried: (name, mend) -> what was found.
        labelled: Whether relevance is known.

    Returns:
        The best; None if nothing was tried.
    """
    if not tried:
        return None
    best = max(tried, key=lambda key: _known(tried[key].quality.mean))
    kept = {key: each for key, each in tried.items() if _behind(each, tried[best]) <= MARGIN}
    if labelled:
        chosen = max(kept, key=lambda key: (_known(kept[key].complete.mean), _known(kept[key].quality.mean)))
        found = kept[chosen]
        also = tuple(key for key, each in kept.items() if key != chosen and each.complete.mean >= found.complete.low)
        does = f"finds all versions in the top 10 for {found.complete.mean:.1f}% of the questions"
    else:
        chosen = min(kept, key=lambda key: (abs(kept[key].preference - 1), -_known(kept[key].quality.mean)))
        found, also = kept[chosen], ()
        does = f"shows documents of the question's language {found.preference:.2f} times as often as chance would"
    behind = _behind(found, tried[best])
    cost = (
        "and nothing is better within one language" if behind <= 0 else f"and is {behind:.1f} points of nDCG@10 behind"
    )
    other = "" if behind <= 0 else f" {', '.join(best)}, within one language"
    return Recommendation(name=chosen[0], mend=chosen[1], reason=f"{does}, {cost}{other}", also=also)


def _behind(each: Tried, best: Tried) -> float:
    return 0.0 if np.isnan(best.quality.mean) else best.quality.mean - _known(each.quality.mean)


def _known(value: float) -> float:
    return -np.inf if np.isnan(value) else value


def _tried(comparison: Comparison, audits: Sequence[Audit], mends: Sequence[str]) -> list[Tried]:
    means = {mean.scenario: mean.measures for mean in comparison.means}

    def interval(scenario: str, measure: str, place: int) -> Interval:
        return means.get(scenario, {}).get(measure, [NOTHING] * len(audits))[place]

    return [
        Tried(
            mend=mend,
            quality=interval("mono-same", "ndcg@10", place),
            complete=interval("multi", "complete@10", place),
            control=interval("control", "ndcg@10", place),
            preference=_preference(found.scenarios),
        )
        for place, (found, mend) in enumerate(zip(audits, mends, strict=True))
    ]


def _preference(results: Sequence[ScenarioResult]) -> float:
    """The mean over mixed pools of the query language's share of the top 10, over its share of the pool."""
    shares = [
        result.by_language[result.query_language].top_share.mean / result.by_language[result.query_language].pool_share
        for result in results
        if result.scenario == "multi" and result.query_language in result.by_language
    ]
    return float(np.mean(shares)) if shares else np.nan


def _unfound(audits: Sequence[Audit], collection: Collection) -> list[Unfound]:
    """The questions of which no audit has a relevant document in the top 10 of the documents in their own language."""
    found: list[Unfound] = []
    texts = {(query.query_id, collection.named(query.language)): query.text for query in collection.queries}
    documents = {(each.content_id, collection.named(each.language)): each.text for each in collection.documents}
    for place, first in enumerate(audits[0].scenarios):
        results = [each.scenarios[place] for each in audits]
        judged = [result.judged for result in results if result.judged is not None]
        if first.scenario != "mono-same" or not judged:
            continue
        best = np.min([ranks.best for ranks in judged], axis=0)
        for row in np.flatnonzero(best > 10):
            query_id, language = first.query_ids[row], first.query_language
            gold = next((documents.get((c, language), "") for c in collection.golds[query_id]), "")
            text = texts.get((query_id, language), "")
            found.append(Unfound(query_id=query_id, language=language, question=text, document=gold[:200]))
    return found


def _folder(name: str, mend: str, pools: Sequence[Sequence[str]] | None) -> str:
    """A folder's name for the audit of a model in some pools."""
    plain = re.sub(r"[^\w.+-]+", "_", name)[:60]
    digest = hashlib.sha256(f"{name} {pools}".encode()).hexdigest()[:6]
    return f"{plain}.{digest}.{mend.replace(', ', '-').replace(' ', '-')}"
