"""Index: a folder with passages in several languages and the vectors of one or more models, to be searched."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING

import numpy as np

from isoglot.indexing.ann import is_approximate, nearest
from isoglot.indexing.checksums import check_files
from isoglot.indexing.explaining import explain_hits
from isoglot.indexing.languages import TextLanguage, language_filter, text_language
from isoglot.indexing.passages import PASSAGE_COLUMNS, Hit, Passage, passage_from_row, passage_key
from isoglot.indexing.snapshot import Snapshot, StoredModel, unfinished_corpora
from isoglot.indexing.tables import (
    TABLE,
    UnreadableIndexError,
    connect,
    open_table,
    read_errors_explained,
    sql_literal,
    version_of,
)
from isoglot.platform.arrays import Floats, Ints, RowIds, Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.platform.languages import canonical
from isoglot.ranking.balance import compared, order, parse_balance, scaling_notes, top

if TYPE_CHECKING:
    from isoglot.encoders.encoder import Encoder
    from isoglot.indexing.encoders import RetrieverEncoder

log = logging.getLogger("isoglot")


class Index:
    """An index of passages and vectors that `isoglot index` made, open for search.

    Several threads may read it while another process writes to it: each call sees the last commit.

    Args:
        folder: Folder of the index, or an address on object storage (``s3://...``).

    Raises:
        IsoglotError: There is no index, or it is damaged.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = str(folder)
        self._lock = RLock()
        self._sound_files: set[str] = set()
        self._database = connect(self.folder)
        check_files(self.folder, self._sound_files)
        self._latest = open_table(self._database, self.folder)
        self._current: Snapshot | None = None
        self._current_version = (0, 0)
        self._encoders: dict[str, Encoder | RetrieverEncoder] = {}
        for corpus in self.unfinished:
            log.warning("%s: not all of %s is in it; run the same `isoglot index` again to finish it", folder, corpus)

    def __len__(self) -> int:
        return self.snapshot().count

    @property
    def version(self) -> int:
        """Number of the last commit; it grows with each."""
        return self.snapshot().version

    @property
    def models(self) -> list[str]:
        """Names of the models whose vectors are complete, in the order in which they were added."""
        return [model.name for model in self.snapshot().models if model.ready]

    @property
    def unfinished(self) -> list[str]:
        """Names of the corpora whose indexing has not finished."""
        return unfinished_corpora(self.snapshot().table.schema)

    @property
    def languages(self) -> dict[str, int]:
        """Canonical tag -> number of passages in the language, sorted by tag."""
        return dict(self.snapshot().language_counts)

    def snapshot(self) -> Snapshot:
        """Return the last committed state."""
        with self._lock:
            version = version_of(self._latest, self.folder)
            if self._current is None or self._current_version != version:
                check_files(self.folder, self._sound_files)
                with read_errors_explained():
                    table = self._database.open_table(TABLE)
                    table.checkout(version[0])
                self._current, self._current_version = Snapshot(table), version
            return self._current

    def last_snapshot(self) -> Snapshot:
        """Return the last committed state that could be read, whose models and language counts are known.

        While the index is removed or damaged it is an earlier one than that of `snapshot`, and its passages cannot be
        read either.

        Raises:
            UnreadableIndexError: The index cannot be read, and never could.
        """
        try:
            return self.snapshot()
        except UnreadableIndexError:
            if self._current is None:
                raise
            return self._current

    def load_encoder(
        self,
        model: str | None = None,
        *,
        device: str = "auto",
        trust_remote_code: bool = False,
        query_prompt: str | None = None,
    ) -> Encoder | RetrieverEncoder:
        """Load the encoder of a model of the index; a second call returns the same one.

        Args:
            model: One of `models`; None: the first.
            device: ``auto`` or a torch device.
            trust_remote_code: Whether code inside the model's repository may run.
            query_prompt: Prompt put before questions from now on: its text, or its name in the model. None: the one
                with which the model was indexed.

        Raises:
            IsoglotError: The index has no such model, it cannot be loaded, or it has changed since it was indexed.
        """
        from isoglot.indexing.encoders import load_text_encoder

        stored = self.snapshot().model(model)
        with self._lock:
            encoder = self._encoders.get(stored.column)
            if encoder is None or query_prompt is not None:
                asked = {} if query_prompt is None else {"query": query_prompt}
                encoder = self._encoders[stored.column] = load_text_encoder(
                    stored.path,
                    stored.name,
                    device=device,
                    trust_remote_code=trust_remote_code,
                    prompts={**stored.prompts, **asked},
                )
        if encoder.signature("document") != stored.signature:
            raise IsoglotError(f"model {stored.name!r} has changed since it was indexed; run `isoglot index` again")
        return encoder

    def text_language(self, text: str, given: str | None = None) -> TextLanguage:
        """Return the language in which a text is encoded: the given one, else the detected one, else the largest.

        Args:
            text: Question or document.
            given: Language in any spelling; None: detected.

        Raises:
            IsoglotError: `given` is not a known language.
        """
        return text_language(text, self.snapshot().language_counts, given)

    def language_filter(self, languages: Sequence[str] | None) -> list[str] | None:
        """Return the index's tags of the languages that a search is limited to, each once; None: all languages.

        Args:
            languages: Tags in any spelling; None or empty: all languages.

        Raises:
            IsoglotError: A language is unknown, or the index has no passage in it.
        """
        return language_filter(languages, self.snapshot().language_counts)

    def scaling_notes(self, balance: str, languages: Sequence[str] | None = None) -> tuple[str, ...]:
        """Return notes on what a ``scaled`` search of these languages cannot know; none with other balances.

        Args:
            balance: As in `search`.
            languages: Languages to search in; None or empty: all.

        Raises:
            IsoglotError: A language or the balance is unknown.
        """
        counts = self.snapshot().language_counts
        searched = language_filter(languages, counts)
        return scaling_notes([counts if searched is None else {tag: counts[tag] for tag in searched}], balance)

    def search(
        self,
        question: str,
        *,
        k: int = 10,
        model: str | None = None,
        language: str | None = None,
        languages: Sequence[str] | None = None,
        balance: str = "none",
        explain: bool = False,
    ) -> list[Hit]:
        """Return the passages nearest to a question, best first.

        Args:
            question: Question, in any language.
            k: Largest number of hits.
            model: One of `models`; None: the first.
            language: Language of the question; None: detected. It matters for a model with a language module, and for a
                balance that prefers the question's language.
            languages: Languages to search in; None or empty: all.
            balance: ``none`` (by score), ``equal`` (languages take turns), ``proportional`` (each language gets its
                share of the corpus) or ``scaled`` (by score minus the usual score of the passage's language).
            explain: Whether to explain the rank of each hit.

        Returns:
            At most `k` hits.

        Raises:
            IsoglotError: The question is blank, or a model, language or balance is unknown.
        """
        if not question.strip():
            raise IsoglotError("the question is empty")
        encoder = self.load_encoder(model)
        tag = self.text_language(question, language).tag
        vector = encoder.encode([question], "query", [tag])[0]
        return self.search_vector(
            vector,
            model=encoder.name,
            k=k,
            language=tag,
            languages=languages,
            balance=balance,
            question=question if explain else None,
        )

    def search_vector(
        self,
        vector: Vectors,
        *,
        model: str | None = None,
        k: int = 10,
        language: str | None = None,
        languages: Sequence[str] | None = None,
        balance: str = "none",
        question: str | None = None,
    ) -> list[Hit]:
        """Return the passages nearest to the vector of a question, best first.

        Args:
            vector: Vector (d,) of unit length, as the model encodes a query.
            model: One of `models`; None: the first.
            k: Largest number of hits.
            language: Canonical tag of the question's language, which a balance may prefer; None: unknown.
            languages: Languages to search in; None or empty: all.
            balance: As in `search`.
            question: Text of the question, for explanations; None: no explanations.

        Returns:
            At most `k` hits.

        Raises:
            IsoglotError: A model, language or balance is unknown, or the vector has another dimension.
        """
        snapshot = self.snapshot()
        stored = _check_search(snapshot, model, vector, k, balance)
        tags = language_filter(languages, snapshot.language_counts)
        if question is None and is_approximate(snapshot, stored, balance):
            found = nearest(snapshot, stored, vector, languages=tags, balance=balance, k=k, query_language=language)
            return _hits(snapshot, *found)
        arrays = snapshot.arrays
        scores = snapshot.scores(stored, vector)
        searched = _positions_in(snapshot, tags)
        numbers, sizes = arrays.language_numbers[searched], arrays.language_sizes
        own = _number(arrays.language_tags, language)
        ordering, by = compared(scores[searched], numbers, sizes, balance, own)
        first = top(ordering, numbers, sizes, by, k)
        best = searched[first]
        hits = _hits(snapshot, arrays.row_ids[best], scores[best], ordering[first] if by != balance else None)
        if question is None:
            return hits
        return explain_hits(snapshot, hits, positions=best, searched=searched, scores=scores, question=question)

    def rank_of(
        self,
        passage_ids: Sequence[str],
        vector: Vectors,
        *,
        model: str | None = None,
        language: str | None = None,
        languages: Sequence[str] | None = None,
        balance: str = "none",
    ) -> dict[str, int]:
        """Compute the exact ranks of passages in the list that `search_vector` would return without a limit.

        Args:
            passage_ids: Ids of passages.
            vector: As in `search_vector`.
            model: As in `search_vector`.
            language: As in `search_vector`.
            languages: As in `search_vector`.
            balance: As in `search`.

        Returns:
            Passage id -> rank, from 1. Unknown ids and those of languages outside `languages` are left out.

        Raises:
            IsoglotError: As `search_vector`.
        """
        snapshot = self.snapshot()
        stored = _check_search(snapshot, model, vector, 1, balance)
        searched = _positions_in(snapshot, language_filter(languages, snapshot.language_counts))
        arrays = snapshot.arrays
        scores = snapshot.scores(stored, vector)[searched]
        own = _number(arrays.language_tags, language)
        ordered = order(scores, arrays.language_numbers[searched], arrays.language_sizes, balance, own)
        ranks = np.empty(len(searched), dtype=np.int64)
        ranks[ordered] = np.arange(1, len(searched) + 1)
        searched_keys = arrays.keys[searched]
        keys = np.array([passage_key(passage_id) for passage_id in passage_ids], dtype=np.uint64)
        positions = np.searchsorted(searched_keys, keys)
        return {
            passage_id: int(ranks[position])
            for passage_id, key, position in zip(passage_ids, keys, positions, strict=True)
            if position < len(searched_keys) and searched_keys[position] == key
        }

    def get(self, passage_id: str) -> Passage | None:
        """Return the passage with this id; None if there is none."""
        return next(self._passages_where(f"id = {sql_literal(passage_id)}"), None)

    def passages(self, language: str | None = None, limit: int = 20, offset: int = 0) -> list[Passage]:
        """Return passages in the order in which they are stored.

        Args:
            language: Language of the passages; None: all languages.
            limit: Largest number of passages.
            offset: Number of passages to skip.

        Raises:
            IsoglotError: The language is unknown.
        """
        query = self.snapshot().table.search().select(list(PASSAGE_COLUMNS))
        if language is not None:
            query = query.where(f"language = {sql_literal(canonical(language))}")
        return [passage_from_row(row) for row in query.limit(limit).offset(offset).to_list()]

    def twins(self, passage: Passage) -> list[Passage]:
        """Return the passages in other languages with the same content, sorted by language."""
        return self.twins_of([passage])[passage.id]

    def twins_of(self, passages: Sequence[Passage]) -> dict[str, list[Passage]]:
        """Return the twins of several passages, by passage id.

        Of a translation in several parts, the twin is the part at the same relative position, which is a guess.

        Args:
            passages: Passages of the index.
        """
        contents = {passage.content_id for passage in passages if passage.content_id is not None}
        by_content: dict[str | None, list[Passage]] = defaultdict(list)
        if contents:
            for twin in self._passages_where(f"content_id IN ({', '.join(map(sql_literal, sorted(contents)))})"):
                by_content[twin.content_id].append(twin)
        return {
            passage.id: sorted(
                (twin for twin in by_content[passage.content_id] if _are_twins(passage, twin)),
                key=lambda twin: (twin.language, twin.id),
            )
            for passage in passages
        }

    def sample_vectors(self, model: str, n: int, seed: int = 0) -> tuple[list[str], list[str], Vectors]:
        """Draw passages at random, the same ones for every model.

        Args:
            model: One of `models`.
            n: Largest number of passages.
            seed: Random seed for the choice.

        Returns:
            Ids, languages and vectors (m, d) of m passages.
        """
        snapshot = self.snapshot()
        stored = snapshot.model(model)
        row_ids = snapshot.arrays.row_ids
        chosen = row_ids[np.sort(np.random.default_rng(seed).permutation(len(row_ids))[:n])]
        passages = snapshot.passages_of(chosen)
        return (
            [passage.id for passage in passages],
            [passage.language for passage in passages],
            snapshot.vectors_of(stored, chosen),
        )

    def sample(self, language: str, n: int) -> list[Passage]:
        """Return passages of a language, chosen by hashes of their ids: always the same ones.

        Args:
            language: One of `languages`.
            n: Largest number of passages.
        """
        snapshot = self.snapshot()
        arrays = snapshot.arrays
        positions = np.flatnonzero(arrays.language_numbers == arrays.language_tags.index(language))[:n]
        return snapshot.passages_of(arrays.row_ids[positions])

    def vectors(self, model: str, passages: Sequence[Passage]) -> Vectors:
        """Return the vectors of passages.

        Args:
            model: One of `models`.
            passages: m passages of the index.

        Returns:
            Vectors (m, d).

        Raises:
            IsoglotError: The index has no such model.
        """
        snapshot = self.snapshot()
        arrays = snapshot.arrays
        keys = np.array([passage_key(passage.id) for passage in passages], dtype=np.uint64)
        return snapshot.vectors_of(snapshot.model(model), arrays.row_ids[np.searchsorted(arrays.keys, keys)])

    def _passages_where(self, condition: str) -> Iterator[Passage]:
        for batch in self.snapshot().scan(PASSAGE_COLUMNS, condition):
            yield from map(passage_from_row, batch.to_pylist())


def _check_search(snapshot: Snapshot, model: str | None, vector: Vectors, k: int, balance: str) -> StoredModel:
    """Check the arguments of a search, and find its model."""
    parse_balance(balance)
    if k < 1:
        raise IsoglotError(f"k is {k}; it must be at least 1")
    stored = snapshot.model(model)
    if vector.shape != (stored.dimension,):
        raise IsoglotError(f"the vector has shape {vector.shape}; those of {stored.name} have ({stored.dimension},)")
    return stored


def _positions_in(snapshot: Snapshot, tags: list[str] | None) -> Ints:
    """Return the positions in the snapshot's arrays of the passages in these languages; None: all."""
    arrays = snapshot.arrays
    if tags is None:
        return np.arange(len(arrays.keys))
    numbers = [arrays.language_tags.index(tag) for tag in tags]
    return np.flatnonzero(np.isin(arrays.language_numbers, numbers))


def _number(tags: Sequence[str], language: str | None) -> int | None:
    """The position of a language among tags; None if it is not among them."""
    return tags.index(language) if language in tags else None


def _hits(snapshot: Snapshot, row_ids: RowIds, scores: Vectors, scaled: Floats | None) -> list[Hit]:
    passages = snapshot.passages_of(row_ids)
    found = zip(scores, passages, [None] * len(passages) if scaled is None else scaled.tolist(), strict=True)
    return [
        Hit(rank, float(score), passage, scaled=scaled_score)
        for rank, (score, passage, scaled_score) in enumerate(found, start=1)
    ]


def _are_twins(passage: Passage, other: Passage) -> bool:
    """Whether a passage with the same content is in another language and at the same relative position."""
    if other.language == passage.language:
        return False
    return other.part == 1 + int((passage.part - 0.5) / passage.parts * other.parts)
