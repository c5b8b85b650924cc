"""Index: a folder with passages of several languages and the vectors of one or more models, to be searched."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING

import numpy as np

from isoglot.indexing.ann import has_ann, nearest
from isoglot.indexing.explaining import explain_hits
from isoglot.indexing.passages import PASSAGE_COLUMNS, Hit, Passage, from_row, key_of
from isoglot.indexing.snapshot import EXACT_BELOW, Snapshot, StoredModel
from isoglot.indexing.tables import TABLE, connect, open_table, quoted
from isoglot.platform.arrays import Ints, RowIds, Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.platform.languages import canonical, detect
from isoglot.ranking.balance import check_balance, order, top

if TYPE_CHECKING:
    from isoglot.encoders.encoder import Encoder


class Index:
    """A stored corpus. Reading is safe from several threads and while others write: each call sees the last commit.

    Args:
        folder: Where it is: a folder, or an address that LanceDB knows (``s3://...``).

    Raises:
        IsoglotError: There is no index.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = str(folder)
        self._lock = RLock()
        self._database = connect(self.folder)
        self._latest = open_table(self._database, self.folder)
        self._current: Snapshot | None = None
        self._encoders: dict[str, Encoder] = {}

    @classmethod
    def open(cls, folder: str | Path) -> Index:
        """The index in `folder`.

        Raises:
            IsoglotError: There is no index.
        """
        return cls(folder)

    def __len__(self) -> int:
        return self.snapshot().count

    @property
    def version(self) -> int:
        """Grows with each commit."""
        return self.snapshot().version

    @property
    def models(self) -> list[str]:
        """The names of the models whose vectors are complete, in the order in which they were added."""
        return [stored.name for stored in self.snapshot().stored if stored.ready]

    @property
    def languages(self) -> dict[str, int]:
        """Canonical tag -> number of passages, by tag."""
        return dict(self.snapshot().language_counts)

    def snapshot(self) -> Snapshot:
        """The last committed state."""
        with self._lock:
            version = self._latest.version
            if self._current is None or self._current.version != version:
                table = self._database.open_table(TABLE)
                table.checkout(version)
                self._current = Snapshot(table)
            return self._current

    def load_encoder(
        self, model: str | None = None, *, device: str = "auto", trust_remote_code: bool = False
    ) -> Encoder:
        """The encoder of one of the index's models (None: the first), loaded once.

        Raises:
            IsoglotError: The index has no such model, it cannot be loaded, or it has changed since it was indexed.
        """
        from isoglot.encoders.encoder import Encoder
        from isoglot.encoders.sentence_transformer import load_model
        from isoglot.indexing.models import signature_of

        stored = self.snapshot().model(model)
        with self._lock:
            encoder = self._encoders.get(stored.column)
            if encoder is None:
                loaded = load_model(stored.path, device=device, trust_remote_code=trust_remote_code)
                encoder = self._encoders[stored.column] = Encoder(loaded, stored.name)
        if signature_of(encoder) != stored.signature:
            raise IsoglotError(f"model {stored.name!r} has changed since it was indexed; run `isoglot index` again")
        return encoder

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
        """The passages nearest to a question, best first.

        Args:
            question: In any language.
            k: How many at most.
            model: One of `models`; None: the first.
            language: Of the question; None: detected. Only a model with a language module heeds it.
            languages: Find passages of these languages only.
            balance: ``none``; ``equal``: the languages take turns; ``proportional``: each has its share of the corpus.
            explain: Whether each hit says why it stands there.

        Raises:
            IsoglotError: The question is blank, or a model, language or balance is unknown.
        """
        if not question.strip():
            raise IsoglotError("the question is empty")
        encoder = self.load_encoder(model)
        among = self.languages
        tag = canonical(language) if language else detect([question], frozenset(among))[0]
        tag = tag or max(among, key=lambda known: among[known], default="en")
        vector = encoder.encode([question], "query", [tag])[0]
        return self.search_vector(
            vector,
            model=encoder.name,
            k=k,
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
        languages: Sequence[str] | None = None,
        balance: str = "none",
        question: str | None = None,
    ) -> list[Hit]:
        """As `search`, for the vector (d,) of a question, of unit length.

        Args:
            vector: As the model encodes a query.
            model: One of `models`; None: the first.
            k: How many at most.
            languages: Find passages of these languages only.
            balance: As in `search`.
            question: Its text, where hits shall be explained; None: no explanation.

        Raises:
            IsoglotError: A model, language or balance is unknown, or the vector has another dimension.
        """
        snapshot = self.snapshot()
        stored = _checked(snapshot, model, vector, k, balance)
        asked = _canonical(snapshot, languages)
        if question is None and snapshot.count >= EXACT_BELOW and has_ann(snapshot, stored):
            return _hits(snapshot, *nearest(snapshot, stored, vector, asked, balance, k))
        all_scores = snapshot.scores(stored, vector)
        chosen = _within(snapshot, asked)
        rows = snapshot.rows
        best = chosen[top(all_scores[chosen], rows.languages[chosen], rows.sizes, balance, k)]
        hits = _hits(snapshot, rows.rowids[best], all_scores[best])
        return hits if question is None else explain_hits(snapshot, hits, best, all_scores, chosen, question)

    def rank_of(
        self,
        passage_ids: Sequence[str],
        vector: Vectors,
        *,
        model: str | None = None,
        languages: Sequence[str] | None = None,
        balance: str = "none",
    ) -> dict[str, int]:
        """Id -> its exact rank, from 1, in the list that `search_vector` would give without a limit.

        Unknown ids and those of other languages than `languages` are left out.

        Raises:
            IsoglotError: As `search_vector`.
        """
        snapshot = self.snapshot()
        stored = _checked(snapshot, model, vector, 1, balance)
        chosen = _within(snapshot, _canonical(snapshot, languages))
        rows = snapshot.rows
        ordered = order(snapshot.scores(stored, vector)[chosen], rows.languages[chosen], rows.sizes, balance)
        ranks = np.empty(len(chosen), dtype=np.int64)
        ranks[ordered] = np.arange(1, len(chosen) + 1)
        keys = rows.keys[chosen]
        wanted = np.array([key_of(passage_id) for passage_id in passage_ids], dtype=np.uint64)
        places = np.searchsorted(keys, wanted)
        return {
            passage_id: int(ranks[place])
            for passage_id, key, place in zip(passage_ids, wanted, places, strict=True)
            if place < len(keys) and keys[place] == key
        }

    def get(self, passage_id: str) -> Passage | None:
        """The passage with this id, if there is one."""
        return next(self._where(f"id = {quoted(passage_id)}"), None)

    def passages(self, language: str | None = None, limit: int = 20, offset: int = 0) -> list[Passage]:
        """Passages as they are stored, to be looked through.

        Args:
            language: Of this language only; None: of all.
            limit: How many at most.
            offset: How many to pass over.

        Raises:
            IsoglotError: The language is unknown.
        """
        query = self.snapshot().table.search().select(list(PASSAGE_COLUMNS))
        if language is not None:
            query = query.where(f"language = {quoted(canonical(language))}")
        return [from_row(row) for row in query.limit(limit).offset(offset).to_list()]

    def twins(self, passage: Passage) -> list[Passage]:
        """The passages in other languages with the same content, by language."""
        return self.twins_of([passage])[passage.id]

    def twins_of(self, passages: Sequence[Passage]) -> dict[str, list[Passage]]:
        """Id of each passage -> its twins.

        Of a translation in several parts it is the one at the same place of the text, which is a guess.
        """
        contents = {passage.content_id for passage in passages if passage.content_id is not None}
        found: dict[str | None, list[Passage]] = defaultdict(list)
        if contents:
            for twin in self._where(f"content_id IN ({', '.join(map(quoted, sorted(contents)))})"):
                found[twin.content_id].append(twin)
        return {
            passage.id: sorted(
                (twin for twin in found[passage.content_id] if _same_place(passage, twin)),
                key=lambda twin: (twin.language, twin.id),
            )
            if passage.content_id is not None
            else []
            for passage in passages
        }

    def sample_vectors(self, model: str, n: int, seed: int = 0) -> tuple[list[str], list[str], Vectors]:
        """Ids, languages and (m, d) vectors of at most `n` passages, chosen by seed, the same for every model."""
        snapshot = self.snapshot()
        stored = snapshot.model(model)
        rows = snapshot.rows
        chosen = np.sort(np.random.default_rng(seed).permutation(len(rows.keys))[:n])
        rowids = rows.rowids[chosen]
        passages = snapshot.passages_of(rowids)
        return (
            [passage.id for passage in passages],
            [passage.language for passage in passages],
            snapshot.vectors_of(stored, rowids),
        )

    def _where(self, condition: str) -> Iterator[Passage]:
        for batch in self.snapshot().scan(PASSAGE_COLUMNS, condition):
            yield from map(from_row, batch.to_pylist())


def _checked(snapshot: Snapshot, model: str | None, vector: Vectors, k: int, balance: str) -> StoredModel:
    check_balance(balance)
    if k < 1:
        raise IsoglotError(f"k is {k}; it must be at least 1")
    stored = snapshot.model(model)
    if vector.shape != (stored.dimension,):
        raise IsoglotError(f"the vector has shape {vector.shape}; those of {stored.name} have ({stored.dimension},)")
    return stored


def _canonical(snapshot: Snapshot, languages: Sequence[str] | None) -> list[str] | None:
    """The asked languages as canonical tags that the index has."""
    if languages is None:
        return None
    tags = [canonical(tag) for tag in languages]
    missing = [tag for tag in tags if tag not in snapshot.language_counts]
    if missing:
        has = ", ".join(snapshot.language_counts)
        raise IsoglotError(f"the index has no passage in {', '.join(missing)}; it has {has}")
    return tags


def _within(snapshot: Snapshot, languages: list[str] | None) -> Ints:
    """The positions in `rows` of the passages of these languages."""
    rows = snapshot.rows
    if languages is None:
        return np.arange(len(rows.keys))
    return np.flatnonzero(np.isin(rows.languages, [rows.tags.index(tag) for tag in languages]))


def _hits(snapshot: Snapshot, rowids: RowIds, scores: Vectors) -> list[Hit]:
    passages = snapshot.passages_of(rowids)
    return [
        Hit(rank, float(score), passage)
        for rank, (score, passage) in enumerate(zip(scores, passages, strict=True), start=1)
    ]


def _same_place(passage: Passage, other: Passage) -> bool:
    if other.language == passage.language:
        return False
    return other.part == 1 + int((passage.part - 0.5) / passage.parts * other.parts)
