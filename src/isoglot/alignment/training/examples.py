"""What trained methods are shown: triplets and quads of rows, and batches that hold a content once."""

from __future__ import annotations

import logging
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass

from sentence_transformers.base.sampler import DefaultBatchSampler

from isoglot.platform.errors import IsoglotError
from isoglot.training_data.row import Row

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Example:
    """A query and its document, each in English and in a target language."""

    content_id: str
    query: str
    query_translation: str
    document: str
    translation: str


ROLES_OF_TEXTS = {"query": "query", "query_translation": "query", "document": "document", "translation": "document"}
"""An example's texts, as columns, and what each is encoded as."""


def triplets(rows: Sequence[Row], pivot: str = "en") -> list[Example]:
    """(q_en, p_en, p_tgt): an example for each row with query and document in `pivot` and each further document.

    Where the query is not in the target language, its translation is the query itself. Warns of languages that are in
    no triplet.

    Raises:
        IsoglotError: No row has what a triplet needs.
    """
    found = _examples(rows, pivot, lambda row: row.document.keys(), "an English query and document beside its")
    if not found:
        raise IsoglotError("no row has an English query, its English document and a translation of the document")
    return found


def quads(rows: Sequence[Row], pivot: str = "en") -> list[Example]:
    """An example for each row and each language other than `pivot` in which both query and document are there.

    Warns of languages that are in no quad.

    Raises:
        IsoglotError: No row has what a quad needs.
    """
    found = _examples(
        rows, pivot, lambda row: row.query.keys() & row.document.keys(), "query and document in English beside its"
    )
    if not found:
        raise IsoglotError("no row has query and document both in English and in another language")
    return found


def _examples(rows: Sequence[Row], pivot: str, targets: Callable[[Row], Set[str]], need: str) -> list[Example]:
    found: list[Example] = []
    trained = {pivot}
    for row in rows:
        if pivot in row.query and pivot in row.document:
            query, document = row.query[pivot], row.document[pivot]
            for language in sorted(targets(row) - {pivot}):
                trained.add(language)
                translation = row.query.get(language, query)
                found.append(Example(row.content_id, query, translation, document, row.document[language]))
    left = sorted({language for row in rows for language in row.languages} - trained)
    if left and found:
        logger.warning("%s: not trained, since no row has %s text", ", ".join(left), need)
    return found


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
