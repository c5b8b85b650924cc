"""Measures that know the languages: worked numbers of docs/reference/measures.md, brute force, and scipy as oracle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from isoglot import Collection, Document, IsoglotError, Query, audit
from isoglot.evaluation.correlation import rank_correlations, spearman
from isoglot.evaluation.measures import CLASSES, DEFAULT_MEASURES, OTHER_GAIN, Judged, parse_measure
from isoglot.evaluation.results import Audit
from isoglot.platform.arrays import Floats, Ints
from isoglot.ranking.pools import Pool, PoolBuilder
from isoglot.ranking.result import Ranking
from isoglot.report.classes import class_tables
from isoglot.report.markdown import audit_to_markdown
from isoglot.report.tables import audit_tables
from tests.test_measures import example

ZH = 1
CLASS_COLUMNS = ("right, own", "right, other", "wrong, own", "wrong, other")


def worked() -> Judged:
    """The worked example of the docs; its first documents are a-zh, c-zh and c-en."""
    return Judged(**{**vars(example()[1]), "top_languages": np.array([ZH, ZH, 0])})


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("tlr@3", [0, 100, 100]),
        ("lang_ndcg@3", [76.02, 66.97, 85.97]),
        ("own_first@3", [0, 100, 0]),
        ("own_first@4", [100, 100, 0]),
        ("right_own", [100, 0, 0]),
        ("right_other", [0, 0, 100]),
        ("wrong_own", [0, 100, 0]),
        ("wrong_other", [0, 0, 0]),
    ],
)
def test_worked_example_of_the_docs(name: str, values: list[float]) -> None:
    assert parse_measure(name)(worked()) == pytest.approx(values, abs=0.005)


def judged(rows: list[list[tuple[int, int]]], own: int | None, top: list[int] | None = None) -> Judged:
    """Queries with golds of (rank, language) each."""
    width = max(map(len, rows))
    filled = np.array([row + [(0, 0)] * (width - len(row)) for row in rows])
    return Judged(
        ranks=filled[..., 0],
        tied=np.zeros(filled.shape[:2], dtype=bool),
        languages=filled[..., 1],
        query_language=own,
        documents=60,
        top_languages=None if top is None else np.array(top),
    )


golds_of_a_query = st.lists(
    st.tuples(st.integers(1, 60), st.integers(0, 2)), min_size=1, max_size=6, unique_by=lambda g: g[0]
)


@given(st.lists(golds_of_a_query, min_size=1, max_size=5), st.sampled_from([0, 1, None]), st.integers(1, 60))
def test_as_counted_one_by_one(rows: list[list[tuple[int, int]]], own: int | None, k: int) -> None:
    ranks = judged(rows, own)
    for row, tlr, ndcg, first in zip(
        rows, *(parse_measure(f"{name}@{k}")(ranks) for name in ("tlr", "lang_ndcg", "own_first")), strict=True
    ):
        others = [rank for rank, language in row if language != own]
        found = sum(rank <= k for rank in others)
        assert tlr == pytest.approx(100 * found / len(others)) if others else np.isnan(tlr)
        gains = {rank: 1 if language == own else OTHER_GAIN for rank, language in row}
        gained = sum(gain / np.log2(1 + rank) for rank, gain in gains.items() if rank <= k)
        best = sorted(gains.values(), reverse=True)[:k]
        assert ndcg == pytest.approx(100 * gained / sum(gain / np.log2(2 + place) for place, gain in enumerate(best)))
        if not others or len(others) == len(row) or len(row) > k:
            assert np.isnan(first)
        else:
            _, language = min(row)
            assert first == 100 * (language == own and max(rank for rank, _ in row) <= k)


@given(st.lists(golds_of_a_query, min_size=1, max_size=5), st.sampled_from([0, 1, None]), st.data())
def test_every_first_document_is_in_one_class(
    rows: list[list[tuple[int, int]]], own: int | None, data: st.DataObject
) -> None:
    golds = [dict(row).get(1) for row in rows]  # the language of the gold at rank 1
    tops = [data.draw(st.integers(-1, 2)) if gold is None else gold for gold in golds]
    ranks = judged(rows, own, tops)
    values = np.stack([parse_measure(name)(ranks) for name in CLASSES])
    assert values.sum(axis=0).tolist() == [0 if top < 0 else 100 for top in tops]
    for column, (gold, top) in enumerate(zip(golds, tops, strict=True)):
        if top >= 0:
            expected = f"{'wrong' if gold is None else 'right'}_{'own' if top == own else 'other'}"
            assert CLASSES[int(values[:, column].argmax())] == expected


def test_what_a_run_does_not_know_has_no_value() -> None:
    beyond = 2**31 - 1
    ranks = Judged(**{**vars(judged([[(1, 0), (beyond, 1)], [(2, 1), (beyond, 0)]], 0)), "depth": 10})
    assert parse_measure("tlr@10")(ranks).tolist() == [0, 100]
    assert parse_measure("tlr@20")(ranks).tolist() == [np.inf, 100]  # the other one is in the query's language
    assert parse_measure("own_first@20")(ranks).tolist() == [np.inf, 0]  # surely not first, whatever its rank
    assert np.isnan(parse_measure("wrong_own")(ranks)).all()  # as of an older audit


def test_rank_correlation_by_hand() -> None:
    whole = spearman(np.array([0, 1, 2, 3]), np.array([1, 0, 2, 3]), 4)
    assert whole == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert spearman(np.array([0, 1]), np.array([1, 0]), 4) == pytest.approx(3.5 / 4.5)
    assert spearman(np.arange(4), np.arange(4)[::-1], 4) == -1
    assert np.isnan(spearman(np.array([0]), np.array([0]), 1))


@given(st.integers(2, 30), st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_rank_correlation_is_spearmans_with_ties_behind_the_first(total: int, k: int, other_k: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    one, other = generator.permutation(total)[:k], generator.permutation(total)[:other_k]

    def ranks(first: Ints) -> Floats:
        filled = np.full(total, total + 1.0)  # scipy gives what ties the mean of its ranks
        filled[first] = np.arange(len(first))
        return filled

    assert spearman(one, other, total) == pytest.approx(spearmanr(ranks(one), ranks(other)).statistic)


def small() -> Collection:
    """Two contents in English and Chinese, two questions, of which the second is asked in English only."""
    documents = [Document(content, tag, f"{content} {tag}") for content in "ab" for tag in ("en", "zh")]
    queries = [Query("1", "en", "one"), Query("1", "zh", "yi"), Query("2", "en", "two")]
    return Collection("small", documents, queries, {"1": ("a",), "2": ("b",)})


def test_rankings_of_the_same_documents_are_held_against_each_other() -> None:
    collection = small()
    pools = PoolBuilder(collection).build(["multi", "mono-same", "mono-cross"], [("en", "zh")])
    orders = {"en": [0, 1, 2, 3], "zh": [1, 0, 2, 3]}
    rankings = [_ranking(pool, orders[pool.query_language]) for pool in pools]
    found = dict(
        zip(
            ((pool.scenario, pool.languages, pool.query_language) for pool in pools),
            rank_correlations(collection, pools, rankings, 100),
            strict=True,
        )
    )
    both = ("en", "zh")
    rows = [collection.queries[at].query_id for at in next(p for p in pools if p.query_language == "en").queries]
    asked_twice = rows.index("1")
    assert found["multi", both, "en"][asked_twice] == pytest.approx(80)
    assert found["multi", both, "zh"] == pytest.approx([80])
    assert np.isnan(found["multi", both, "en"][1 - asked_twice])
    assert found["mono-cross", ("en",), "zh"] == pytest.approx([-100])  # with the English question in mono-same


def _ranking(pool: Pool, order: list[int]) -> Ranking:
    size = len(pool.documents)
    top = np.tile([at for at in order if at < size], (len(pool.queries), 1))
    return Ranking(
        gold_ranks=np.ones_like(pool.golds),
        gold_tied=np.zeros(pool.golds.shape, dtype=bool),
        top=top,
        top_scores=np.zeros(top.shape, dtype=np.float32),
        above=np.zeros((len(pool.queries), len(pool.languages)), dtype=np.int64),
        ranked=np.full(len(pool.queries), size),
    )


class ByLanguage:
    """Scores by language alone: a document in the question's language is above all others."""

    def scores(self, queries: list[Query], documents: list[Document]) -> Floats:
        """As `Scorer.scores`."""
        return np.array(
            [[float(q.language == d.language) + (d.content_id == "a") / 2 for d in documents] for q in queries]
        )


