"""An index as something that can be audited: its passages, its stored vectors, and questions.

The user's own questions, if there are any. Else each probe asks for a passage by its title or by one of its own
sentences (self-retrieval); where the passage has translations, they ask and are to be found too. Such questions share
the words of what they ask for, so they are easier than people's: a proxy, and the collection's notes say so.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from isoglot.corpora.collection import Collection, Document, Query
from isoglot.corpora.sources import load_collection
from isoglot.corpora.sources.folder import qrels_file, read_qrels, read_queries
from isoglot.indexing.passages import PASSAGE_COLUMNS, Passage, from_row
from isoglot.indexing.snapshot import Snapshot
from isoglot.indexing.splitting import sentences
from isoglot.indexing.store import Index
from isoglot.platform.errors import IsoglotError
from isoglot.ranking.exact import Ranking
from isoglot.ranking.pools import Pool
from isoglot.retrievers.base import RetrieverRecord, used_documents, used_queries
from isoglot.retrievers.dense import DenseRetriever, rank_vectors

PROBES = 500
_SHORTEST = 20
PROXY = (
    "a proxy: without questions of your own, passages are asked for by their titles or by their own sentences; "
    "compare ranks across languages, and don't take them for what people's questions would give"
)


class IndexRetriever:
    """Ranks passages by the vectors that the index holds, exactly; only questions are encoded.

    Args:
        snapshot: The state that is audited.
        model: The name of one of its models.
        dense: Describes and encodes with that model.
        rowids: (content id, language) -> LanceDB's row id.
    """

    def __init__(
        self, snapshot: Snapshot, model: str, dense: DenseRetriever, rowids: Mapping[tuple[str, str], int]
    ) -> None:
        self._snapshot, self._model, self._dense, self._rowids = snapshot, model, dense, rowids

    def describe(self) -> RetrieverRecord:
        """As `Retriever.describe`."""
        return msgspec.structs.replace(self._dense.describe(), how="vectors stored in an index, by inner product")

    def environment(self) -> dict[str, Any]:
        """As `Retriever.environment`."""
        return self._dense.environment()

    def rankings(
        self, collection: Collection, pools: Sequence[Pool], *, balance: str, top_k: int, show_progress: bool
    ) -> Iterator[Ranking]:
        """As `Retriever.rankings`."""
        asked = [collection.queries[at] for at in used_queries(pools)]
        found = [collection.documents[at] for at in used_documents(pools)]
        queries = self._dense.encoder.encode(
            [query.text for query in asked], "query", [query.language for query in asked], show_progress=show_progress
        )
        rowids = np.array([self._rowids[document.content_id, document.language] for document in found], dtype=np.uint64)
        documents = self._snapshot.vectors_of(self._snapshot.model(self._model), rowids)
        return rank_vectors(pools, queries, documents, balance=balance, top_k=top_k)


def audited(
    index: Index,
    model: str | None = None,
    data: str | None = None,
    *,
    seed: int = 0,
    device: str = "auto",
    trust_remote_code: bool = False,
) -> tuple[Collection, IndexRetriever]:
    """What ``isoglot.audit`` takes to audit an index.

    Args:
        index: As it is now.
        model: One of its models; None: the first.
        data: Where questions come from: ``folder:DIR`` with queries.jsonl and qrels/SPLIT.tsv, whose documents are ids
            of documents or passages or content ids of the index; or another source, whose content ids the index has.
            None: probes.
        seed: Chooses the probes.
        device: ``auto`` or a torch device.
        trust_remote_code: Whether code inside the model's repository may run.

    Raises:
        IsoglotError: The index has no such model, or no question asks for a passage of it.
    """
    snapshot = index.snapshot()
    encoder = index.load_encoder(model, device=device, trust_remote_code=trust_remote_code)
    passages, ids = [], []
    for batch in snapshot.scan(PASSAGE_COLUMNS, row_ids=True):
        for row in batch.to_pylist():
            passages.append(from_row(row))
            ids.append(row["_rowid"])
    contents = _content_ids(passages)
    documents = [
        Document(content, passage.language, passage.encoded)
        for passage, content in zip(passages, contents, strict=True)
    ]
    if data is None:
        queries, golds, notes = _probes(passages, contents, seed)
    else:
        queries, golds, notes = _questions(data, passages, contents)
    name = f"index {Path(index.folder).name}" + (f", {data}" if data else "")
    rowids = {(d.content_id, d.language): rowid for d, rowid in zip(documents, ids, strict=True)}
    collection = Collection(name, documents, queries, golds, notes=tuple(notes))
    return collection, IndexRetriever(snapshot, encoder.name, DenseRetriever(encoder), rowids)


def _content_ids(passages: Sequence[Passage]) -> list[str]:
    """What each passage shares with its translations.

    Parts of long documents correspond where all translations have as many; else a passage is a content of its own.
    """
    parts: dict[str | None, set[int]] = defaultdict(set)
    copies = Counter((passage.content_id, passage.language, passage.part) for passage in passages)
    repeated = {content for (content, _, _), count in copies.items() if count > 1}
    for passage in passages:
        parts[passage.content_id].add(passage.parts)
    found = []
    for passage in passages:
        content = passage.content_id
        if content is None or content in repeated or len(parts[content]) > 1:
            found.append(passage.id)
        else:
            found.append(content if passage.parts == 1 else f"{content}#{passage.part}")
    return found


Questions = tuple[list[Query], dict[str, tuple[str, ...]], list[str]]


def _probes(passages: Sequence[Passage], contents: Sequence[str], seed: int) -> Questions:
    """For at most 500 contents a question in each language that they are in."""
    by_content: dict[str, list[Passage]] = defaultdict(list)
    for passage, content in zip(passages, contents, strict=True):
        by_content[content].append(passage)
    generator = np.random.default_rng(seed)
    names = sorted(by_content)
    chosen = [names[at] for at in generator.permutation(len(names))[:PROBES]]
    queries = []
    for content in chosen:
        place = generator.random()  # the same in all languages: translations follow each other sentence by sentence
        queries += [Query(content, passage.language, _probe(passage, place)) for passage in by_content[content]]
    return queries, {content: (content,) for content in chosen}, [PROXY]


def _probe(passage: Passage, place: float) -> str:
    if passage.title and passage.part == 1:
        return passage.title
    found = [text for sentence in sentences(passage.text) if (text := sentence.strip())]
    long = [text for text in found if len(text) >= _SHORTEST] or found
    if len(found) > 1:
        return long[int(place * len(long))]
    return passage.text[: max(1, len(passage.text) // 2)].rsplit(" ", 1)[0]


def _questions(data: str, passages: Sequence[Passage], contents: Sequence[str]) -> Questions:
    """The questions of a source that ask for passages; those for documents in several passages are left out."""
    known: dict[str, str] = {}
    for passage, content in zip(passages, contents, strict=True):
        whole = content if passage.parts == 1 else ""
        known[passage.id] = content
        known[passage.document_id] = whole
        if passage.content_id is not None:
            known[passage.content_id] = whole if content == passage.content_id else ""
    golds: dict[str, tuple[str, ...]]
    if data.startswith("folder:"):
        path, _, split = data.removeprefix("folder:").partition("@")
        folder = Path(path).expanduser()
        queries, query_ids, _ = read_queries(folder / "queries.jsonl")
        judged: dict[str, dict[str, None]] = defaultdict(dict)
        for query, content in read_qrels(qrels_file(folder, split or None), query_ids, known):
            judged[query][content] = None
        golds = {query: tuple(found) for query, found in judged.items()}
    else:
        collection = load_collection(data)
        queries = list(collection.queries)
        golds = {query: tuple(known.get(gold, "") for gold in found) for query, found in collection.golds.items()}
    usable = {query: found for query, found in golds.items() if all(found)}
    if not usable:
        raise IsoglotError(f"{data}: no question asks for a passage of this index; ids must be those of the index")
    left = len(golds) - len(usable)
    notes = [f"{left} of {len(golds)} questions were left out: what answers them is missing or in several passages"]
    return [query for query in queries if query.query_id in usable], usable, notes if left else []
