"""Audit an index that you have, mend it, search it with its own client, and undo the mend.

The documents are encoded by sentence-transformers and lie in Qdrant's local mode, or in a table of pgvector. Nothing in
the index was made by isoglot. Questions in one language are asked, and the rank of the English document that answers
each is compared before and after the mend.

Install:  pip install 'isoglot[qdrant]'                  # or 'isoglot[pgvector]'
Run:      python examples/your_index.py mini@demo        # under a minute; --postgres ADDRESS for pgvector
Prints:   what isoglot audit, mend and mend --undo print, and the ranks
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np


class Qdrant:
    """A collection in Qdrant's local mode, and the one that `isoglot mend` makes beside it."""

    before, after = "docs", "docs_mended"

    def __init__(self, folder: Path, documents: list[dict[str, str]], vectors: np.ndarray) -> None:
        from qdrant_client import QdrantClient, models

        self.folder, self.count, self.target = folder, len(documents), f"qdrant:{folder}/docs"
        client = QdrantClient(path=str(folder))
        config = models.VectorParams(size=vectors.shape[1], distance=models.Distance.COSINE)
        client.create_collection("docs", vectors_config=config)
        points = [
            models.PointStruct(id=number, vector=vector.tolist(), payload=document)
            for number, (document, vector) in enumerate(zip(documents, vectors, strict=True))
        ]
        client.upload_points("docs", points)
        client.close()

    def search(self, collection: str, queries: np.ndarray) -> list[list[int]]:
        """Return the numbers of all documents, best first, for each of (q, d) vectors."""
        from qdrant_client import QdrantClient

        client = QdrantClient(path=str(self.folder))
        answers = [client.query_points(collection, query.tolist(), limit=self.count).points for query in queries]
        client.close()  # the local mode lets one process in at a time, and `isoglot mend` is another
        return [[int(point.id) for point in points] for points in answers]


class Pgvector:
    """A table of PostgreSQL with a column of vectors, and the one that `isoglot mend` adds to it."""

    before, after = "embedding", "embedding_mended"

    def __init__(self, address: str, documents: list[dict[str, str]], vectors: np.ndarray) -> None:
        import psycopg

        place, mark, settings = address.partition("?")
        self.address, self.target = address, f"pgvector:{place}/docs{mark}{settings}"
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            connection.execute("DROP TABLE IF EXISTS docs")
            column = f"embedding vector({vectors.shape[1]})"
            connection.execute(f"CREATE TABLE docs (id int PRIMARY KEY, lang text, content text, {column})")
            with connection.cursor().copy("COPY docs FROM STDIN") as copy:
                for number, (document, vector) in enumerate(zip(documents, vectors, strict=True)):
                    copy.write_row((number, document["lang"], document["content"], str(vector.tolist())))

    def search(self, column: str, queries: np.ndarray) -> list[list[int]]:
        """Return the numbers of all documents, best first, for each of (q, d) vectors."""
        import psycopg

        statement = f"SELECT id FROM docs ORDER BY {column} <=> %s::vector"
        with psycopg.connect(self.address) as connection:
            answers = [connection.execute(statement, [str(query.tolist())]).fetchall() for query in queries]
        return [[int(row[0]) for row in rows] for rows in answers]


def isoglot(*arguments: str) -> None:
    """Run a command and show it."""
    print("\n$ isoglot", *arguments, flush=True)
    subprocess.run([sys.executable, "-m", "isoglot", *arguments], check=True)


def change_of(transform: Path) -> Any:
    """Return the function `change(vector, role, language)` that stands in a transform's README.md and needs numpy only.

    In your search, paste those lines. Here they are run from the file.
    """
    code = (transform / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    for name in ("transform.safetensors", "transform.json"):
        code = code.replace(f'"{name}"', repr(str(transform / name)))
    names: dict[str, Any] = {}
    exec(code, names)
    return names["change"]


def encode(model: str, source: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return (n, d) vectors of the documents and (m, d) vectors of the questions, by sentence-transformers alone."""
    from sentence_transformers import SentenceTransformer

    loaded = SentenceTransformer(model)
    documents = loaded.encode_document([document.text for document in source.documents])
    return documents, loaded.encode_query([query.text for query in source.queries])


def main() -> None:
    """Print the ranks of the English documents that answer the questions, before and after a mend."""
    from isoglot import load_collection, model_path

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", help="a source of isoglot, such as mini@demo")
    parser.add_argument("--ask", default="zh", help="language of the questions")
    parser.add_argument("--model", default=str(model_path("e5-small-q4")))
    parser.add_argument("--vectors", help="a .npz with arrays documents and queries, in place of the model")
    parser.add_argument("--postgres", help="postgresql://HOST/DATABASE, in place of Qdrant's local mode")
    options = parser.parse_args()

    source = load_collection(options.source)
    if options.vectors:
        arrays = np.load(options.vectors)
        document_vectors, query_vectors = arrays["documents"], arrays["queries"]
    else:
        document_vectors, query_vectors = encode(options.model, source)
    documents = [{"lang": document.language, "content": document.content_id} for document in source.documents]
    english = {d.content_id: number for number, d in enumerate(source.documents) if d.language == "en"}
    asked = [number for number, query in enumerate(source.queries) if query.language == options.ask]
    answers = [english[source.golds[source.queries[number].query_id][0]] for number in asked]

    folder = Path(tempfile.mkdtemp())
    store: Qdrant | Pgvector = (
        Pgvector(options.postgres, documents, document_vectors)
        if options.postgres
        else Qdrant(folder / "qdrant", documents, document_vectors)
    )

    def ranks(vectors: str, queries: np.ndarray) -> np.ndarray:
        orders = store.search(vectors, queries)
        return np.array([order.index(answer) + 1 for order, answer in zip(orders, answers, strict=True)])

    old = ranks(store.before, query_vectors[asked])
    isoglot("audit", store.target, "--language-field", "lang")
    isoglot("mend", store.target, "--language-field", "lang", "-o", str(folder / "transform"))
    change = change_of(folder / "transform")
    new = ranks(store.after, np.array([change(vector, "query", options.ask) for vector in query_vectors[asked]]))

    print(f"\nrank of the English answer to {len(asked)} questions in {options.ask}, among {len(documents)} documents:")
    print(f"median {np.median(old):.0f}, then {np.median(new):.0f}")
    print(f"in the top 3 {(old <= 3).sum()}, then {(new <= 3).sum()}")
    for number in sorted(np.flatnonzero(new <= 3), key=lambda number: -old[number])[:3]:
        print(f"{old[number]}, then {new[number]}: {source.queries[asked[number]].text}")

    isoglot("mend", store.target, "--language-field", "lang", "--undo")
    print("as before:", bool((ranks(store.before, query_vectors[asked]) == old).all()))


if __name__ == "__main__":
    main()
