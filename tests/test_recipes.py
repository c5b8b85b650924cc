"""The recipes of docs/how-to/scaled-search.md rank as isoglot does, in the engines themselves."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import faiss
import lancedb
import numpy as np
import pytest
from qdrant_client import QdrantClient, models

from isoglot.ranking.balance import SCALED_K, SCALED_WEIGHT
from isoglot.ranking.exact import rank
from tests.elastic_server import Engine
from tests.postgres import postgres

ROOT = Path(__file__).parents[1]
RECIPES = sorted((ROOT / "examples" / "recipes").glob("*.py"))
SIZES = {"de": 60, "en": 200, "sw": 3, "th": 12, "zh": 40}
OPTIONS = [(10, SCALED_K, SCALED_WEIGHT), (4, 7, 0.25), (10, 2, 1.0)]
Found = list[tuple[float, Any]]
Search = Callable[..., Found]


class Corpus(NamedTuple):
    """Unit vectors (n, d), grouped by language, one of them with fewer documents than k; and queries (q, d)."""

    vectors: np.ndarray
    languages: np.ndarray
    queries: np.ndarray

    @property
    def positions(self) -> dict[str, np.ndarray]:
        """Language -> positions of its documents."""
        return {language: np.flatnonzero(self.languages == language) for language in self.means}

    @property
    def means(self) -> dict[str, np.ndarray]:
        """Language -> mean vector of its documents."""
        vectors, languages = self.vectors, self.languages
        return {language: vectors[languages == language].mean(axis=0) for language in set(languages.tolist())}


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    generator = np.random.default_rng(0)
    languages = np.repeat(list(SIZES), list(SIZES.values()))
    offsets = {tag: generator.normal(size=32) for tag in SIZES}
    vectors = np.array([offsets[tag] for tag in languages]) + generator.normal(size=(len(languages), 32))
    queries = np.array([offsets[tag] for tag in SIZES]) + generator.normal(size=(len(SIZES), 32))
    vectors, queries = (made / np.linalg.norm(made, axis=1, keepdims=True) for made in (vectors, queries))
    return Corpus(vectors.astype(np.float32), languages, queries.astype(np.float32))


def check(corpus: Corpus, search: Search) -> None:
    """Compare a recipe's first results with isoglot's exact ranking, for each query and with several options."""
    numbers = np.array([list(SIZES).index(tag) for tag in corpus.languages])
    golds = np.zeros((len(corpus.queries), 1), dtype=np.int64)
    for limit, k, weight in OPTIONS:
        balance = f"scaled(k={k}, weight={weight})"
        exact = rank(corpus.queries, corpus.vectors, golds, languages=numbers, balance=balance, top_k=limit)
        for query, top, top_scores in zip(corpus.queries, exact.top, exact.top_scores, strict=True):
            found = search(query, limit=limit, k=k, weight=weight)
            assert [int(identity) for _, identity in found] == top.tolist()
            np.testing.assert_allclose([score for score, _ in found], top_scores, atol=1e-5)
    assert search(corpus.queries[0]) == search(corpus.queries[0], limit=10, k=SCALED_K, weight=SCALED_WEIGHT)


def recipe(engine: str) -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "examples" / "recipes" / f"with_{engine}.py"))


def test_qdrant_ranks_as_isoglot(corpus: Corpus) -> None:
    client = QdrantClient(":memory:")
    vectors_config = models.VectorParams(size=32, distance=models.Distance.COSINE)
    client.create_collection("passages", vectors_config=vectors_config)
    client.upsert(
        "passages",
        [
            models.PointStruct(id=number, vector=vector.tolist(), payload={"language": str(tag)})
            for number, (vector, tag) in enumerate(zip(corpus.vectors, corpus.languages, strict=True))
        ],
    )
    search = recipe("qdrant")["scaled_search"]
    check(corpus, lambda query, **options: search(client, "passages", query, corpus.means, **options))


def test_faiss_ranks_as_isoglot(corpus: Corpus) -> None:
    index = faiss.IndexFlatIP(32)
    index.add(corpus.vectors)
    search = recipe("faiss")["scaled_search"]
    check(corpus, lambda query, **options: search(index, query, corpus.positions, corpus.means, **options))


def test_lancedb_ranks_as_isoglot(corpus: Corpus, tmp_path: Path) -> None:
    rows = [
        {"id": str(number), "language": str(tag), "vector": vector.tolist()}
        for number, (tag, vector) in enumerate(zip(corpus.languages, corpus.vectors, strict=True))
    ]
    table = lancedb.connect(tmp_path).create_table("passages", rows)
    search = recipe("lancedb")["scaled_search"]
    check(corpus, lambda query, **options: search(table, query, corpus.means, **options))


@pytest.fixture(scope="module")
def connection(corpus: Corpus) -> Iterator[Any]:
    psycopg = pytest.importorskip("psycopg", reason="psycopg is not here: pip install '.[dev]'")
    with postgres() as server, psycopg.connect(server.address, autocommit=True) as connected:
        connected.execute("CREATE EXTENSION vector")
        connected.execute("CREATE TABLE passages (id text PRIMARY KEY, language text, embedding vector(32))")
        with connected.cursor().copy("COPY passages FROM STDIN") as copy:
            for number, (tag, vector) in enumerate(zip(corpus.languages, corpus.vectors, strict=True)):
                copy.write_row((str(number), str(tag), str(vector.tolist())))
        connected.execute(recipe("pgvector")["MEANS"])
        yield connected


@pytest.mark.process
def test_pgvector_ranks_as_isoglot(corpus: Corpus, connection: Any) -> None:
    search = recipe("pgvector")["scaled_search"]
    check(corpus, lambda query, **options: search(connection, query, **options))


@pytest.mark.process
def test_pgvector_finds_rare_languages_by_an_index_that_is_scanned_on(corpus: Corpus, connection: Any) -> None:
    """Without the iterative scan an index gives 40 neighbours of any language, of which few are left in each."""
    search = recipe("pgvector")["scaled_search"]
    with connection.transaction(force_rollback=True):
        connection.execute("CREATE INDEX ON passages USING hnsw (embedding vector_cosine_ops)")
        connection.execute("SET LOCAL enable_seqscan = off")
        languages = {}
        for setting in ("off", "relaxed_order"):
            connection.execute(f"SET LOCAL hnsw.iterative_scan = {setting}")
            found = search(connection, corpus.queries[0], limit=len(corpus.languages))
            languages[setting] = {str(corpus.languages[int(number)]) for _, number in found}
        assert languages == {"off": {"de"}, "relaxed_order": set(SIZES)}


@pytest.mark.parametrize("engine", ["elasticsearch", "opensearch"])
def test_elasticsearch_and_opensearch_get_the_body_that_they_document(corpus: Corpus, engine: str) -> None:
    documents = {
        str(number): {"language": str(tag), "embedding": vector.tolist()}
        for number, (tag, vector) in enumerate(zip(corpus.languages, corpus.vectors, strict=True))
    }
    server = Engine(engine, indexes={"passages": {"documents": documents}})
    module = recipe("elasticsearch")
    search, body = module["scaled_search"], module[f"{engine}_body"]

    def post(asked: dict[str, Any]) -> Any:
        return server.answer("POST", "/passages/_search", {}, json.dumps(asked))

    check(corpus, lambda query, **options: search(post, body, query, corpus.means, **options))


def test_the_page_shows_each_recipe() -> None:
    page = (ROOT / "docs" / "how-to" / "scaled-search.md").read_text(encoding="utf-8")
    for path in RECIPES:
        assert f"--8<--\n    examples/recipes/{path.name}\n" in page
