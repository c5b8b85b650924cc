"""An index that somebody has, without isoglot in it: audited, mended, searched by its own client, and undone.

    python examples/your_index.py mini@demo

The vectors are made by sentence-transformers and lie in Qdrant's local mode, or with --postgres in a table of pgvector.
A question's gold is the document in English that answers it; the question is asked in another language.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Search = Callable[[str, np.ndarray], list[list[int]]]
"""Takes the name of a collection or column and (q, d) vectors; for each the numbers of all documents, best first."""


def fill_qdrant(folder: Path, documents: list[dict[str, str]], vectors: np.ndarray) -> tuple[str, Search]:
    """Make a collection; return its name for isoglot, and its own search."""
    from qdrant_client import QdrantClient, models

    client = QdrantClient(path=str(folder))
    config = models.VectorParams(size=vectors.shape[1], distance=models.Distance.COSINE)
    client.create_collection("docs", vectors_config=config)
    points = [
        models.PointStruct(id=at, vector=vector.tolist(), payload=payload)
        for at, (payload, vector) in enumerate(zip(documents, vectors, strict=True))
    ]
    client.upload_points("docs", points)
    client.close()

    def search(collection: str, vectors: np.ndarray) -> list[list[int]]:
        opened = QdrantClient(path=str(folder))
        answers = [
            opened.query_points(collection, vector.tolist(), limit=len(documents), with_payload=False)
            for vector in vectors
        ]
        opened.close()
        return [[int(point.id) for point in answer.points] for answer in answers]

    return f"qdrant:{folder}/docs", search


def fill_pgvector(address: str, documents: list[dict[str, str]], vectors: np.ndarray) -> tuple[str, Search]:
    """Make a table; return its name for isoglot, and its own search."""
    import psycopg

    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        connection.execute("DROP TABLE IF EXISTS docs")
        connection.execute(
            f"CREATE TABLE docs (id int PRIMARY KEY, lang text, content text, embedding vector({vectors.shape[1]}))"
        )
        with connection.cursor().copy("COPY docs FROM STDIN") as copy:
            for at, (payload, vector) in enumerate(zip(documents, vectors, strict=True)):
                copy.write_row((at, payload["lang"], payload["content"], str(vector.tolist())))

    def search(column: str, vectors: np.ndarray) -> list[list[int]]:
        statement = f"SELECT id FROM docs ORDER BY {column} <=> %s::vector"
        with psycopg.connect(address) as connection:
            answers = [connection.execute(statement, [str(vector.tolist())]).fetchall() for vector in vectors]
        return [[int(row[0]) for row in rows] for rows in answers]

    place, mark, settings = address.partition("?")
    return f"pgvector:{place}/docs{mark}{settings}", search


def lines_of_readme(transform: Path) -> Callable[..., np.ndarray]:
    """The function `change` out of the Python lines in a transform's README.md, which have no isoglot in them."""
    code = (transform / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    for name in ("transform.safetensors", "transform.json"):
        code = code.replace(f'"{name}"', repr(str(transform / name)))
    names: dict[str, Any] = {}
    exec(code, names)
    return names["change"]  # type: ignore[no-any-return]


def isoglot(*arguments: str) -> None:
    """Run a command, and show it."""
    print("\n$ isoglot", *arguments, flush=True)
    subprocess.run([sys.executable, "-m", "isoglot", *arguments], check=True)


def encoded(model: str, source: Any) -> tuple[np.ndarray, np.ndarray]:
    """The vectors of documents and questions, by sentence-transformers alone."""
    from sentence_transformers import SentenceTransformer

    loaded = SentenceTransformer(model)
    documents = loaded.encode_document([document.text for document in source.documents])
    return documents, loaded.encode_query([query.text for query in source.queries])


def main() -> None:
    """Show the ranks of the English gold documents, before and after a mend."""
    from isoglot import load_collection, model_path

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", help="a source of isoglot's, for its texts and golds")
    parser.add_argument("--ask", default="zh", help="language of the questions")
    parser.add_argument("--model", default=str(model_path("e5-small-q4")))
    parser.add_argument("--vectors", help="a .npz with documents and queries of the whole source, made before")
    parser.add_argument("--postgres", help="postgresql://HOST/DATABASE; Qdrant's local mode if not named")
    given = parser.parse_args()

    source = load_collection(given.source)
    if given.vectors:
        kept = np.load(given.vectors)
        document_vectors, query_vectors = kept["documents"], kept["queries"]
    else:
        document_vectors, query_vectors = encoded(given.model, source)
    documents = [{"lang": document.language, "content": document.content_id} for document in source.documents]
    golds = {d.content_id: at for at, d in enumerate(source.documents) if d.language == "en"}
    asked = [at for at, query in enumerate(source.queries) if query.language == given.ask]

    folder = Path(tempfile.mkdtemp())
    if given.postgres:
        named, search = fill_pgvector(given.postgres, documents, document_vectors)
    else:
        named, search = fill_qdrant(folder / "qdrant", documents, document_vectors)
    before, after = ("embedding", "embedding_mended") if given.postgres else ("docs", "docs_mended")

    def ranks(target: str, vectors: np.ndarray) -> np.ndarray:
        answers = zip(asked, search(target, vectors), strict=True)
        return np.array([order.index(golds[source.golds[source.queries[at].query_id][0]]) + 1 for at, order in answers])

    transform = folder / "transform"
    isoglot("audit", named, "--language-field", "lang")
    isoglot("mend", named, "--language-field", "lang", "-o", str(transform))
    change = lines_of_readme(transform)
    old = ranks(before, query_vectors[asked])
    new = ranks(after, np.array([change(vector, "query", given.ask) for vector in query_vectors[asked]]))
    print(f"\nrank of the English gold of {len(asked)} questions in {given.ask}, among {len(documents)} documents:")
    print(f"median {np.median(old):.0f}, then {np.median(new):.0f}")
    print(f"in the top 3 {(old <= 3).sum()}, then {(new <= 3).sum()}")
    for at in sorted(np.flatnonzero(new <= 3), key=lambda place: -old[place])[:3]:
        print(f"{old[at]}, then {new[at]}: {source.queries[asked[at]].text}")
    isoglot("mend", named, "--language-field", "lang", "--undo")
    print("as before:", bool((ranks(before, query_vectors[asked]) == old).all()))


if __name__ == "__main__":
    main()
