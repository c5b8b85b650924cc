"""What trained methods are shown: triplets and quads of rows, and batches that hold a content once."""

from __future__ import annotations

import logging
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sentence_transformers.base.sampler import DefaultBatchSampler

from isoglot.errors import IsoglotError
from isoglot.rows.row import Row

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Triplet:
    """(q_en, p_en, p_tgt): an English query, its English document, and that document in a target language.

    `query_translation` is the query in the target language, or in English where the row has no other.
    """

    content_id: str
    query: str
    query_translation: str
    document: str
    translation: str


def triplets(rows: Sequence[Row], pivot: str = "en") -> list[Triplet]:
    """A triplet for each row with query and document in `pivot` and each of its other document languages.

    Warns of languages that are in no triplet.

    Raises:
        IsoglotError: No row has what a triplet needs.
    """
    found = [
        (
            language,
            Triplet(
                row.content_id,
                row.query[pivot],
                row.query.get(language, row.query[pivot]),
                row.document[pivot],
                row.document[language],
            ),
        )
        for row in rows
        if pivot in row.query and pivot in row.document
        for language in sorted(row.document)
        if language != pivot
    ]
    if not found:
        raise IsoglotError("no row has an English query, its English document and a translation of the document")
    _warn_of_untrained(rows, {pivot, *(language for language, _ in found)}, "an English query and document beside its")
    return [triplet for _, triplet in found]


@dataclass(frozen=True)
class Quad:
    """An English query and document, and both in a target language."""

    content_id: str
    query: str
    query_translation: str
    document: str
    translation: str


QUAD_ROLES = {"query": "query", "query_translation": "query", "document": "document", "translation": "document"}
"""A quad's texts, as columns, and what each is encoded as."""


def quads(rows: Sequence[Row], pivot: str = "en") -> list[Quad]:
    """A quad for each row and each language other than `pivot` in which both query and document are there.

    Warns of languages that are in no quad.

    Raises:
        IsoglotError: No row has what a quad needs.
    """
    found = [
        (
            language,
            Quad(row.content_id, row.query[pivot], row.query[language], row.document[pivot], row.document[language]),
        )
        for row in rows
        if pivot in row.query and pivot in row.document
        for language in sorted(set(row.query) & set(row.document) - {pivot})
    ]
    if not found:
        raise IsoglotError("no row has query and document both in English and in another language")
    _warn_of_untrained(rows, {pivot, *(language for language, _ in found)}, "query and document in English beside its")
    return [quad for _, quad in found]


def _warn_of_untrained(rows: Iterable[Row], trained: set[str], need: str) -> None:
    left = sorted({language for row in rows for language in row.languages} - trained)
    if left:
        logger.warning("%s: not trained, since no row has %s text", ", ".join(left), need)


def content_batches(content_ids: Sequence[str], batch_size: int, seed: int, processes: int = 1) -> list[list[int]]:
    """Positions 0..n-1 in batches that hold each content id at most once, so that no translation is a negative.

    Each round takes one item of every content that has one left and cuts the round into batches of even size. Batches
    of a single content, which hold no negative, are left out; so is what of a round does not divide by `processes`.

    Args:
        content_ids: Of n items.
        batch_size: The largest batch; at least `processes`.
        seed: Of the order of contents and of each content's items.
        processes: The size of every batch is a multiple of it, so that each process has an equal part.
    """
    generator = random.Random(seed)
    items: dict[str, list[int]] = defaultdict(list)
    for position, content in enumerate(content_ids):
        items[content].append(position)
    for found in items.values():
        generator.shuffle(found)
    batches = []
    while items:
        contents = list(items)
        generator.shuffle(contents)
        taken = [items[content].pop() for content in contents]
        groups = [taken[start : start + processes] for start in range(0, len(taken) - processes + 1, processes)]
        count = -(-len(groups) // (batch_size // processes))
        for part in range(count):
            batch = [position for group in groups[part::count] for position in group]
            if len(batch) > 1:
                batches.append(batch)
        items = {content: left for content, left in items.items() if left}
    return batches


class ContentBatchSampler(DefaultBatchSampler):  # type: ignore[misc]
    """`content_batches` as the trainer takes them; another order in each epoch.

    Args:
        content_ids: Of all items.
        batch_size: The largest batch of all processes together.
        seed: Of the first epoch's order.
        processes: How many train together.
        process: Which of them this is; it gets its part of each batch.
    """

    def __init__(
        self, content_ids: Sequence[str], batch_size: int, seed: int, *, processes: int = 1, process: int = 0
    ) -> None:
        super().__init__(range(len(content_ids)), batch_size=batch_size, drop_last=False)
        self._content_ids, self._seed = content_ids, seed
        self._processes, self._process = processes, process

    def _batches(self) -> list[list[int]]:
        return content_batches(self._content_ids, self.batch_size, self._seed + (self.epoch or 0), self._processes)

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self._batches():
            size = len(batch) // self._processes
            yield batch[self._process * size : (self._process + 1) * size]

    def __len__(self) -> int:
        return len(self._batches())

    @property
    def left_out(self) -> int:
        """How many items are in no batch of an epoch."""
        return len(self._content_ids) - sum(map(len, self._batches()))
