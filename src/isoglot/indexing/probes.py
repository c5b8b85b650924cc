"""An index as something to audit: its passages as a collection, its stored vectors as a retriever, and questions.

The questions are the user's own. Without any, probes are asked (self-retrieval): a probe is a passage's title or one of
its sentences, and its relevant documents are the passage and its translations. Such questions share words with what
they ask for, so they are easier than people's: a proxy, and the collection's notes say so.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from isoglot.corpora.collection import Collection, Document, Query, known_grades
from isoglot.corpora.left_out import LeftOut
from isoglot.corpora.sources import load_collection
from isoglot.corpora.sources.beir import read_judgements, read_queries
from isoglot.corpora.sources.folder import files_of, qrels_files
from isoglot.encoders.encoder import Encoder
from isoglot.indexing.encoders import EncodingRetriever
from isoglot.indexing.passages import PASSAGE_COLUMNS, Passage, passage_from_row
from isoglot.indexing.snapshot import Snapshot
from isoglot.indexing.splitting import sentences
from isoglot.indexing.store import Index
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import expanded
from isoglot.ranking.pools import Pool
from isoglot.ranking.result import Ranking
from isoglot.retrievers.base import CountsTokens, RetrieverRecord, TokenCounts, used_documents, used_queries
from isoglot.retrievers.dense import DenseRetriever, rank_vectors

MAX_PROBED_CONTENTS = 500
_MIN_PROBE_LENGTH = 20
PROXY_NOTE = (
    "a proxy: without questions of your own, passages are asked for by their titles or by their own sentences; "
    "compare ranks across languages, and don't take them for what people's questions would give"
)


class IndexRetriever:
    """Ranks passages exactly by the vectors that the index holds; only queries are encoded.

    Args:
        snapshot: The state of the index.
        model: Name of one of its models.
        asked: Retriever that describes that model and encodes with it.
        row_ids: (content id, language) -> LanceDB's row id.
    """

    def __init__(
        self, snapshot: Snapshot, model: str, asked: EncodingRetriever, row_ids: Mapping[tuple[str, str], int]
    ) -> None:
        self._snapshot, self._model, self._asked, self._row_ids = snapshot, model, asked, row_ids

    def describe(self) -> RetrieverRecord:
        """Implement `Retriever.describe`."""
        found = self._asked.describe()
        how = f"vectors stored in an index, by inner product{f'; {found.how}' if found.how else ''}"
        return msgspec.structs.replace(found, name=self._model, how=how)

    def environment(self) -> dict[str, Any]:
        """Implement `Retriever.environment`."""
        return self._asked.environment()

    def count_tokens(self, texts: Sequence[str], role: str) -> TokenCounts | None:
        """Implement `CountsTokens.count_tokens`."""
        return self._asked.count_tokens(texts, role) if isinstance(self._asked, CountsTokens) else None

    def rankings(
        self, collection: Collection, pools: Sequence[Pool], *, balance: str, top_k: int, show_progress: bool
    ) -> Iterator[Ranking]:
        """Implement `Retriever.rankings`."""
        queries = [collection.queries[position] for position in used_queries(pools)]
        documents = [collection.documents[position] for position in used_documents(pools)]
        query_vectors = self._asked.encode(
            [query.text for query in queries],
            "query",
            [query.language for query in queries],
            show_progress=show_progress,
        )
        row_ids = np.array(
            [self._row_ids[document.content_id, document.language] for document in documents], dtype=np.uint64
        )
        document_vectors = self._snapshot.vectors_of(self._snapshot.model(self._model), row_ids)
        return rank_vectors(pools, query_vectors, document_vectors, balance=balance, top_k=top_k)


def audit_inputs(
    index: Index,
    model: str | None = None,
    data: str | None = None,
    *,
    seed: int = 0,
    device: str = "auto",
    trust_remote_code: bool = False,
    query_prompt: str | None = None,
    strict: bool = False,
) -> tuple[Collection, IndexRetriever]:
    """Make the collection and the retriever with which ``isoglot.audit`` audits an index in its last committed state.

    Args:
        index: The index.
        model: One of its models; None: the first.
        data: Source of the questions: ``folder:DIR`` with queries.jsonl and qrels/SPLIT.tsv, whose documents are ids
            of the index's documents or passages or its content ids; or another source, whose content ids the index
            has. None: probes.
        seed: Random seed for the choice of probes.
        device: ``auto`` or a torch device.
        trust_remote_code: Whether code inside the model's repository may run.
        query_prompt: As for `Index.load_encoder`.
        strict: Whether a question or judgement that would be left out is an error; else a note counts them.

    Raises:
        IsoglotError: The index has no such model, or no question asks for one of its passages.
    """
    snapshot = index.snapshot()
    encoder = index.load_encoder(model, device=device, trust_remote_code=trust_remote_code, query_prompt=query_prompt)
    asked = DenseRetriever(encoder) if isinstance(encoder, Encoder) else encoder.retriever
    passages, row_ids = [], []
    for batch in snapshot.scan(PASSAGE_COLUMNS, row_ids=True):
        for row in batch.to_pylist():
            passages.append(passage_from_row(row))
            row_ids.append(row["_rowid"])
    contents = _content_ids(passages)
    documents = [
        Document(content, passage.language, passage.full_text)
        for passage, content in zip(passages, contents, strict=True)
    ]
    questions = _probes(passages, contents, seed) if data is None else _user_questions(data, passages, contents, strict)
    name = f"index {Path(index.folder).name}" + (f", {data}" if data else "")
    by_document = {(d.content_id, d.language): row_id for d, row_id in zip(documents, row_ids, strict=True)}
    collection = Collection(
        name, documents, questions.queries, questions.golds, notes=questions.notes, grades=questions.grades
    )
    return collection, IndexRetriever(snapshot, encoder.name, asked, by_document)


def _content_ids(passages: Sequence[Passage]) -> list[str]:
    """Return for each passage an id that it shares with its translations.

    Parts of long documents correspond if all translations have the same number of parts; else a passage is a content
    of its own.
    """
    parts: dict[str | None, set[int]] = defaultdict(set)
    copies = Counter((passage.content_id, passage.language, passage.part) for passage in passages)
    repeated = {content for (content, _, _), count in copies.items() if count > 1}
    for passage in passages:
        parts[passage.content_id].add(passage.parts)
    contents = []
    for passage in passages:
        content = passage.content_id
        if content is None or content in repeated or len(parts[content]) > 1:
            contents.append(passage.id)
        else:
            contents.append(content if passage.parts == 1 else f"{content}#{passage.part}")
    return contents


class _Questions(NamedTuple):
    """Queries, query id -> content ids of its relevant documents, notes for the collection, and grades, if known."""

    queries: list[Query]
    golds: dict[str, tuple[str, ...]]
    notes: tuple[str, ...]
    grades: Mapping[str, Mapping[str, float]] = {}


def _probes(passages: Sequence[Passage], contents: Sequence[str], seed: int) -> _Questions:
    """Ask for at most 500 contents, in each language that they are in."""
    by_content: dict[str, list[Passage]] = defaultdict(list)
    for passage, content in zip(passages, contents, strict=True):
        by_content[content].append(passage)
    generator = np.random.default_rng(seed)
    names = sorted(by_content)
    chosen = [names[number] for number in generator.permutation(len(names))[:MAX_PROBED_CONTENTS]]
    queries = []
    for content in chosen:
        where = generator.random()  # the same in all languages: translations follow each other sentence by sentence
        queries += [Query(content, passage.language, _probe(passage, where)) for passage in by_content[content]]
    return _Questions(queries, {content: (content,) for content in chosen}, (PROXY_NOTE,))


def _probe(passage: Passage, where: float) -> str:
    """Return a passage's title, or its sentence at a relative position in [0, 1)."""
    if passage.title and passage.part == 1:
        return passage.title
    texts = [text for sentence in sentences(passage.text) if (text := sentence.strip())]
    if len(texts) > 1:
        long_texts = [text for text in texts if len(text) >= _MIN_PROBE_LENGTH] or texts
        return long_texts[int(where * len(long_texts))]
    return passage.text[: max(1, len(passage.text) // 2)].rsplit(" ", 1)[0]


def _user_questions(data: str, passages: Sequence[Passage], contents: Sequence[str], strict: bool) -> _Questions:
    """Read the questions of a source, and leave out those that no single passage answers."""
    known: dict[str, str] = {}  # id of a document, passage or content -> the passage's content; empty: several passages
    for passage, content in zip(passages, contents, strict=True):
        whole = content if passage.parts == 1 else ""
        known[passage.id] = content
        known[passage.document_id] = whole
        if passage.content_id is not None:
            known[passage.content_id] = whole if content == passage.content_id else ""
    golds: dict[str, tuple[str, ...]]
    unread = LeftOut(strict)
    notes: list[str] = []
    judged: dict[str, dict[str, float]] = defaultdict(dict)
    if data.startswith("folder:"):
        path, _, split = data.removeprefix("folder:").partition("@")
        folder = expanded(path)
        qrels = qrels_files(folder, split or None)
        queries, versions = read_queries(files_of(folder, "queries", qrels[0].split), folder, unread)
        query_ids = {identity: query for identity, (query, _) in versions.of.items()}
        for query, content, grade in read_judgements(qrels, query_ids, known, unread):
            judged[query][content] = max(grade, judged[query].get(content, 0))
        golds = {query: tuple(judgements) for query, judgements in judged.items()}
        notes += versions.detected.notes
    else:
        collection = load_collection(data, strict=strict)
        queries = list(collection.queries)
        golds = {query: tuple(known.get(gold, "") for gold in ids) for query, ids in collection.golds.items()}
    usable = {query: ids for query, ids in golds.items() if all(ids)}
    unread.warn(data)
    if not usable:
        raise IsoglotError(f"{data}: no question asks for a passage of this index; ids must be those of the index")
    left_out = len(golds) - len(usable)
    if left_out:
        what = "what answers them is missing or in several passages"
        notes.append(f"{left_out} of {len(golds)} questions were left out: {what}")
    kept = [query for query in queries if query.query_id in usable]
    grades = known_grades({query: judged[query] for query in usable if query in judged})
    return _Questions(kept, usable, (*notes, *unread.notes), grades)