def test_an_audit_keeps_classes_and_correlations_with_its_ranks(tmp_path: Path) -> None:
    made = audit(ByLanguage(), small(), measures=["classes", "mrc@100", "tlr@2"], scenarios=["multi"], output=tmp_path)
    assert list(made.scenarios[0].measures) == [*CLASSES, "mrc@100", "tlr@2"]
    by_language = {result.query_language: result.measures for result in made.scenarios}
    assert by_language["en"]["right_own"].mean == 50  # the question about b finds a in English
    assert by_language["en"]["wrong_own"].mean == 50
    assert by_language["zh"]["tlr@2"].mean == 0
    assert by_language["en"]["mrc@100"].mean == pytest.approx(by_language["zh"]["mrc@100"].mean)
    read = Audit.load(tmp_path)
    for result in read.scenarios:
        assert result.judged is not None
        for name, interval in result.measures.items():
            assert np.nanmean(parse_measure(name)(result.judged)) == pytest.approx(interval.mean)


def test_what_was_asked_for_is_shown() -> None:
    made = audit(ByLanguage(), small(), measures=["classes", "complete@10", "tlr@2", "max_r"], scenarios=["multi"])
    tables = [*audit_tables(made), *class_tables(made)]
    assert tables[0].columns[-3:] == ("complete@10", "max_r", "tlr@2")
    assert tables[-1].columns == ("pool", "asked in", *CLASS_COLUMNS)
    assert [row[2:] for row in tables[-1].rows if row[1] == "zh"] == [
        ("100.00 [100.00, 100.00]", *["0.00 [0.00, 0.00]"] * 3)
    ]
    assert "| pool | asked in | right, own |" in audit_to_markdown(made)
    assert class_tables(audit(ByLanguage(), small(), measures=["max_r"])) == []


def test_defaults_are_as_before() -> None:
    assert not {*CLASSES, "tlr@20", "mrc@100"} & {*DEFAULT_MEASURES}
    with pytest.raises(IsoglotError, match="tlr@K, lang_ndcg@K, own_first@K, mrc@K"):
        parse_measure("tlr")
