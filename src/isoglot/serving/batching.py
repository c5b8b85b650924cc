"""Batches of the texts of all clients: one queue for each model and role, and one thread that encodes."""

from __future__ import annotations

import asyncio
import heapq
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from isoglot.llm.http import NoAnswerError
from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import IsoglotError

if TYPE_CHECKING:
    from isoglot.indexing.encoders import TextEncoder

BATCH_TEXTS = 32
"""How many texts are encoded at once: more are no faster on a CPU, and other texts wait longer."""
PART = 128
"""How many texts of one request wait at the same time; the next follow when these are encoded."""
WAITING_PARTS = 4
"""How many parts may wait at the same time; those of other requests join them in their turn."""


class GoneError(IsoglotError):
    """The client closed the connection before it was answered."""


class EncodedTexts(NamedTuple):
    """The vectors of n texts.

    Attributes:
        vectors: (n, d) float32 of unit length.
        tokens: Number of tokens of all texts, including prompts, after cutting at the model's limit.
    """

    vectors: Vectors
    tokens: int


@dataclass(order=True, kw_only=True)
class _WaitingText:
    """A text in a queue, ordered by its turn; its number orders texts of one turn."""

    turn: int
    number: int
    text: str = field(compare=False)
    language: str = field(compare=False)
    result: asyncio.Future[tuple[Vectors, int]] = field(compare=False)


class Batcher:
    """Encodes the texts of many clients; texts that wait at the same time are encoded in one batch.

    There is no delay to fill a batch: while one is encoded, texts for the next arrive. A list is encoded in parts, of
    which a few wait at the same time. The n-th text of a part has the turn of what comes n turns later, so that a
    question, which is never kept from waiting, overtakes a long list of documents.

    Args:
        encoders: Model -> its encoder; no two threads use one at a time.
        observe: Called with the size of each batch.
    """

    def __init__(
        self, encoders: Mapping[str, TextEncoder], observe: Callable[[int], object] = lambda size: None
    ) -> None:
        self._encoders, self._observe = encoders, observe
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="encoder")
        self._queues: dict[tuple[str, str], list[_WaitingText]] = defaultdict(list)
        self._turns, self._numbers = count(), count()
        self._parts = asyncio.Semaphore(WAITING_PARTS)
        self._worker: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """The number of texts that wait."""
        return sum(map(len, self._queues.values()))

    async def encode(
        self,
        model: str,
        role: str,
        texts: Sequence[str],
        languages: Sequence[str],
        *,
        gone: Callable[[], Awaitable[bool]] | None = None,
    ) -> EncodedTexts:
        """Encode texts as the model's encoder does, except for rounding, which depends on the batch.

        Args:
            model: Name of one of the encoders.
            role: ``query`` or ``document``.
            texts: n texts, at least one.
            languages: n canonical tags.
            gone: Says whether the client has left; asked before each part.

        Raises:
            GoneError: The client has left.
            IsoglotError: The model returned no usable vector for one of them.
        """
        tagged, results = list(zip(texts, languages, strict=True)), []
        for start in range(0, len(texts), PART):
            async with nullcontext() if len(texts) == 1 else self._parts:
                if gone is not None and await gone():
                    raise GoneError("the client has left")
                results += await self._encode_part(model, role, tagged[start : start + PART])
        return EncodedTexts(np.stack([vector for vector, _ in results]), sum(tokens for _, tokens in results))

    async def _encode_part(self, model: str, role: str, texts: Sequence[tuple[str, str]]) -> list[tuple[Vectors, int]]:
        """Let texts with their languages wait; the first has the next turn, and each other the one after."""
        loop, turn = asyncio.get_running_loop(), next(self._turns)
        waiting = [
            _WaitingText(
                turn=turn + position,
                number=next(self._numbers),
                text=text,
                language=language,
                result=loop.create_future(),
            )
            for position, (text, language) in enumerate(texts)
        ]
        for item in waiting:
            heapq.heappush(self._queues[model, role], item)
        if self._worker is None or self._worker.done():
            self._worker = loop.create_task(self._work())
        return await asyncio.gather(*(item.result for item in waiting))

    async def _work(self) -> None:
        while queues := {key: queue for key, queue in self._queues.items() if queue}:
            key = min(queues, key=lambda name: queues[name][0])
            batch = [heapq.heappop(queues[key]) for _ in range(min(BATCH_TEXTS, len(queues[key])))]
            batch = [item for item in batch if not item.result.cancelled()]
            if batch:
                await self._run(*key, batch)

    async def _run(self, model: str, role: str, batch: list[_WaitingText]) -> None:
        """Encode a batch, and give each request its results, or the error, whatever it is, to raise."""
        self._observe(len(batch))
        texts, languages = [item.text for item in batch], [item.language for item in batch]
        loop = asyncio.get_running_loop()
        encoding = loop.run_in_executor(self._thread, self._encode, model, role, texts, languages)
        await asyncio.wait([encoding])
        error = encoding.exception()
        if error is None:
            for item, result in zip(batch, encoding.result(), strict=True):
                if not item.result.cancelled():
                    item.result.set_result(result)
        elif len(batch) > 1 and not isinstance(error.__cause__, NoAnswerError):
            for item in batch:  # the cause may be the text of another client
                await self._run(model, role, [item])
        else:
            for item in batch:
                if not item.result.cancelled():
                    item.result.set_exception(error)

    def _encode(self, model: str, role: str, texts: list[str], languages: list[str]) -> list[tuple[Vectors, int]]:
        encoder = self._encoders[model]
        vectors, tokens = encoder.encode(texts, role, languages, keep=False), encoder.token_counts(texts, role)
        return [(vector, tokens[text]) for vector, text in zip(vectors, texts, strict=True)]

    def close(self) -> None:
        """Finish the batch that is being encoded, and end the thread."""
        self._thread.shutdown(cancel_futures=True)
