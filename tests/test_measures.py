"""The worked example of docs/reference/measures.md, the measures' invariants, and ir_measures as oracle."""

from __future__ import annotations

from dataclasses import replace

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoglot import Collection, Document, IsoglotError, Query
from isoglot.evaluation import scoring
from isoglot.evaluation.measures import (
    Judged,
    best_in_language,
    complete,
    max_r,
    max_r_norm,
    parse_measure,
    worst_in_language,
)
from isoglot.ranking.exact import rank
from isoglot.ranking.pools import Pool
from isoglot.ranking.result import Ranking

EN, ZH = 0, 1
DOCUMENTS = [(content, language) for language in (EN, ZH) for content in "abcd"]
RANKED = [
    "a-zh b-zh c-zh a-en d-zh b-en c-en d-en",
    "c-zh b-zh b-en a-zh d-zh a-en c-en d-en",
    "c-en c-zh d-zh a-zh b-zh a-en b-en d-en",
]


def example() -> tuple[Ranking, Judged]:
    """The worked example: scores 8 .. 1 in the order of the table, golds a, b and c in both languages."""
    scores = np.zeros((8, 3), dtype=np.float32)
    for query, line in enumerate(RANKED):
        for place, name in enumerate(line.split()):
            scores[DOCUMENTS.index((name[0], {"en": EN, "zh": ZH}[name[2:]])), query] = 8 - place
    languages = np.array([language for _, language in DOCUMENTS])
    golds = np.array([[0, 4], [1, 5], [2, 6]])
    ranking = rank(np.eye(3, dtype=np.float32), scores, golds, languages=languages)
    judged = Judged(
        ranks=ranking.gold_ranks,
        tied=ranking.gold_tied,
        languages=languages[golds],
        query_language=ZH,
        documents=8,
    )
    return ranking, judged


@pytest.mark.parametrize(
    ("name", "values", "mean"),
    [
        ("max_r", [4, 3, 2], 3.00),
        ("max_r_norm", [50, 70.75, 100], 73.58),
        ("complete@3", [0, 100, 100], 66.67),
        ("ndcg@1", [100, 0, 100], 66.67),
        ("ndcg@3", [61.31, 69.34, 100], 76.89),
        ("recall@3", [50, 100, 100], 83.33),
        ("rr", [100, 50, 100], 83.33),
        ("rank_distance", [3, 1, 1], 1.67),
        ("lpr", [100, 100, 0], 66.67),
        ("tie_rate", [0, 0, 0], 0),
    ],
)
def test_worked_example_of_the_docs(name: str, values: list[float], mean: float) -> None:
    found = parse_measure(name)(example()[1])
    assert found == pytest.approx(values, abs=0.005)
    assert found.mean() == pytest.approx(mean, abs=0.005)


def test_worked_example_by_language(monkeypatch: pytest.MonkeyPatch) -> None:
    ranking, judged = example()
    tags = ("en", "zh")
    documents = [Document(content, tags[language], "text") for content, language in DOCUMENTS]
    queries = [Query(f"about {content}", "zh", "text?") for content in "abc"]
    collection = Collection("example", documents, queries, {f"about {content}": (content,) for content in "abc"})
    languages = np.array([language for _, language in DOCUMENTS])
    golds = np.array([[0, 4], [1, 5], [2, 6]])
    pool = Pool("multi", tags, "zh", np.arange(8), languages, np.arange(8), np.arange(3), golds)
    monkeypatch.setattr(scoring, "TOP_K", 3)
    result = scoring.RankedPool(collection, pool, ranking, 0).result("dedup", ["max_r"], 0)
    assert result.judged is not None
    assert (result.judged.ranks == judged.ranks).all()
    found = result.by_language
    assert (found["en"].mean_rank.mean, found["zh"].mean_rank.mean) == pytest.approx((2.67, 1.67), abs=0.005)
    assert (found["en"].median_rank, found["zh"].median_rank) == (3, 2)
    assert (found["en"].worst_share.mean, found["zh"].worst_share.mean) == pytest.approx((66.67, 33.33), abs=0.005)
    assert (found["en"].top_share.mean, found["zh"].top_share.mean) == pytest.approx((22.22, 77.78), abs=0.005)
    assert (found["en"].pool_share, found["zh"].documents) == (50, 4)
    assert (found["en"].above_share.mean, found["zh"].above_share.mean) == (0, 100)


def judged_ranks(*rows: list[int], documents: int = 100) -> Judged:
    width = max(map(len, rows))
    ranks = np.array([row + [0] * (width - len(row)) for row in rows])
    languages = np.tile(np.arange(width), (len(rows), 1))
    tied = np.zeros(ranks.shape, dtype=bool)
    return Judged(ranks=ranks, tied=tied, languages=languages, query_language=0, documents=documents)


def test_max_r_norm_is_100_at_best_0_at_last_and_100_where_every_document_is_gold() -> None:
    assert max_r_norm(judged_ranks([1, 2], [2, 100])) == pytest.approx([100, 0])
    assert max_r_norm(judged_ranks([2, 1], documents=2)) == pytest.approx([100])


