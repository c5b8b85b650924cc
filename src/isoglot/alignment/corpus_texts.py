"""Texts of a corpus without relevance labels: what a model is calibrated on, and what it is judged by."""

from __future__ import annotations

import hashlib
import heapq
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING

from isoglot.alignment.guard import MOST_HELD_OUT, MOST_LANGUAGES
from isoglot.corpora.collection import Collection, Document, Query
from isoglot.corpora.documents import read_documents
from isoglot.corpora.fields import Fields, field_names, no_text_field, read_fields
from isoglot.corpora.left_out import QUERIES_WITHOUT_TEXT, UNKNOWN_LANGUAGE, LeftOut
from isoglot.corpora.readers.lines import kind_of, read_lines
from isoglot.corpora.readers.records import READERS_OF_RECORDS, read_records
from isoglot.corpora.sources import parallel_hint
from isoglot.corpora.spans import random_span
from isoglot.platform.errors import InputError, IsoglotError
from isoglot.platform.files import expanded
from isoglot.platform.languages import canonical, detect
from isoglot.training_data.choosing import stable_hash
from isoglot.training_data.foreign import may_be_row
from isoglot.training_data.row import Row, is_row_file

if TYPE_CHECKING:
    from isoglot.encoders.encoder import Encoder

SAMPLE = 1000
"""Documents of a language that are encoded at most; a mean needs no more."""
SPANS = 300
"""Spans of a language's documents that stand in for questions at most."""
_ROW = ', a training row {"query": {LANGUAGE: TEXT}, "document": {LANGUAGE: TEXT}} or {"anchor", "positive"}'
"""What else the records of a file may be, for messages."""
PROXY_NOTE = "a proxy: documents are asked for by spans of their own text; people's questions are harder"


@dataclass(frozen=True, kw_only=True)
class CorpusTexts:
    """A sample of a corpus, and queries in its languages.

    Attributes:
        name: What records call it.
        documents: At most `SAMPLE` of each language.
        queries: (language, text) pairs.
        asked: Whether people asked the queries; else they are spans of the documents.
    """

    name: str
    documents: Sequence[Document]
    queries: Sequence[tuple[str, str]]
    asked: bool

    @property
    def languages(self) -> list[str]:
        """The languages of the documents, sorted."""
        return sorted({document.language for document in self.documents})

    @property
    def fingerprint(self) -> str:
        """A hash of all texts and languages, in hex."""
        digest = hashlib.sha256()
        pairs = [("document", d.language, d.text) for d in self.documents]
        for part in sorted([*pairs, *(("query", tag, text) for tag, text in self.queries)]):
            digest.update(repr(part).encode())
        return digest.hexdigest()

    @property
    def rows(self) -> list[Row]:
        """Training rows for methods that look at one text at a time: in each, a query and a document of one language.

        They have nothing else to do with each other, so no row says what is relevant.
        """
        queries, documents = defaultdict(list), defaultdict(list)
        for tag, text in self.queries:
            queries[tag].append(text)
        for document in self.documents:
            documents[document.language].append(document.text)
        return [
            Row(f"{tag} {number}", {tag: query}, {tag: document})
            for tag in sorted(queries.keys() & documents.keys())
            for number, (query, document) in enumerate(_paired(queries[tag], documents[tag]))
        ]

    def probes(self, seed: int = 0) -> Collection | None:
        """A collection that asks for documents by spans of their own text, in their own language (self-retrieval).

        It has at most 100 questions in each of the 9 largest languages, English among them. Where documents have
        translations (a shared content id), those are relevant too. None: no document is long enough to be asked for.
        """
        counts = Counter(document.language for document in self.documents)
        kept = sorted(counts, key=lambda tag: (tag != "en", -counts[tag], tag))[: MOST_LANGUAGES + 1]
        documents = [document for document in self.documents if document.language in kept]
        generator = random.Random(seed)
        asked: Counter[str] = Counter()
        queries, golds = [], {}
        for document in _drawn(documents, seed):
            span = random_span(document.text, generator)
            if asked[document.language] < MOST_HELD_OUT and len(span) < len(document.text):
                asked[document.language] += 1
                query_id = f"{document.content_id} {document.language}"
                queries.append(Query(query_id, document.language, span))
                golds[query_id] = (document.content_id,)
        if not queries:
            return None
        return Collection(f"{self.name}, asked by spans", documents, queries, golds, notes=(PROXY_NOTE,))


