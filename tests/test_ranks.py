"""Exact ranks against a plain sort, ties, blocks, shuffles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoglot import IsoglotError
from isoglot.ranking.balance import BALANCES
from isoglot.ranking.exact import rank
from isoglot.ranking.result import Ranking


def problem(seed: int, queries: int = 7, documents: int = 40, duplicates: int = 0) -> tuple[np.ndarray, ...]:
    """Random unit vectors, two golds a query, two languages; the last `duplicates` documents copy the first ones."""
    generator = np.random.default_rng(seed)
    vectors = generator.normal(size=(queries + documents, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pool = vectors[queries:]
    if duplicates:
        pool[-duplicates:] = pool[:duplicates]
    golds = np.array([generator.choice(documents, 2, replace=False) for _ in range(queries)])
    languages = (np.arange(documents) >= documents // 2).astype(np.int64)
    return vectors[:queries], pool, golds, languages, generator.permutation(documents)


def reference(queries: np.ndarray, pool: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """(q, n) the documents in order: float64 scores of distinct vectors, then tie keys."""
    distinct, copies = np.unique(pool, axis=0, return_inverse=True)
    scores = (queries.astype(np.float64) @ distinct.T.astype(np.float64))[:, copies.ravel()]
    return np.array([np.lexsort((keys, -row)) for row in scores])


@pytest.mark.parametrize("duplicates", [0, 5])
@pytest.mark.parametrize("block_bytes", [2**27, 4 * 64 * 7, 4 * 64])
def test_ranks_and_top_agree_with_a_plain_sort(duplicates: int, block_bytes: int) -> None:
    queries, pool, golds, languages, keys = problem(1, duplicates=duplicates)
    found = rank(queries, pool, golds, languages=languages, tie_keys=keys, top_k=12, block_bytes=block_bytes)
    order = reference(queries, pool, keys)
    places = np.argsort(order, axis=1)
    assert (found.gold_ranks == np.take_along_axis(places, golds, axis=1) + 1).all()
    assert (found.top == order[:, :12]).all()
    assert (np.diff(found.top_scores, axis=1) <= 0).all()
    for row, worst in enumerate(found.gold_ranks.max(axis=1)):
        above = [at for at in order[row, : worst - 1] if at not in golds[row]]
        assert found.above[row].tolist() == np.bincount(languages[above], minlength=2).tolist()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_shuffling_the_documents_of_a_language_changes_nothing(seed: int, shuffle: int) -> None:
    queries, pool, golds, languages, keys = problem(seed, duplicates=4)
    generator = np.random.default_rng(shuffle)
    half = len(pool) // 2
    order = np.concatenate([generator.permutation(half), half + generator.permutation(half)])
    place = np.argsort(order)
    one = rank(queries, pool, golds, languages=languages, tie_keys=keys)
    two = rank(queries, pool[order], place[golds], languages=languages, tie_keys=keys[order])
    assert (one.gold_ranks == two.gold_ranks).all()
    assert (one.above == two.above).all()
    assert (one.top == order[two.top]).all()


def test_identical_vectors_tie_wherever_they_stand_and_the_key_decides() -> None:
    queries, pool, _, _, _ = problem(3, documents=2000)
    copies = np.array([0, 700, 1300, 1999])
    pool[copies] = pool[0]
    keys = np.arange(2000)
    keys[copies] = [1300, 0, 1999, 700]
    found = rank(queries, pool, np.tile(copies, (len(queries), 1)), tie_keys=keys)
    assert found.gold_tied.all()
    assert (found.gold_ranks - found.gold_ranks.min(axis=1, keepdims=True) == [2, 0, 3, 1]).all()


@pytest.mark.parametrize("block_bytes", [256 * 7, 256 * 50, 256 * 97, 256 * 200])
@pytest.mark.parametrize(("seed", "dimension", "count"), [(3, 384, 17), (4, 33, 1), (4, 384, 17)])
def test_identical_vectors_tie_though_they_stand_in_different_blocks(
    block_bytes: int, seed: int, dimension: int, count: int
) -> None:
    generator = np.random.default_rng(seed)
    pool = generator.normal(size=(503, dimension)).astype(np.float32)
    pool /= np.linalg.norm(pool, axis=1, keepdims=True)
    copies = np.sort(generator.choice(503, 20, replace=False))
    pool[copies] = pool[copies[0]]
    queries = generator.normal(size=(count, dimension)).astype(np.float32)
    found = rank(queries, pool, np.tile(copies, (count, 1)), block_bytes=block_bytes)
    assert found.gold_tied.all()
    assert (found.gold_ranks - found.gold_ranks.min(axis=1, keepdims=True) == np.arange(20)).all()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(4, 4096), st.sampled_from(BALANCES), st.integers(0, 60))
def test_a_ranking_depends_on_the_vectors_alone_not_on_the_blocks(
    seed: int, block_bytes: int, balance: str, k: int
) -> None:
    queries, pool, golds, languages, keys = problem(seed, duplicates=6)
    pool[6:20] = pool[20:34] + np.float32(6e-8)  # so near that a product in float32 may order them either way
    options = {"languages": languages, "tie_keys": keys, "balance": balance, "top_k": k}
    one = rank(queries, pool, golds, **options)
    two = rank(queries, pool, golds, **options, block_bytes=block_bytes)
    for name in Ranking.__dataclass_fields__:
        assert np.array_equal(getattr(one, name), getattr(two, name)), name


def test_scores_that_float32_cannot_tell_apart_are_compared_exactly() -> None:
    generator = np.random.default_rng(0)
    pool = np.repeat(generator.normal(size=(1, 384)), 3000, axis=0).astype(np.float32)
    pool[:, 0] += np.arange(3000, dtype=np.float32) * np.float32(2e-7)
    queries = np.abs(generator.normal(size=(3, 384))).astype(np.float32)
    golds = np.array([[2999], [1500], [0]])
    found = rank(queries, pool, golds, top_k=5)
    exact = queries.astype(np.float64) @ pool.T.astype(np.float64)
    assert len(np.unique(queries @ pool.T)) < len(np.unique(exact)) / 2
    above = (exact > np.take_along_axis(exact, golds, axis=1)).sum(axis=1)
    tied = (exact == np.take_along_axis(exact, golds, axis=1)) & (np.arange(3000) < golds)
    assert found.gold_ranks[:, 0].tolist() == (1 + above + tied.sum(axis=1)).tolist()
    assert found.top.tolist() == [np.lexsort((np.arange(3000), -row))[:5].tolist() for row in exact]


@pytest.mark.parametrize("k", [0, 7])
def test_many_identical_vectors_are_ordered_by_their_keys(k: int) -> None:
    queries, pool, _, languages, keys = problem(2, documents=9000)
    pool[:] = pool[0]
    golds = np.tile(np.argsort(keys)[[4, 8000]], (len(queries), 1))
    found = rank(queries, pool, golds, languages=languages, tie_keys=keys, top_k=k)
    assert (found.gold_ranks == [5, 8001]).all()
    assert (found.top == np.argsort(keys)[:k]).all()
    assert found.gold_tied.all()


def test_half_precision_vectors_in_a_file_rank_as_the_same_numbers_in_memory(tmp_path: Path) -> None:
    queries, pool, golds, languages, keys = problem(9, documents=5000)
    halves = np.memmap(tmp_path / "vectors", np.float16, "w+", shape=pool.shape)
    halves[:] = pool
    one = rank(queries, halves, golds, languages=languages, tie_keys=keys, top_k=30)
    two = rank(queries, halves.astype(np.float32), golds, languages=languages, tie_keys=keys, top_k=30)
    for name in Ranking.__dataclass_fields__:
        assert np.array_equal(getattr(one, name), getattr(two, name)), name


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 14), st.integers(1, 45))
def test_no_block_size_and_no_tie_at_the_cut_changes_a_result(seed: int, documents: int, width: int, k: int) -> None:
    """Small whole numbers: every product is exact, and different vectors tie as well."""
    generator = np.random.default_rng(seed)
    queries = generator.integers(-1, 2, (5, 3)).astype(np.float32)
    pool = generator.integers(-1, 2, (documents, 3)).astype(np.float32)
    golds = np.full((5, 3), -1)
    for row in golds:
        found = generator.choice(documents, generator.integers(1, min(3, documents) + 1), replace=False)
        row[: len(found)] = found
    languages, keys = np.sort(generator.integers(0, 3, documents)), generator.permutation(documents)
    one = rank(queries, pool, golds, languages=languages, tie_keys=keys, top_k=k)
    two = rank(queries, pool, golds, languages=languages, tie_keys=keys, top_k=k, block_bytes=4 * 64 * width)
    order = np.array([np.lexsort((keys, -row)) for row in queries @ pool.T])
    assert (one.top == order[:, :k]).all()
    places = np.where(golds >= 0, np.take_along_axis(np.argsort(order, axis=1), golds, axis=1) + 1, 0)
    assert (one.gold_ranks == places).all()
    assert (one.above.sum(axis=1) == places.max(axis=1) - np.count_nonzero(places, axis=1)).all()
    for name in Ranking.__dataclass_fields__:
        assert np.array_equal(getattr(one, name), getattr(two, name)), name


def test_a_missing_further_gold_has_rank_zero_and_is_not_tied() -> None:
    queries, pool, golds, languages, keys = problem(4)
    golds[2, 1] = -1
    found = rank(queries, pool, golds, languages=languages, tie_keys=keys)
    assert found.gold_ranks[2, 1] == 0
    assert not found.gold_tied[2, 1]
    assert found.above[2].sum() == found.gold_ranks[2, 0] - 1


@given(st.integers(0, 1000), st.integers(0, 8))
def test_golds_have_distinct_ranks_and_the_rest_above_the_worst_is_not_gold(seed: int, duplicates: int) -> None:
    queries, pool, golds, languages, keys = problem(seed, duplicates=duplicates)
    found: Ranking = rank(queries, pool, golds, languages=languages, tie_keys=keys)
    assert (found.gold_ranks[:, 0] != found.gold_ranks[:, 1]).all()
    assert (found.above.sum(axis=1) == found.gold_ranks.max(axis=1) - 2).all()


def test_top_k_beyond_the_pool_is_the_whole_pool() -> None:
    queries, pool, golds, _, keys = problem(5, documents=6)
    assert rank(queries, pool, golds, tie_keys=keys, top_k=50).top.shape == (7, 6)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("what", ["query", "document"])
def test_a_vector_that_is_not_finite_is_told_in_one_line(what: str, value: float) -> None:
    queries, pool, golds, _, _ = problem(6)
    (queries if what == "query" else pool)[3, 2] = value
    with pytest.raises(IsoglotError, match=f"1 {what} vectors that are not finite") as told:
        rank(queries, pool, golds)
    assert "\n" not in str(told.value)


def test_an_empty_pool_is_told() -> None:
    queries, pool, golds, _, _ = problem(7)
    with pytest.raises(IsoglotError, match="the pool is empty") as told:
        rank(queries, pool[:0], golds)
    assert "\n" not in str(told.value)


def test_documents_that_are_not_grouped_by_language_are_refused() -> None:
    queries, pool, golds, languages, _ = problem(8)
    with pytest.raises(ValueError, match="grouped"):
        rank(queries, pool, golds, languages=languages[::-1].copy())