def test_one_gold_has_no_rank_distance_no_preference_and_no_worst_language() -> None:
    judged = judged_ranks([3])
    assert np.isnan(parse_measure("rank_distance")(judged)).all()
    assert np.isnan(parse_measure("lpr")(judged)).all()
    assert np.isnan(worst_in_language(judged, 0)).all()


def test_preference_is_unknown_where_the_query_language_is_not_in_the_pool() -> None:
    judged = judged_ranks([1, 5])
    outside = replace(judged, query_language=None)
    assert np.isnan(parse_measure("lpr")(outside)).all()


def test_a_query_without_gold_in_a_language_has_no_rank_there() -> None:
    assert np.isnan(best_in_language(judged_ranks([4, 7], [2]), 1)).tolist() == [False, True]


@pytest.mark.parametrize("name", ["maxr", "complete", "complete@0", "complete@-1", "ndcg@x", "max_r@10", ""])
def test_unknown_measure_is_told_with_those_there_are(name: str) -> None:
    with pytest.raises(IsoglotError, match="known are max_r"):
        parse_measure(name)


ranks_of_a_query = st.lists(st.integers(1, 60), min_size=1, max_size=5, unique=True)


@given(st.lists(ranks_of_a_query, min_size=1, max_size=6), st.integers(1, 60))
def test_bounds_and_complete_iff_max_r_within_k(rows: list[list[int]], k: int) -> None:
    judged = judged_ranks(*rows, documents=60)
    worst = max_r(judged)
    assert ((worst >= judged.counts) & (worst <= 60)).all()
    possible = judged.counts <= k
    assert (complete(judged, k)[possible] == 100.0 * (worst <= k)[possible]).all()
    assert np.isnan(complete(judged, k)[~possible]).all()
    for name in ("max_r_norm", f"ndcg@{k}", f"recall@{k}", "rr"):
        values = parse_measure(name)(judged)
        assert ((values >= -1e-9) & (values <= 100 + 1e-9)).all()


@given(st.lists(ranks_of_a_query, min_size=1, max_size=6), st.integers(1, 30))
def test_standard_measures_agree_with_ir_measures(rows: list[list[int]], k: int) -> None:
    judged = judged_ranks(*rows, documents=60)
    qrels = [ir_measures.Qrel(str(q), str(r), 1) for q, row in enumerate(rows) for r in row]
    run = [ir_measures.ScoredDoc(str(q), str(r), -float(r)) for q in range(len(rows)) for r in range(1, 61)]
    for ours, theirs in (
        (f"ndcg@{k}", ir_measures.nDCG @ k),
        (f"recall@{k}", ir_measures.R @ k),
        ("rr", ir_measures.RR),
    ):
        found = {int(metric.query_id): 100 * metric.value for metric in ir_measures.iter_calc([theirs], qrels, run)}
        assert parse_measure(ours)(judged) == pytest.approx([found[q] for q in range(len(rows))], abs=1e-6)


def test_ranking_then_measuring_agrees_with_ir_measures_on_the_scores() -> None:
    generator = np.random.default_rng(0)
    queries = generator.normal(size=(6, 8)).astype(np.float32)
    pool = generator.normal(size=(30, 8)).astype(np.float32)
    golds = np.array([[*generator.choice(30, 2, replace=False), -1 if q % 2 else 29 - q] for q in range(6)])
    golds = np.array([[a, b, c if c not in (a, b) else -1] for a, b, c in golds])
    ranking = rank(queries, pool, golds)
    judged = Judged(
        ranks=ranking.gold_ranks,
        tied=ranking.gold_tied,
        languages=np.zeros_like(golds),
        query_language=0,
        documents=30,
    )
    qrels = [ir_measures.Qrel(str(q), str(d), 1) for q, row in enumerate(golds) for d in row if d >= 0]
    scores = queries @ pool.T
    run = [ir_measures.ScoredDoc(str(q), str(d), float(scores[q, d])) for q in range(6) for d in range(30)]
    for ours, theirs in (
        ("ndcg@10", ir_measures.nDCG @ 10),
        ("recall@10", ir_measures.R @ 10),
        ("rr", ir_measures.RR),
    ):
        found = {int(metric.query_id): 100 * metric.value for metric in ir_measures.iter_calc([theirs], qrels, run)}
        assert parse_measure(ours)(judged) == pytest.approx([found[q] for q in range(6)], abs=1e-6)


def test_tie_rate_is_the_share_of_a_querys_own_golds() -> None:
    ranks = np.array([[1, 2], [3, 0]])
    tied = np.array([[True, False], [False, True]])  # the second query has no second gold
    judged = Judged(ranks=ranks, tied=tied, languages=np.zeros_like(ranks), query_language=0, documents=9)
    assert parse_measure("tie_rate")(judged).tolist() == [50, 0]