def _paired(one: Sequence[str], other: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Pairs of texts until both are used up; the shorter sequence begins anew."""
    return islice(zip(cycle(one), cycle(other), strict=False), max(len(one), len(other)))


def is_corpus(data: object) -> bool:
    """Whether `data` names an index, or a file or folder of documents, and no file of training rows.

    Raises:
        InputError: The records of a file are neither documents nor training rows, or cannot be read.
    """
    if not isinstance(data, str | Path):
        return False
    path = expanded(data)
    if index_of(data) or path.is_dir():
        return True
    if not path.is_file():
        return False
    if not is_row_file(str(path)):
        return True
    names = field_names(path)
    if names and "text" not in names and not may_be_row(names):
        line, _ = next(read_records(path))
        raise no_text_field(path, names, line, parallel_hint(path, names) or _ROW)
    return "text" in names and "document" not in names


def read_corpus_texts(
    data: str | Path,
    queries: str | Path | None = None,
    languages: Sequence[str] | None = None,
    *,
    strict: bool = False,
    seed: int = 0,
) -> CorpusTexts:
    """Read a sample of a corpus, and the queries that people asked it or else a span of each document.

    Args:
        data: A file or folder of documents, as `isoglot index` takes it; or ``index:DIR``, whose passages are taken.
        queries: A file with a question a line (.txt), or with fields ``text`` and, where known, ``lang`` (.jsonl, .csv,
            .tsv, .parquet); None: spans.
        languages: Tags of the languages to keep; None: all.
        strict: Whether a text that would be left out is an error; else a warning says how many there were.
        seed: Random seed of the sample and of the spans.

    Raises:
        IsoglotError: Something in a file is wrong, or nothing is left.
    """
    kept = None if languages is None else {canonical(tag) for tag in languages}
    folder = index_of(data)
    left_out = LeftOut(strict)
    if folder:
        present, documents = _sample_of_index(folder, kept)
    else:
        present, documents = _sample_of_files(str(data), kept, seed, left_out)
    left_out.warn(str(data))
    if not documents:
        raise IsoglotError(f"{data}: holds no document" + (f" in {', '.join(languages)}" if languages else ""))
    if queries is None:
        pairs = _spans(documents, seed)
    else:
        asked = read_queries(queries, present, strict=strict)
        pairs = [pair for pair in asked if kept is None or pair[0] in kept]
        if not pairs:
            raise InputError("holds no question" + (f" in {', '.join(languages)}" if languages else ""), queries)
    return CorpusTexts(name=str(data), documents=documents, queries=pairs, asked=queries is not None)


def texts_of_collection(collection: Collection, languages: set[str] | None = None, seed: int = 0) -> CorpusTexts:
    """A sample of a collection's documents and spans of them, as if nothing were known of its questions.

    Args:
        collection: The collection.
        languages: Canonical tags of the languages to keep; None: all.
        seed: Random seed of the sample and of the spans.
    """
    by_language = defaultdict(list)
    for document in _drawn(collection.documents, seed):
        if languages is None or document.language in languages:
            by_language[document.language].append(document)
    documents = [document for found in by_language.values() for document in found[:SAMPLE]]
    return CorpusTexts(name=collection.name, documents=documents, queries=_spans(documents, seed), asked=False)


def _drawn(documents: Sequence[Document], seed: int) -> list[Document]:
    """Documents in an order that depends on their ids, their languages and the seed alone."""
    return sorted(documents, key=lambda d: stable_hash(f"{d.content_id} {d.language}", seed))


def _spans(documents: Sequence[Document], seed: int) -> list[tuple[str, str]]:
    """A span, with its language, of the first `SPANS` documents of each language; a language's stand together."""
    generator = random.Random(seed)
    return [
        (tag, random_span(document.text, generator))
        for tag, of_language in groupby(documents, key=lambda document: document.language)
        for document in islice(of_language, SPANS)
    ]


def index_of(data: object) -> str:
    """The folder or address of the index that data such as ``index:DIR`` names; empty: it names none."""
    return data.removeprefix("index:") if isinstance(data, str) and data.startswith("index:") else ""


def _sample_of_files(
    data: str, kept: set[str] | None, seed: int, left_out: LeftOut
) -> tuple[frozenset[str], list[Document]]:
    """The languages of the documents, and at most `SAMPLE` documents of each, which any corpus leaves room for."""
    heaps: dict[str, list[tuple[int, int, Document]]] = defaultdict(list)
    for number, document in enumerate(read_documents(data, left_out=left_out)):
        if kept is None or document.language in kept:
            sampled = Document(document.content_id or document.id, document.language, document.full_text)
            entry = (-int.from_bytes(stable_hash(sampled.content_id, seed)), -number, sampled)
            heap = heaps[document.language]
            (heapq.heappush if len(heap) < SAMPLE else heapq.heappushpop)(heap, entry)
    return frozenset(heaps), [entry[-1] for tag in sorted(heaps) for entry in sorted(heaps[tag], reverse=True)]


def _sample_of_index(folder: str, kept: set[str] | None) -> tuple[frozenset[str], list[Document]]:
    """The same of an index's passages; which are sampled depends on the hashes of their ids."""
    from isoglot.indexing.store import Index

    index = Index(folder)
    tags = [tag for tag in index.languages if kept is None or tag in kept]
    documents = [
        Document(
            passage.content_id if passage.content_id and passage.parts == 1 else passage.id, tag, passage.full_text
        )
        for tag in tags
        for passage in index.sample(tag, SAMPLE)
    ]
    return frozenset(tags), documents


def keep_vectors_of_index(folder: str, encoder: Encoder) -> None:
    """Put the vectors that an index has of its sampled passages into the cache, so that none is computed again."""
    from isoglot.indexing.store import Index

    index = Index(folder)
    signature = encoder.signature("document")
    model = next((stored for stored in index.snapshot().models if stored.ready and stored.signature == signature), None)
    if model is not None:
        for tag in index.languages:
            passages = index.sample(tag, SAMPLE)
            encoder.keep([passage.full_text for passage in passages], "document", index.vectors(model.name, passages))


def read_queries(queries: str | Path, among: frozenset[str], *, strict: bool = False) -> list[tuple[str, str]]:
    """Read (language, text) of each question in a file, as for ``align --queries``.

    Args:
        queries: As for `read_corpus_texts`.
        among: Tags that are preferred where a language is not named but detected.
        strict: As for `read_corpus_texts`.

    Raises:
        IsoglotError: Something in the file is wrong.
    """
    path, left_out = Path(queries), LeftOut(strict)
    pairs = []
    for fields in _questions(path):
        text, stated = fields.text(), fields.language()
        tag = detect([text], among)[0] if stated is None else stated.tag
        if text and tag:
            pairs.append((tag, text))
        else:
            left_out.add(UNKNOWN_LANGUAGE if text else QUERIES_WITHOUT_TEXT, path, fields.line)
    left_out.warn(str(queries))
    return pairs


def _questions(path: Path) -> Iterator[Fields]:
    if kind_of(path) == ".txt":
        for line, text in read_lines(path):
            yield Fields({"text": text}, path, line)
    elif kind_of(path) in READERS_OF_RECORDS:
        yield from read_fields(path)
    else:
        raise InputError(f"unknown kind of file of questions; known are .txt {' '.join(READERS_OF_RECORDS)}", path)
