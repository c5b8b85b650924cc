"""Texts of all clients, encoded together: one queue a model and role, one thread that encodes."""

from __future__ import annotations

import asyncio
import heapq
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import IsoglotError

if TYPE_CHECKING:
    from isoglot.encoders.encoder import Encoder

BATCH = 32
"""Texts encoded at once: more of them gain nothing on a CPU and make the others wait."""
MOST_WAITING = 512
"""Texts that may wait; beyond it clients are told to come back."""


class BusyError(IsoglotError):
    """So many texts wait that another would wait too long."""


class Encoded(NamedTuple):
    """What became of texts.

    Attributes:
        vectors: (n, d) float32 of unit length.
        tokens: How many tokens the texts have together, prompts included, cut where the model cuts.
    """

    vectors: Vectors
    tokens: int


@dataclass(order=True)
class _Waiting:
    turn: int
    number: int
    text: str = field(compare=False)
    language: str = field(compare=False)
    done: asyncio.Future[tuple[Vectors, int]] = field(compare=False)


class Batcher:
    """Encodes the texts of many clients, those that wait at the same time in one batch.

    There is no delay to collect a batch: while one is encoded, the next collects itself. The n-th text of a request
    waits as if it had come n requests later, so that a question overtakes a long list of documents.

    Args:
        encoders: Model -> its encoder; none is used by two threads at once.
        observe: Called with the size of each batch.
    """

    def __init__(self, encoders: Mapping[str, Encoder], observe: Callable[[int], object] = lambda size: None) -> None:
        self._encoders, self._observe = encoders, observe
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="encoder")
        self._queues: dict[tuple[str, str], list[_Waiting]] = defaultdict(list)
        self._requests, self._numbers = count(), count()
        self._working: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many texts wait."""
        return sum(map(len, self._queues.values()))

    async def encode(self, model: str, role: str, texts: Sequence[str], languages: Sequence[str]) -> Encoded:
        """The vectors of `texts`, as the model's encoder gives them but for the rounding of batches.

        Args:
            model: One of the encoders' names.
            role: ``query`` or ``document``.
            texts: n texts, at least one.
            languages: n canonical tags.

        Raises:
            BusyError: Too many texts wait.
            IsoglotError: The model gave no usable vector for one of them.
        """
        if self.waiting + len(texts) > MOST_WAITING:
            raise BusyError("many texts are waiting to be encoded; try again in a moment")
        loop, turn = asyncio.get_running_loop(), next(self._requests)
        waiting = [
            _Waiting(turn + at, next(self._numbers), text, language, loop.create_future())
            for at, (text, language) in enumerate(zip(texts, languages, strict=True))
        ]
        for one in waiting:
            heapq.heappush(self._queues[model, role], one)
        if self._working is None or self._working.done():
            self._working = loop.create_task(self._work())
        found = await asyncio.gather(*(one.done for one in waiting))
        return Encoded(np.stack([vector for vector, _ in found]), sum(tokens for _, tokens in found))

    async def _work(self) -> None:
        while queues := {key: queue for key, queue in self._queues.items() if queue}:
            key = min(queues, key=lambda name: queues[name][0])
            batch = [heapq.heappop(queues[key]) for _ in range(min(BATCH, len(queues[key])))]
            batch = [one for one in batch if not one.done.cancelled()]
            if batch:
                await self._run(*key, batch)

    async def _run(self, model: str, role: str, batch: list[_Waiting]) -> None:
        self._observe(len(batch))
        texts, languages = [one.text for one in batch], [one.language for one in batch]
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._thread, self._encode, model, role, texts, languages)
        except Exception as error:
            if len(batch) > 1:  # another client's text may be the one at fault
                for one in batch:
                    await self._run(model, role, [one])
            elif not batch[0].done.cancelled():
                batch[0].done.set_exception(error)
            return
        for one, result in zip(batch, found, strict=True):
            if not one.done.cancelled():
                one.done.set_result(result)

    def _encode(self, model: str, role: str, texts: list[str], languages: list[str]) -> list[tuple[Vectors, int]]:
        encoder = self._encoders[model]
        vectors, tokens = encoder.encode(texts, role, languages, keep=False), encoder.token_counts(texts, role)
        return [(vector, tokens[text]) for vector, text in zip(vectors, texts, strict=True)]

    def close(self) -> None:
        """Finish the batch that is being encoded and end the thread."""
        self._thread.shutdown(cancel_futures=True)
