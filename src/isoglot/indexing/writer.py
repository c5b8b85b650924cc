"""The commits that bring an index up to date with a corpus."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from isoglot.corpora.documents import SourceDocument
from isoglot.indexing.ann import build_ann
from isoglot.indexing.models import column_of, next_number, signature_of
from isoglot.indexing.passages import PASSAGE_COLUMNS, Passage, from_row, key_of
from isoglot.indexing.seen import SeenDocuments
from isoglot.indexing.snapshot import EXACT_BELOW, Snapshot, stored_models
from isoglot.indexing.splitting import Splitter
from isoglot.indexing.tables import TABLE, connect, open_table, quoted, told
from isoglot.platform.errors import IsoglotError
from isoglot.platform.progress import progress

if TYPE_CHECKING:
    from isoglot.encoders.encoder import Encoder

log = logging.getLogger("isoglot")

COMMIT = 2048
"""About how many passages a commit holds: what a killed run encodes again at most."""
COMMITS_BETWEEN_OPTIMIZING = 50
READERS_HAVE = timedelta(hours=1)
"""How long a version can be read when it is no longer the last."""
MOST_TOKENS = 512
_LOOKED_UP = 256
PLAIN = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("key", pa.uint64(), nullable=False),
        pa.field("document_id", pa.string(), nullable=False),
        pa.field("content_id", pa.string()),
        pa.field("language", pa.string(), nullable=False),
        pa.field("title", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("metadata", pa.string(), nullable=False),
        pa.field("part", pa.int32(), nullable=False),
        pa.field("parts", pa.int32(), nullable=False),
        pa.field("corpus", pa.string(), nullable=False),
        pa.field("digest", pa.string(), nullable=False),
    ]
)


@dataclass
class Changes:
    """What a run changed.

    Attributes:
        added: Documents that are new.
        changed: Documents whose content was another.
        deleted: Documents that their corpus no longer has.
        unchanged: Documents that were left alone.
        encoded: Passages that were encoded for a model that was added.
    """

    added: int = 0
    changed: int = 0
    deleted: int = 0
    unchanged: int = 0
    encoded: int = 0


class Writer:
    """A table and the encoders of all its models.

    Args:
        folder: For messages.
        table: LanceDB's.
        encoders: Column -> the encoder of its vectors.
        splitter: Cuts long documents.
    """

    def __init__(self, folder: str, table: Any, encoders: dict[str, Encoder], splitter: Splitter) -> None:
        self.changes = Changes()
        self._folder = folder
        self._table = table
        self._encoders = encoders
        self._splitter = splitter
        self._commits = 0

    @classmethod
    def opened(
        cls,
        folder: str,
        table: Any | None,
        models: Sequence[str],
        tokens: int | None,
        overlap: int | None,
        device: str,
        trust_remote_code: bool,
    ) -> Writer:
        """Load the models and see that the table has a column for each; None: make the table.

        Raises:
            IsoglotError: There is no model, one cannot be loaded, or passages cannot be of that length.
        """
        known = {} if table is None else {stored.name: stored.path for stored in stored_models(table.schema)}
        paths = {**{name: name for name in models}, **known}
        if not paths:
            raise IsoglotError(f"{folder}: a new index needs a model; name it with -m")
        encoders = load_encoders({**known, **paths}, device, trust_remote_code)
        splitter = _splitter(table, encoders, tokens, overlap)
        with told(folder):
            if table is None:
                table = connect(folder).create_table(TABLE, schema=_schema(encoders, splitter))
            columns = {_column(table, encoder): encoder for encoder in encoders}
        return cls(folder, table, columns, splitter)

    def upsert(self, documents: Iterable[SourceDocument], corpus: str, advance: Callable[[int], None]) -> None:
        """Add documents that are new and replace those that have changed, each with all its passages in one commit.

        Args:
            documents: With distinct ids.
            corpus: Its name.
            advance: Told how many documents are done.
        """
        if corpus not in corpora(self._table):
            with told(self._folder):
                self._table.update_field_metadata({"path": "corpus", "metadata": {corpus: "yes"}})
        has_documents = self._table.count_rows() > 0
        rows: list[tuple[Passage, str]] = []
        replaced: list[str] = []
        waiting = 0
        for some in _batches(documents, _LOOKED_UP):
            known = self._digests([document.id for document in some]) if has_documents else {}
            for document in some:
                if known.get(document.id) == document.digest:
                    self.changes.unchanged += 1
                    advance(1)
                    continue
                if document.id in known:
                    replaced.append(document.id)
                rows += ((passage, document.digest) for passage in self._passages(document))
                waiting += 1
                if len(rows) >= COMMIT:
                    self._commit(rows, replaced, waiting, corpus, advance)
                    rows, replaced, waiting = [], [], 0
        if rows:
            self._commit(rows, replaced, waiting, corpus, advance)

    def delete_missing(self, seen: SeenDocuments, corpus: str) -> None:
        """Delete the documents of `corpus` that it no longer has."""
        for batch in self._snapshot().scan(["document_id"], f"corpus = {quoted(corpus)} AND part = 1"):
            gone = seen.missing(batch["document_id"].to_pylist())
            if gone:
                with told(self._folder):
                    self._table.delete(f"document_id IN ({', '.join(map(quoted, gone))})")
                self.changes.deleted += len(gone)
                self._commits += 1

    def fill(self, show_progress: bool) -> None:
        """Encode what models that were added have not encoded yet; then they are ready."""
        for stored in stored_models(self._table.schema):
            if stored.ready:
                continue
            encoder = self._encoders[stored.column]
            missing = f"{stored.column} IS NULL"
            total = self._table.count_rows(missing)
            with progress(f"{stored.name}: encoding passages", total, show=show_progress) as advance:
                rows = (row for batch in self._snapshot().scan(PASSAGE_COLUMNS, missing) for row in batch.to_pylist())
                for some in _batches(map(from_row, rows), COMMIT):
                    ids = pa.array([passage.id for passage in some])
                    vectors = self._vectors(encoder, some)
                    with told(self._folder):
                        update = self._table.merge_insert("id").when_matched_update_all()
                        update.execute(pa.table({"id": ids, stored.column: vectors}))
                    self._committed()
                    advance(len(some))
            self.changes.encoded += total
            with told(self._folder):
                self._table.update_field_metadata({"path": stored.column, "metadata": {"ready": "yes"}})

    def optimize(self) -> None:
        """Merge small files, keep the scalar, full-text and approximate indices complete, delete old versions."""
        from lancedb.index import FTS, Bitmap, BTree

        indexed = {index.columns[0] for index in self._table.list_indices()}
        count = self._table.count_rows()
        wanted = {
            "id": BTree(),
            "document_id": BTree(),
            "content_id": BTree(),
            "language": Bitmap(),
            "text": FTS(base_tokenizer="icu", stem=False, remove_stop_words=False),
        }
        with told(self._folder):
            for column, config in wanted.items():
                if column not in indexed:
                    self._table.create_index(column, config=config)
            for stored in stored_models(self._table.schema):
                if stored.ready and stored.column not in indexed and count >= EXACT_BELOW:
                    build_ann(self._table, stored.column, count)
            if self._commits:
                # Only the process that holds the lock writes, so files that no version has are those of killed ones.
                locked = "://" not in self._folder
                self._table.optimize(cleanup_older_than=READERS_HAVE, delete_unverified=locked)
        self._commits = 0

    def _passages(self, document: SourceDocument) -> Iterator[Passage]:
        texts = self._splitter.split(document.title, document.text)
        for part, text in enumerate(texts, start=1):
            yield Passage(
                f"{document.id}#{part}",
                document.id,
                document.content_id,
                document.language,
                document.title,
                text,
                document.source,
                document.metadata,
                part,
                len(texts),
            )

    def _digests(self, ids: Sequence[str]) -> dict[str, str]:
        """Id -> digest of those documents that the index has."""
        condition = f"part = 1 AND document_id IN ({', '.join(map(quoted, ids))})"
        found = self._table.search().select(["document_id", "digest"]).where(condition).to_list()
        return {row["document_id"]: row["digest"] for row in found}

    def _commit(
        self,
        rows: Sequence[tuple[Passage, str]],
        replaced: Sequence[str],
        documents: int,
        corpus: str,
        advance: Callable[[int], None],
    ) -> None:
        passages = [passage for passage, _ in rows]
        columns: dict[str, Any] = {name: [getattr(passage, name) for passage in passages] for name in PASSAGE_COLUMNS}
        columns["metadata"] = [json.dumps(dict(found), ensure_ascii=False) for found in columns["metadata"]]
        columns["key"] = [key_of(passage.id) for passage in passages]
        columns["digest"] = [digest for _, digest in rows]
        columns["corpus"] = [corpus] * len(rows)
        columns |= {column: self._vectors(encoder, passages) for column, encoder in self._encoders.items()}
        schema = self._table.schema
        data = pa.table([pa.array(columns[field.name], type=field.type) for field in schema], schema=schema)
        with told(self._folder):
            if replaced:  # a changed document may have fewer passages than before
                merge = self._table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
                gone = f"document_id IN ({', '.join(map(quoted, replaced))})"
                merge.when_not_matched_by_source_delete(gone).execute(data)
            else:
                self._table.add(data)
        self.changes.changed += len(replaced)
        self.changes.added += documents - len(replaced)
        self._committed()
        advance(documents)

    def _vectors(self, encoder: Encoder, passages: Sequence[Passage]) -> pa.FixedSizeListArray:
        # The encoder's cache saves a small corpus that was audited before; a large one would fill the disk twice.
        keep = self._table.count_rows() < EXACT_BELOW
        texts, languages = [p.encoded for p in passages], [p.language for p in passages]
        vectors = encoder.encode(texts, "document", languages, keep=keep)
        return pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])

    def _committed(self) -> None:
        self._commits += 1
        if self._commits >= COMMITS_BETWEEN_OPTIMIZING:
            self.optimize()

    def _snapshot(self) -> Snapshot:
        """The table as it is now, to be read while it is written."""
        table = open_table(connect(self._folder), self._folder)
        table.checkout(self._table.version)
        return Snapshot(table)


def load_encoders(paths: Mapping[str, str], device: str, trust_remote_code: bool) -> list[Encoder]:
    """Encoders by their names and where each is loaded from."""
    from isoglot.encoders.encoder import Encoder
    from isoglot.encoders.sentence_transformer import load_model

    return [
        Encoder(load_model(path, device=device, trust_remote_code=trust_remote_code), name)
        for name, path in paths.items()
    ]


def corpora(table: Any) -> list[str]:
    """The names of the corpora that the index holds."""
    return sorted(name.decode() for name in table.schema.field("corpus").metadata or {})


def _schema(encoders: Sequence[Encoder], splitter: Splitter) -> pa.Schema:
    lengths = {"tokens": str(splitter.tokens), "overlap": str(splitter.overlap)}
    text = PLAIN.field("text").with_metadata(lengths)
    schema = PLAIN.set(PLAIN.get_field_index("text"), text)
    for number, encoder in enumerate(encoders):
        schema = schema.append(column_of(encoder, number, ready=True))
    return schema


def _splitter(table: Any | None, encoders: Sequence[Encoder], tokens: int | None, overlap: int | None) -> Splitter:
    """As the index was made; a new one's passages are as long as all its models read."""
    limit = min((encoder.max_length for encoder in encoders if encoder.max_length), default=MOST_TOKENS)
    if table is None:
        tokens = min(limit, MOST_TOKENS) if tokens is None else tokens
        overlap = tokens // 8 if overlap is None else overlap
    else:
        about = table.schema.field("text").metadata
        has = int(about[b"tokens"]), int(about[b"overlap"])
        tokens, overlap = (has[0] if tokens is None else tokens), (has[1] if overlap is None else overlap)
        if (tokens, overlap) != has:
            raise IsoglotError(f"the index has passages of {has[0]} tokens, {has[1]} of overlap; make another index")
    for encoder in encoders:
        if encoder.max_length and encoder.max_length < tokens:
            log.warning("%s reads %d tokens: it sees no ends of passages", encoder.name, encoder.max_length)
    first = encoders[0]
    return Splitter(first.model.tokenizer, tokens, overlap, first.prompts["document"].text)


def _column(table: Any, encoder: Encoder) -> str:
    """The column of a model's vectors; a new one where there is none, or where the model has changed."""
    stored = stored_models(table.schema)
    found = next((known for known in stored if known.name == encoder.name), None)
    if found is not None and found.signature == signature_of(encoder):
        return found.column
    if found is not None:
        log.warning("%s has changed since it was indexed: all passages are encoded anew", encoder.name)
    field = column_of(encoder, next_number(stored), ready=False)
    table.add_columns(field)
    if found is not None:
        table.drop_columns([found.column])
    return str(field.name)


def _batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
