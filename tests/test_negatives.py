"""Hard negatives: a worked example, and what holds of any vectors, contents and languages."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoglot import Collection
from isoglot.alignment.training.negatives import NEAR_DUPLICATE, mine
from isoglot.encoders.sentence_transformer import load_encoder
from isoglot.platform.errors import IsoglotError

QUERY = np.eye(1, 200, dtype=np.float32)


def at_cosines(*cosines: float) -> np.ndarray:
    """Unit vectors with these cosine similarities to `QUERY`, else orthogonal to each other."""
    found = np.eye(len(cosines), 200, k=1) * np.sqrt(1 - np.square(cosines))[:, None]
    return (found + np.array(cosines)[:, None] * QUERY).astype(np.float32)


def of(names: str) -> dict[str, list[str]]:
    """``a-en b-zh`` as the contents and languages of candidates."""
    contents, languages = zip(*(name.split("-") for name in names.split()), strict=True)
    return {"candidate_contents": list(contents), "candidate_languages": list(languages)}


def unit(seed: int, count: int, size: int = 8) -> np.ndarray:
    found = np.random.default_rng(seed).normal(size=(count, size))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def test_the_best_of_each_language_that_scores_low_enough_is_taken() -> None:
    # The gold scores 0.9, so up to 0.855 is allowed: c-en is above it, b-en and d-zh are the best below it.
    names = "a-en a-zh b-en c-en d-en b-zh d-zh"
    candidates = at_cosines(0.9, 0.2, 0.8, 0.86, 0.5, 0.3, 0.4)
    found = mine(QUERY, ["a"], candidates, **of(names), count=4, seed=0)
    assert {*found[0, :2]} == {2, 6}
    assert {*found[0, 2:]} == {4, 5}
    wider = mine(QUERY, ["a"], candidates, **of(names), count=2, seed=0, max_score_share=0.96)
    assert {*wider[0]} == {3, 6}


def test_a_language_without_a_candidate_leaves_its_place_to_the_next() -> None:
    names, candidates = "a-en a-zh b-en c-en", at_cosines(0.9, 0.7, 0.8, 0.1)
    assert mine(QUERY, ["a"], candidates, **of(names), count=2, seed=0).tolist() == [[2, 3]]


def test_if_all_score_too_high_the_lowest_is_taken() -> None:
    names, candidates = "a-en b-en c-zh d-zh", at_cosines(0.4, 0.9, 0.6, 0.7)
    assert mine(QUERY, ["a"], candidates, **of(names), count=2, seed=0).tolist() == [[2, 3]]


def test_a_negative_score_of_the_gold_still_allows_less_than_the_golds() -> None:
    names, candidates = "a-en b-en c-en", at_cosines(-0.5, -0.49, -0.6)
    assert mine(QUERY, ["a"], candidates, **of(names), count=1, seed=0).tolist() == [[2]]


def test_a_copy_of_any_gold_is_never_taken_even_where_the_best_gold_scores_far_higher() -> None:
    candidates = at_cosines(0.9, 0.3, 0.3, 0.3, 0.1)
    candidates[2:4] = candidates[1]
    candidates[3, 10] = 0.02
    assert mine(QUERY, ["a"], candidates, **of("a-en a-zh b-zh c-zh d-zh"), count=1, seed=0).tolist() == [[4]]
    with pytest.raises(IsoglotError, match="content 'a' has 1 candidates of other contents that do not repeat it; 2 "):
        mine(QUERY, ["a"], candidates, **of("a-en a-zh b-zh c-zh d-zh"), count=2, seed=0)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(1, 4), st.sampled_from([0.5, 0.95, 1.0]))
def test_negatives_are_of_other_contents_distinct_no_copies_and_low_enough(
    seed: int, languages: int, count: int, share: float
) -> None:
    generator = np.random.default_rng(seed)
    contents = [f"c{at}" for at in range(6) for _ in range(languages)]
    tags = [f"l{at}" for _ in range(6) for at in range(languages)]
    order = generator.permutation(len(contents))
    contents, tags = [contents[at] for at in order], [tags[at] for at in order]
    candidates, queries = unit(seed, len(contents)), unit(seed + 1, 6)
    candidates[-1] = candidates[0]
    own = [f"c{at}" for at in range(6)]
    found = mine(queries, own, candidates, contents, tags, count=count, seed=seed, max_score_share=share)
    assert found.shape == (6, count)
    scores = queries.astype(float) @ candidates.T
    for query, content in enumerate(own):
        golds = [at for at, name in enumerate(contents) if name == content]
        others = [at for at, name in enumerate(contents) if name != content]
        assert len(set(found[query])) == count
        assert set(found[query]) <= set(others)
        assert (candidates[found[query]] @ candidates[golds].T).max() < NEAR_DUPLICATE
        best = scores[query, golds].max()
        highest = best - (1 - share) * abs(best)
        too_high = [at for at in found[query] if scores[query, at] > highest + 1e-6]
        unused = [at for at in others if at not in found[query] and scores[query, at] < highest - 1e-6]
        assert not too_high or all((candidates[golds] @ candidates[at]).max() >= NEAR_DUPLICATE for at in unused)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 7))
def test_every_language_is_used_equally_often_whatever_its_share_of_the_candidates(
    seed: int, languages: int, count: int
) -> None:
    tags = [f"l{at}" for at in range(languages) for _ in range(8 + 10 * at)]
    contents = ["own"] + [f"c{at}" for at in range(1, len(tags))]
    candidates = at_cosines(0.9, *np.random.default_rng(seed).uniform(-0.9, 0.8, len(tags) - 1))
    queries = np.repeat(QUERY, 13, axis=0)
    found = mine(queries, ["own"] * 13, candidates, contents, tags, count=count, seed=seed)
    uses = Counter(tags[at] for at in found.ravel())
    assert max(uses.values()) - min(uses[f"l{at}"] for at in range(languages)) <= 1


def test_blocks_do_not_change_the_result_and_the_seed_decides_it() -> None:
    contents, tags = [f"c{at // 3}" for at in range(60)], ["en", "de", "zh"] * 20
    arguments: dict[str, Any] = {"candidate_contents": contents, "candidate_languages": tags, "count": 2}
    queries, candidates, own = unit(1, 20), unit(2, 60), contents[::3]
    whole = mine(queries, own, candidates, **arguments, seed=0)
    assert (mine(queries, own, candidates, **arguments, seed=0, block_bytes=1) == whole).all()
    assert (mine(queries, own, candidates, **arguments, seed=1) != whole).any()


def test_candidates_may_be_queries_and_vectors_a_models(
    tiny_model: Path, small_collection: Collection, own_cache: Path
) -> None:
    encoder = load_encoder(str(tiny_model))
    queries = small_collection.queries
    vectors = encoder.encode([query.text for query in queries], "query", [query.language for query in queries])
    contents, tags = [query.query_id for query in queries], [query.language for query in queries]
    found = mine(vectors, contents, vectors, contents, tags, count=3, seed=0, max_score_share=0.99)
    assert all(contents[at] != own for own, row in zip(contents, found, strict=True) for at in row)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": 0}, "0 hard negatives for a query; it must be at least 1"),
        ({"max_score_share": 1.2}, "max score share is 1.2; it must be above 0 and at most 1"),
        ({"candidate_contents": ["a", "a"]}, "hard negatives need at least two contents"),
        ({"candidate_contents": ["b", "c"]}, "content 'a' has no candidate of its own"),
        ({"count": 2}, "content 'a' has 1 candidates of other contents that do not repeat it; 2 are wanted"),
    ],
)
def test_what_cannot_be_mined_is_told(changes: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {**of("a-en b-en"), "count": 1, "seed": 0, **changes}
    with pytest.raises(IsoglotError, match=message):
        mine(QUERY, ["a"], at_cosines(0.9, 0.1), **arguments)
