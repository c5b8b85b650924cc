"""A query that is itself a document of the corpus does not find itself, whatever ranks it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import isoglot
from isoglot import load_collection
from isoglot.ranking.exact import rank, rank_scores
from isoglot.ranking.parts import RankingTask
from isoglot.ranking.pools import PoolBuilder
from isoglot.retrievers.shards import rank_shards
from tests import command_line


def unit(count: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, 8)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("balance", ["none", "equal", "scaled(k=3, weight=1)"])
def test_ranks_are_those_of_a_pool_without_the_document(balance: str) -> None:
    documents, languages = unit(40, 0), np.repeat([0, 1], 20)
    ignored, golds = np.array([3, 25, -1, 39]), np.array([[0, 22], [1, -1], [2, 21], [19, 20]])
    queries = np.concatenate([documents[[3, 25]], unit(1, 2), documents[[39]]])
    options = {"balance": balance, "top_k": 5}
    whole = rank(queries, documents, golds, languages=languages, ignored=ignored, **options)  # type: ignore[arg-type]
    by_scores = rank_scores(
        lambda start, end: queries[start:end] @ documents.T,
        golds,
        languages=languages,
        tie_keys=np.arange(40),
        ignored=ignored,
        **options,
    )  # type: ignore[arg-type]
    for query, itself in enumerate(ignored):
        kept = np.flatnonzero(np.arange(40) != itself)
        places = np.where(golds[query] >= 0, np.searchsorted(kept, golds[query]), -1)
        alone = rank(
            queries[[query]], documents[kept], places[None], languages=languages[kept], tie_keys=kept, **options
        )  # type: ignore[arg-type]
        for found in (whole, by_scores):
            assert found.gold_ranks[query].tolist() == alone.gold_ranks[0].tolist()
            assert found.above[query].tolist() == alone.above[0].tolist()
            assert found.top[query].tolist() == kept[alone.top[0]].tolist()
            assert np.allclose(found.top_scores[query], alone.top_scores[0], atol=1e-6)


def test_a_document_that_is_ignored_is_at_no_place_of_a_list_that_holds_all_others() -> None:
    documents = unit(4, 0)
    found = rank(documents[:1], documents, np.array([[1]]), ignored=np.array([0]), top_k=4)
    assert sorted(found.top[0, :3]) == [1, 2, 3]
    assert found.top[0, 3] == -1


def test_parts_of_a_pool_ignore_it_where_it_is(tmp_path: Path) -> None:
    documents, golds, ignored = unit(30, 0), np.array([[4, 20]]), np.array([17])
    whole = rank(documents[[17]], documents, golds, ignored=ignored, top_k=30)

    def over(work, shards, arguments):  # type: ignore[no-untyped-def]
        return [work(documents[rows], positions, *arguments) for _, rows, positions in shards]

    rows = [np.arange(0, 30, 2), np.arange(1, 30, 2)]
    shards = [(tmp_path, positions, positions) for positions in rows]
    joined = rank_shards(documents[[17]], shards, RankingTask(golds, 30, top_k=30, ignored=ignored), over)
    assert joined.gold_ranks.tolist() == whole.gold_ranks.tolist()
    assert joined.top.tolist() == whole.top.tolist()


def folder(path: Path) -> str:
    """q-a is document a, whose counter-argument is b; the id c of a query is a coincidence, as it is its gold."""
    corpus = [{"_id": name, "text": f"{name} snow road {number}", "lang": "en"} for number, name in enumerate("abc")]
    queries = [{"_id": "a", "text": "a snow road 0", "lang": "en"}, {"_id": "c", "text": "c snow", "lang": "en"}]
    (path / "qrels").mkdir(parents=True)
    for name, rows in (("corpus", corpus), ("queries", queries)):
        (path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (path / "qrels" / "test.tsv").write_text("a\tb\t1\nc\tc\t1\n")
    return f"folder:{path}"


def test_a_query_with_the_id_of_a_document_does_not_find_it_unless_it_is_relevant(tmp_path: Path) -> None:
    spec = folder(tmp_path / "data")
    found = load_collection(spec)
    assert found.identical == {("a", "en"): ("a", "en")}
    assert found.notes == ("1 queries have the id of a document, which they do not find (--find-identical)",)
    both = load_collection(spec, find_identical=True)
    assert (both.identical, both.notes) == ({}, ())
    assert both.fingerprint != found.fingerprint
    (pool,) = PoolBuilder(found).build(["mono-same"])
    assert pool.ignored is not None
    ids = [found.queries[at].query_id for at in pool.queries]
    ignored = [found.documents[pool.documents[at]].content_id if at >= 0 else None for at in pool.ignored]
    assert dict(zip(ids, ignored, strict=True)) == {"a": "a", "c": None}
    for collection, worst in ((found, {"a": 1, "c": 1}), (both, {"a": 2, "c": 1})):
        (result,) = isoglot.audit("bm25", collection, scenarios=["mono-same"]).scenarios
        assert result.judged is not None
        assert dict(zip(result.query_ids, result.judged.ranks[:, 0].tolist(), strict=True)) == worst


def test_a_run_is_read_without_it_too(tmp_path: Path) -> None:
    spec = folder(tmp_path / "data")
    (tmp_path / "x.run").write_text(
        "a Q0 a 1 3 x\na Q0 b 2 2 x\na Q0 c 3 1 x\nc Q0 c 1 3 x\nc Q0 a 2 2 x\nc Q0 b 3 1 x\n"
    )
    table = tmp_path / "data" / "corpus.jsonl"
    arguments = ["audit", "--run", tmp_path / "x.run", "--data", spec, "--documents-table", table]
    means = []
    for option in ([], ["--find-identical"]):
        done = command_line.isoglot(*arguments, *option, "--scenarios", "mono-same", "--json")
        assert done.returncode == 0, done.stderr
        (result,) = json.loads(done.stdout)["scenarios"]
        assert result.get("cut") is None
        means.append(result["measures"]["max_r"]["mean"])
    assert means == [1, 1.5]
