"""The commits that bring an index up to date with a corpus."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from isoglot.corpora.documents import SourceDocument
from isoglot.corpora.left_out import UNKNOWN_WORDS, LeftOut
from isoglot.corpora.seen import SeenIds
from isoglot.encoders.means import means_of_sums
from isoglot.indexing.ann import build_ann
from isoglot.indexing.languages import passage_language
from isoglot.indexing.models import column_of, vector_field
from isoglot.indexing.passages import PASSAGE_COLUMNS, Passage, passage_from_row, passage_key
from isoglot.indexing.snapshot import EXACT_BELOW, Snapshot, stored_models, unfinished_corpora
from isoglot.indexing.splitting import Splitter
from isoglot.indexing.tables import TABLE, connect, is_remote, open_table, sql_literal, write_errors_explained
from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.platform.extras import needs
from isoglot.platform.progress import progress

with needs("an index", "index"):
    import pyarrow as pa

if TYPE_CHECKING:
    from isoglot.encoders.encoder import Encoder
    from isoglot.indexing.encoders import RetrieverEncoder, TextEncoder

log = logging.getLogger("isoglot")

COMMIT_PASSAGES = 2048
"""About how many passages a commit holds: the most that a killed run has to encode again."""
COMMITS_BETWEEN_OPTIMIZING = 50
OLD_VERSIONS_KEPT = timedelta(hours=1)
"""How long a version can still be read after it was replaced."""
MAX_TOKENS = 512
MOVED = 0.3
"""How far a language's mean may move before a fit on it is out of date, in parts of the distance between languages."""
_LOOKUP_DOCUMENTS = 256
PASSAGE_SCHEMA = pa.schema(
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
"""The table's columns before those of the models' vectors."""

_Item = TypeVar("_Item")


@dataclass(kw_only=True)
class Changes:
    """What a run has changed.

    Attributes:
        added: Number of new documents.
        changed: Number of documents whose content has changed.
        deleted: Number of documents that their corpus no longer has.
        unchanged: Number of documents that were left alone.
        encoded: Number of passages that were encoded for an added model.
        left_out: What was left out of the corpus, counted in a sentence; empty: nothing.
    """

    added: int = 0
    changed: int = 0
    deleted: int = 0
    unchanged: int = 0
    encoded: int = 0
    left_out: str = ""


class Writer:
    """Writes to a table, with the encoders of all its models.

    Args:
        folder: The index.
        table: LanceDB's table.
        encoders: Column -> the encoder of its vectors.
        splitter: Cuts long documents.
        strict: Whether a passage that would be left out, since a model has no vector for it, is an error.

    Attributes:
        changes: What was changed.
        left_out: What was left out.
    """

    def __init__(
        self,
        folder: str,
        table: Any,
        encoders: Mapping[str, TextEncoder],
        splitter: Splitter,
        strict: bool = False,
    ) -> None:
        self.changes = Changes()
        self.left_out = LeftOut(strict)
        self._folder = folder
        self._table = table
        self._encoders = encoders
        self._splitter = splitter
        self._commits = 0
        self._bases = _bases(encoders)

    @classmethod
    def open(
        cls,
        folder: str,
        table: Any | None,
        models: Mapping[str, str],
        *,
        tokens: int | None,
        overlap: int | None,
        device: str,
        trust_remote_code: bool,
        prompts: Mapping[str, str],
        strict: bool = False,
    ) -> Writer:
        """Load the models, and give the table a column for each.

        Args:
            folder: The index.
            table: LanceDB's table; None: it is created.
            models: Name of a model to add to those of the table -> where it is loaded from.
            tokens: Maximum number of tokens of a passage; None: as the table says, else what all models read.
            overlap: Number of tokens that a passage repeats; None: as the table says, else an eighth of `tokens`.
            device: ``auto`` or a torch device.
            trust_remote_code: Whether code inside a model's repository may run.
            prompts: Prompts that the user chose for `models`, by role; other models keep those of the table.
            strict: As for the class.

        Raises:
            IsoglotError: There is no model, prompts are chosen for none, one cannot be loaded, or the table's passages
                have another length.
        """
        known = {} if table is None else {stored.name: stored for stored in stored_models(table.schema)}
        paths = {name: stored.path for name, stored in known.items()}
        paths |= {name: path for name, path in models.items() if name not in known}
        if not paths:
            raise IsoglotError(f"{folder}: a new index needs a model; name it with -m")
        if prompts and not models:
            raise IsoglotError("prompts are chosen for models; name them with -m")
        chosen = {name: stored.prompts for name, stored in known.items()}
        chosen |= dict.fromkeys(models, prompts) if prompts else {}
        encoders = load_encoders(paths, chosen, device, trust_remote_code)
        splitter = _splitter(table, encoders, tokens, overlap)
        with write_errors_explained(folder):
            if table is None:
                table = connect(folder).create_table(TABLE, schema=_schema(encoders, paths, splitter))
            columns = {column_of(table, encoder, paths[encoder.name]): encoder for encoder in encoders}
        return cls(folder, table, columns, splitter, strict)

    def upsert(self, documents: Iterable[SourceDocument], corpus: str, advance: Callable[[int], None]) -> None:
        """Add new documents and replace changed ones, each with all its passages in one commit.

        Args:
            documents: Documents with distinct ids.
            corpus: Name of their corpus.
            advance: Called with the number of further documents that are done.
        """
        if corpus not in corpus_names(self._table):
            self._note(corpus, finished=False)
        has_documents = self._table.count_rows() > 0
        passages: list[tuple[Passage, str]] = []
        replaced: list[str] = []
        waiting = 0
        for batch in _batches(documents, _LOOKUP_DOCUMENTS):
            known = self._digests([document.id for document in batch]) if has_documents else {}
            for document in batch:
                if known.get(document.id) == document.digest:
                    self.changes.unchanged += 1
                    advance(1)
                    continue
                if document.id in known:
                    replaced.append(document.id)
                passages += ((passage, document.digest) for passage in self._passages(document))
                waiting += 1
                if len(passages) >= COMMIT_PASSAGES:
                    self._commit(passages, replaced, waiting, corpus, advance)
                    passages, replaced, waiting = [], [], 0
        if passages:
            self._commit(passages, replaced, waiting, corpus, advance)

    def finish(self, corpus: str) -> None:
        """Note that all documents of `corpus` are there."""
        if corpus in unfinished_corpora(self._table.schema):
            self._note(corpus, finished=True)

    def _note(self, corpus: str, *, finished: bool) -> None:
        with write_errors_explained(self._folder):
            self._table.update_field_metadata({"path": "corpus", "metadata": {corpus: "yes" if finished else "no"}})

    def delete_missing(self, seen: SeenIds, corpus: str) -> None:
        """Delete the documents of `corpus` that are not in `seen`."""
        for batch in self._snapshot().scan(["document_id"], f"corpus = {sql_literal(corpus)} AND part = 1"):
            missing = seen.missing(batch["document_id"].to_pylist())
            if missing:
                with write_errors_explained(self._folder):
                    self._table.delete(f"document_id IN ({', '.join(map(sql_literal, missing))})")
                self.changes.deleted += len(missing)
                self._commits += 1

    def fill(self, show_progress: bool) -> None:
        """Encode the passages that added models have no vectors of yet, and mark these models as ready."""
        for model in stored_models(self._table.schema):
            if model.ready:
                continue
            total = self._table.count_rows(f"{model.column} IS NULL")
            with progress(f"{model.name}: encoding passages", total, show=show_progress) as advance:
                while self._fill_some(model.column, advance):
                    self.optimize()
            self.changes.encoded += total
            with write_errors_explained(self._folder):
                self._table.update_field_metadata({"path": model.column, "metadata": {"ready": "yes"}})

    def _fill_some(self, column: str, advance: Callable[[int], None]) -> bool:
        """Encode passages that have no vector yet, `COMMITS_BETWEEN_OPTIMIZING` commits of them at most.

        Optimizing deletes the files of old versions, so none may be read any more when it begins, however long the
        encoding took.

        Returns:
            Whether there were that many.
        """
        base = self._bases[column].column if column in self._bases else None
        columns = [*PASSAGE_COLUMNS, *([base] if base else [])]
        scan = self._snapshot().scan(columns, f"{column} IS NULL")
        rows = (row for batch in scan for row in batch.to_pylist())
        commits = 0
        for batch in islice(_batches(rows, COMMIT_PASSAGES), COMMITS_BETWEEN_OPTIMIZING):
            passages = [passage_from_row(row) for row in batch]
            ids = pa.array([passage.id for passage in passages])
            known = {base: np.array([row[base] for row in batch], dtype=np.float32)} if base else {}
            vectors = _as_column(self._vectors(column, passages, known))
            with write_errors_explained(self._folder):
                update = self._table.merge_insert("id").when_matched_update_all()
                update.execute(pa.table({"id": ids, column: vectors}))
            commits += 1
            advance(len(passages))
        self._commits += commits
        return commits == COMMITS_BETWEEN_OPTIMIZING

    def warn_of_moved_means(self) -> None:
        """Say which models take means from vectors that are no longer those of the corpus."""
        from isoglot.encoders.language_modules import LanguageCentering

        snapshot = self._snapshot()
        models = {model.column: model for model in snapshot.models}
        for column, base in self._bases.items():
            if not isinstance(centering := base.head[-1], LanguageCentering):
                continue
            sums = snapshot.language_sums(models[base.column])
            means = means_of_sums(dict(zip(snapshot.language_counts, sums, strict=True)), snapshot.language_counts)
            moved = {tag: far for tag, far in centering.moved(means).items() if far > MOVED}
            if moved:
                listed = ", ".join(
                    f"{tag} by {far:.2f}" for tag, far in sorted(moved.items(), key=lambda item: -item[1])
                )
                log.warning(
                    "%s: the documents' means have moved since it was fitted (%s of the distance between languages); "
                    "fit it again with --calibrate",
                    models[column].name,
                    listed,
                )

    def optimize(self) -> None:
        """Merge small files, complete the scalar, full-text and approximate indices, and delete old versions."""
        from lancedb.index import FTS, Bitmap, BTree

        indexed = {index.columns[0] for index in self._table.list_indices()}
        count = self._table.count_rows()
        configs = {
            "id": BTree(),
            "document_id": BTree(),
            "content_id": BTree(),
            "language": Bitmap(),
            "text": FTS(base_tokenizer="icu", stem=False, remove_stop_words=False),
        }
        with write_errors_explained(self._folder):
            for column, config in configs.items():
                if column not in indexed:
                    self._table.create_index(column, config=config)
            for model in stored_models(self._table.schema):
                if model.ready and model.column not in indexed and count >= EXACT_BELOW:
                    build_ann(self._table, model.column, count)
            if self._commits:
                # In a locked folder no other process writes, so files that no version has are those of killed ones.
                locked = not is_remote(self._folder)
                self._table.optimize(cleanup_older_than=OLD_VERSIONS_KEPT, delete_unverified=locked)
        self._commits = 0

    def _passages(self, document: SourceDocument) -> Iterator[Passage]:
        texts = self._splitter.split(document.title, document.text)
        is_mixed = document.language_detected and len(texts) > 1
        for part, text in enumerate(texts, start=1):
            yield Passage(
                id=f"{document.id}#{part}",
                document_id=document.id,
                content_id=document.content_id,
                language=passage_language(text, document.language) if is_mixed else document.language,
                title=document.title,
                text=text,
                source=document.source,
                metadata=document.metadata,
                part=part,
                parts=len(texts),
            )

    def _digests(self, ids: Sequence[str]) -> dict[str, str]:
        """Return id -> digest of those documents that the index has."""
        condition = f"part = 1 AND document_id IN ({', '.join(map(sql_literal, ids))})"
        rows = self._table.search().select(["document_id", "digest"]).where(condition).to_list()
        return {row["document_id"]: row["digest"] for row in rows}

    def _commit(
        self,
        passages_and_digests: Sequence[tuple[Passage, str]],
        replaced: Sequence[str],
        documents: int,
        corpus: str,
        advance: Callable[[int], None],
    ) -> None:
        passages = [passage for passage, _ in passages_and_digests]
        vectors: dict[str, Vectors] = {}
        for column in sorted(self._encoders, key=self._bases.__contains__):
            vectors[column] = self._vectors(column, passages, vectors, allow_zero=True)
        kept = np.all([found.any(axis=1) for found in vectors.values()], axis=0)
        for at in np.flatnonzero(~kept):
            self.left_out.add(UNKNOWN_WORDS, passages[at].id)
        digests = {passage.document_id: digest for passage, digest in passages_and_digests}
        passages = _numbered([passages[at] for at in np.flatnonzero(kept)])
        columns: dict[str, Any] = {name: [getattr(passage, name) for passage in passages] for name in PASSAGE_COLUMNS}
        columns["metadata"] = [json.dumps(dict(metadata), ensure_ascii=False) for metadata in columns["metadata"]]
        columns["key"] = [passage_key(passage.id) for passage in passages]
        columns["digest"] = [digests[passage.document_id] for passage in passages]
        columns["corpus"] = [corpus] * len(passages)
        columns |= {column: _as_column(found[kept]) for column, found in vectors.items()}
        schema = self._table.schema
        data = pa.table([pa.array(columns[field.name], type=field.type) for field in schema], schema=schema)
        with write_errors_explained(self._folder):
            if replaced:  # a changed document may have fewer passages than before
                merge = self._table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
                old_passages = f"document_id IN ({', '.join(map(sql_literal, replaced))})"
                merge.when_not_matched_by_source_delete(old_passages).execute(data)
            else:
                self._table.add(data)
        self.changes.changed += len(replaced)
        self.changes.added += len({passage.document_id for passage in passages}.difference(replaced))
        self._commits += 1
        if self._commits >= COMMITS_BETWEEN_OPTIMIZING:
            self.optimize()
        advance(documents)

    def _vectors(
        self, column: str, passages: Sequence[Passage], known: Mapping[str, Vectors], *, allow_zero: bool = False
    ) -> Vectors:
        """Return the passages' vectors for a column, out of the `known` ones of its base's column if they are there."""
        encoder, base = self._encoders[column], self._bases.get(column)
        texts, languages = [passage.full_text for passage in passages], [passage.language for passage in passages]
        if base is not None and base.column in known:
            return base.encoder.through(base.head, known[base.column], "document", texts, languages)
        # The encoder's cache saves a small corpus that was audited before; a large one would fill the disk twice.
        keep = self._table.count_rows() < EXACT_BELOW
        return encoder.encode(texts, "document", languages, keep=keep, allow_zero=allow_zero)

    def _snapshot(self) -> Snapshot:
        """Return the table's present state, which can be read while the table is written."""
        table = open_table(connect(self._folder), self._folder)
        table.checkout(self._table.version)
        return Snapshot(table)


class _Base(NamedTuple):
    """The model that another one consists of.

    Attributes:
        column: The column of its vectors.
        encoder: The encoder of the other.
        head: The modules that the other has on top.
    """

    column: str
    encoder: Encoder
    head: list[Any]


def _bases(encoders: Mapping[str, TextEncoder]) -> dict[str, _Base]:
    """Return column -> the base of its model, of those that have one in the index."""
    from isoglot.encoders.encoder import Encoder

    models = {column: encoder for column, encoder in encoders.items() if isinstance(encoder, Encoder)}
    bases: dict[str, _Base] = {}
    for column, encoder in models.items():
        for other_column, other in models.items():
            if head := encoder.head_beyond(other):
                bases.setdefault(column, _Base(other_column, encoder, head))
    return bases


def load_encoders(
    paths: Mapping[str, str], prompts: Mapping[str, Mapping[str, str]], device: str, trust_remote_code: bool
) -> list[Encoder | RetrieverEncoder]:
    """Load the encoders of models.

    Args:
        paths: Name of a model -> where it is loaded from.
        prompts: Name of a model -> the prompts that the user chose for it, by role.
        device: ``auto`` or a torch device.
        trust_remote_code: Whether code inside a model's repository may run.
    """
    from isoglot.indexing.encoders import load_text_encoder

    return [
        load_text_encoder(
            path, name, device=device, trust_remote_code=trust_remote_code, prompts=prompts.get(name) or {}
        )
        for name, path in paths.items()
    ]


def corpus_names(table: Any) -> list[str]:
    """Return the names of the corpora that a table holds."""
    return sorted(name.decode() for name in table.schema.field("corpus").metadata or {})


def _schema(encoders: Sequence[TextEncoder], paths: Mapping[str, str], splitter: Splitter) -> pa.Schema:
    lengths = {"tokens": str(splitter.tokens), "overlap": str(splitter.overlap)}
    text = PASSAGE_SCHEMA.field("text").with_metadata(lengths)
    schema = PASSAGE_SCHEMA.set(PASSAGE_SCHEMA.get_field_index("text"), text)
    for number, encoder in enumerate(encoders):
        schema = schema.append(vector_field(encoder, paths[encoder.name], number, ready=True))
    return schema


def _splitter(table: Any | None, encoders: Sequence[TextEncoder], tokens: int | None, overlap: int | None) -> Splitter:
    """Make a splitter with the lengths of the table; for a new one, passages as long as all models read."""
    if table is None:
        limit = min((encoder.max_length for encoder in encoders if encoder.max_length), default=MAX_TOKENS)
        tokens = min(limit, MAX_TOKENS) if tokens is None else tokens
        overlap = tokens // 8 if overlap is None else overlap
    else:
        metadata = table.schema.field("text").metadata
        stored = int(metadata[b"tokens"]), int(metadata[b"overlap"])
        tokens, overlap = (stored[0] if tokens is None else tokens), (stored[1] if overlap is None else overlap)
        if (tokens, overlap) != stored:
            raise IsoglotError(
                f"the index has passages of {stored[0]} tokens, {stored[1]} of overlap; make another index"
            )
    for encoder in encoders:
        if encoder.max_length and encoder.max_length < tokens:
            log.warning("%s reads %d tokens: it does not see the ends of passages", encoder.name, encoder.max_length)
    first = encoders[0]
    return Splitter(first.tokenizer("document"), tokens, overlap, first.prompts["document"].text)


def _numbered(passages: Sequence[Passage]) -> list[Passage]:
    """Number the passages of each document again, from 1, where some of them were left out."""
    parts = Counter(passage.document_id for passage in passages)
    numbers: Counter[str] = Counter()
    numbered = []
    for passage in passages:
        numbers[passage.document_id] += 1
        part = numbers[passage.document_id]
        name = f"{passage.document_id}#{part}"
        numbered.append(replace(passage, id=name, part=part, parts=parts[passage.document_id]))
    return numbered


def _as_column(vectors: Vectors) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])


def _batches(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
