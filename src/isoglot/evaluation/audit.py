"""Auditing: what happens when documents of several languages compete in one pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from isoglot.corpora.collection import Collection
from isoglot.corpora.sources import load_collection
from isoglot.corpora.stress import chosen_kinds
from isoglot.encoders.lengths import cut_notes
from isoglot.evaluation.changes import check_scenarios
from isoglot.evaluation.correlation import rank_correlations
from isoglot.evaluation.goals import find_goal
from isoglot.evaluation.labels import label_notes
from isoglot.evaluation.lengths import text_lengths, zero_notes
from isoglot.evaluation.lift import lift_of_pools
from isoglot.evaluation.measures import DEFAULT_MEASURES, check_measures, correlation_cutoffs, spelled_out
from isoglot.evaluation.output import AuditSettings, check_output
from isoglot.evaluation.results import Audit, ScenarioResult, StageResult
from isoglot.evaluation.scoring import TOP_K, RankedPool, cell_of
from isoglot.evaluation.similarities import sample_similarities
from isoglot.evaluation.stages import StagedPool
from isoglot.evaluation.stored import check_stored, sweep_stored
from isoglot.evaluation.stress import ask_stressed, unchanged_notes
from isoglot.platform.version import __version__
from isoglot.ranking.balance import parse_balance, scaling_notes
from isoglot.ranking.pools import SCENARIOS, build_pools
from isoglot.retrievers.base import Retriever, Scorer, VectorRankings, prompt_notes, similarity_notes
from isoglot.retrievers.registry import as_retriever

if TYPE_CHECKING:
    from isoglot.encoders.encoder import Encoder


def audit(
    model: str | Encoder | Retriever | Scorer,
    collection: str | Collection,
    *,
    pools: Sequence[Sequence[str]] | None = None,
    query_languages: Sequence[str] | None = None,
    scenarios: Sequence[str] = SCENARIOS,
    documents_mode: str = "dedup",
    goal: str = "together",
    balance: str = "none",
    limit: int | None = None,
    relevant_from: float | None = None,
    measures: Sequence[str] = DEFAULT_MEASURES,
    seed: int = 0,
    device: str = "auto",
    trust_remote_code: bool = False,
    prompts: Mapping[str, str] | None = None,
    stress: Sequence[str] = (),
    stored: Sequence[str] = (),
    dimensions: Sequence[int] = (),
    run_depth: int = 0,
    keep_vectors: bool = True,
    output: str | Path | None = None,
    force: bool = False,
    show_progress: bool = False,
) -> Audit:
    """Audit a retriever: rank every query of a collection in pools of one language and of several.

    Args:
        model: Name of a model (bundled, a folder or a hub id) or of another retriever, such as ``bm25``,
            ``openai:MODEL`` or ``vectors:DIR``; or an `Encoder`, a `Retriever`, or an object with the one method
            ``scores(queries, documents)`` (see `Scorer`).
        collection: Source such as ``mini@test`` or ``xquad:DIR``, or a `Collection`.
        pools: Languages of each pool; None: English with each other language of the documents.
        query_languages: Query languages; None: those of each pool, and those in which there is no document.
        scenarios: Scenarios, out of ``multi``, ``mono-same``, ``mono-cross`` and ``control``.
        documents_mode: ``dedup`` (each document once), or ``per-question`` (one copy for each question, as in the
            paper).
        goal: What the verdict judges: ``together`` (all relevant documents are in the top 10) or ``own-first`` (they
            are, and the first of them is in the query's language). The second adds measures of its own.
        balance: How documents of several languages become one list: ``none`` (by score), ``equal`` (languages take
            turns), ``proportional`` (each language gets its share of the pool) or ``scaled`` (by score minus the usual
            score of the document's language). Options of the last are written as ``scaled(k=5, weight=0.7)`` or
            ``scaled(k=5, weight=0.7, prefer=0.02)``.
        limit: Largest number of questions, drawn by `seed` and the same in all languages; None: all.
        relevant_from: Lowest grade that counts as relevant; nDCG uses every grade. None: any grade above 0.
        measures: Names of measures, such as ``max_r`` or ``complete@10``; ``classes`` stands for the four classes of
            the first document.
        seed: Random seed for ties, control pools, the limit and the bootstrap.
        device: ``auto`` or a torch device.
        trust_remote_code: Whether code inside the model's repository may run.
        prompts: Role (``query``, ``document``) -> the prompt put before its texts: the prompt's text, or the name of
            one of the model's prompts. None: the model's own.
        stress: Kinds of changed queries to ask as well: ``code-switched``, ``romanised``, ``no-diacritics``,
            ``typos``, or ``all``.
        stored: Storage formats of vectors to rank by as well: ``float32``, ``float16``, ``int8``, ``int8-codes``,
            ``binary``. Empty, with `dimensions`: ``float32``.
        dimensions: Numbers of components to keep in stored vectors. Empty, with `stored`: all components.
        run_depth: Number of top documents of each query to keep for a TREC run.
        keep_vectors: Whether a model's vectors are read from and written to the cache on disk. False suits a model
            whose weights change between two audits, such as one in training.
        output: Folder to save the audit to; None: it is not saved.
        force: Whether any audit in `output` is replaced; otherwise only one with the same settings is.
        show_progress: Whether to show progress on standard error.

    Returns:
        The audit: a result for each scenario, pool and query language.

    Raises:
        IsoglotError: A name is unknown, an input cannot be used, or `output` holds an audit with other settings. The
            message says what to do.
    """
    chosen_goal = find_goal(goal)
    measures = spelled_out((*measures, *chosen_goal.measures))
    check_measures(measures)
    kinds = chosen_kinds(stress)
    check_stored(stored, dimensions)
    if kinds or stored or dimensions:
        check_scenarios(scenarios)
    balance = str(parse_balance(balance))
    loaded = load_collection(collection) if isinstance(collection, str) else collection
    if relevant_from is not None:
        loaded = loaded.relevant_from(relevant_from)
    spelled = loaded.spelled_as(chain(*(pools or ()), query_languages or ()))
    built = build_pools(
        loaded,
        pools=pools,
        query_languages=query_languages,
        scenarios=scenarios,
        documents_mode=documents_mode,
        limit=limit,
        seed=seed,
    )
    retriever = as_retriever(
        model, device=device, trust_remote_code=trust_remote_code, prompts=prompts, keep_vectors=keep_vectors
    )
    described = retriever.describe()
    if output is not None and not force:
        settings = AuditSettings(
            model=described,
            collection=loaded.fingerprint,
            seed=seed,
            limit=limit,
            balance=balance,
            documents_mode=documents_mode,
            cells=tuple(cell_of(pool, spelled) for pool in built),
        )
        check_output(output, settings)
    cutoffs = correlation_cutoffs(measures)
    depth = max(TOP_K, run_depth, *cutoffs)
    rankings = retriever.rankings(spelled, built, balance=balance, top_k=depth, show_progress=show_progress)
    ranked = list(rankings)
    correlations = {k: rank_correlations(spelled, built, ranked, k) for k in cutoffs}
    results: list[ScenarioResult] = []
    stages: list[StageResult] = []
    for number, (pool, ranking) in enumerate(zip(built, ranked, strict=True)):
        correlated = {k: values[number] for k, values in correlations.items()}
        results.append(RankedPool(spelled, pool, ranking, seed, correlated).result(documents_mode, measures, run_depth))
        if ranking.stages and pool.scenario == "multi":
            stages += StagedPool(spelled, pool, ranking, seed).results(documents_mode, measures)
    similarities, lift = None, {}
    vector_notes: tuple[str, ...] = ()
    if isinstance(rankings, VectorRankings):
        vector_notes = zero_notes(spelled, built, rankings.zero)
        if rankings.are_alike:
            vector_notes += (f"{described.name} gave all documents the same vector: their ranks are those of chance.",)
        similarities = sample_similarities(spelled, built, rankings.vectors_at, seed)
        lift = lift_of_pools(spelled, built, rankings.vectors_at, seed)
    sweep = sweep_stored(rankings, spelled, built, results, stored, dimensions, seed=seed, balance=balance)
    changed = ask_stressed(
        retriever, spelled, built, results, kinds, seed=seed, balance=balance, show_progress=show_progress
    )
    languages = tuple(map(spelled.named, spelled.languages))
    sizes = [{tag: language.documents for tag, language in result.by_language.items()} for result in results]
    lengths = text_lengths(spelled, built, retriever)
    result = Audit(
        model=described,
        collection=msgspec.structs.replace(loaded.record(), languages=languages),
        scenarios=tuple(results),
        stages=tuple(stages),
        seed=seed,
        limit=limit,
        goal=chosen_goal.name,
        balance=balance,
        environment=retriever.environment(),
        isoglot=__version__,
        similarities=similarities,
        lift=lift,
        lengths=lengths,
        stress=changed,
        stored=sweep,
        notes=(
            *prompt_notes(described),
            *similarity_notes(described),
            *cut_notes(lengths),
            *vector_notes,
            *label_notes(spelled, built, seed),
            *scaling_notes(sizes, balance),
            *unchanged_notes(kinds, changed),
        ),
    )
    if output is not None:
        result.save(output)
    return result
