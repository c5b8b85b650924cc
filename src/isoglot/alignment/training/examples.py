"""What trained methods see: triplets and quads of rows, in batches that hold each content once."""

from __future__ import annotations

import logging
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass

from sentence_transformers.base.sampler import DefaultBatchSampler

from isoglot.platform.errors import IsoglotError
from isoglot.training_data.groups import answer_groups
from isoglot.training_data.row import Row

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Example:
    """A query and its document, each in English and in a target language.

    Attributes:
        group: The contents that answer its query, or queries on them (`isoglot.training_data.groups`).
    """

    group: str
    query: str
    query_translation: str
    document: str
    translation: str


ROLES_OF_TEXTS = {"query": "query", "query_translation": "query", "document": "document", "translation": "document"}
"""The texts of an example, as columns, and the role in which each is encoded."""


def triplets(rows: Sequence[Row], pivot: str = "en") -> list[Example]:
    """Triplets (q_en, p_en, p_tgt): an example for each row with query and document in `pivot` and each other document.

    Where a row has no query in the target language, the query itself stands for its translation. Languages that are in
    no triplet are named in a warning.

    Raises:
        IsoglotError: No row has what a triplet needs.
    """
    examples = _examples(rows, pivot, lambda row: row.document.keys(), "an English query and document beside its")
    if not examples:
        raise IsoglotError("no row has an English query, its English document and a translation of the document")
    return examples


def quads(rows: Sequence[Row], pivot: str = "en") -> list[Example]:
    """Quads: an example for each row and each language other than `pivot` that has both query and document.

    Languages that are in no quad are named in a warning.

    Raises:
        IsoglotError: No row has what a quad needs.
    """
    examples = _examples(
        rows, pivot, lambda row: row.query.keys() & row.document.keys(), "query and document in English beside its"
    )
    if not examples:
        raise IsoglotError("no row has query and document both in English and in another language")
    return examples


def _examples(rows: Sequence[Row], pivot: str, targets: Callable[[Row], Set[str]], need: str) -> list[Example]:
    examples: list[Example] = []
    trained, groups = {pivot}, answer_groups(rows)
    for row in rows:
        if pivot in row.query and pivot in row.document:
            query, document = row.query[pivot], row.document[pivot]
            for language in sorted(targets(row) - {pivot}):
                trained.add(language)
                examples.append(
                    Example(
                        group=groups[row.content_id],
                        query=query,
                        query_translation=row.query.get(language, query),
                        document=document,
                        translation=row.document[language],
                    )
                )
    untrained = sorted({language for row in rows for language in row.languages} - trained)
    if untrained and examples:
        logger.warning("%s: not trained, since no row has %s text", ", ".join(untrained), need)
    return examples


def content_batches(content_ids: Sequence[str], batch_size: int, seed: int, processes: int = 1) -> list[list[int]]:
    """Positions 0..n-1 in batches that hold each content id at most once, so that no translation is a negative.

    Each round takes one item of every content that has one left and cuts the round into batches of even size. Batches
    of a single content, which hold no negative, are left out; so is the rest of a round that does not divide by
    `processes`.

    Args:
        content_ids: The content of each of n items, or the group of contents that answer one question.
        batch_size: The size of the largest batch; at least `processes`.
        seed: Random seed for the order of contents and of each content's items.
        processes: The number of processes; the size of every batch is a multiple of it, so that each has an equal part.
    """
    generator = random.Random(seed)
    items: dict[str, list[int]] = defaultdict(list)
    for position, content in enumerate(content_ids):
        items[content].append(position)
    for positions in items.values():
        generator.shuffle(positions)
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
        items = {content: positions for content, positions in items.items() if positions}
    return batches


class ContentBatchSampler(DefaultBatchSampler):  # type: ignore[misc]
    """`content_batches` as the trainer takes them, in another order in each epoch.

    Args:
        content_ids: The content of each item.
        batch_size: The size of the largest batch of all processes together.
        seed: Random seed for the order of the first epoch.
        processes: The number of processes that train together.
        process: The number of this process, which gets its part of each batch.
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
        """The number of items that are in no batch of an epoch."""
        return len(self._content_ids) - sum(map(len, self._batches()))
