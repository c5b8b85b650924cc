"""Asking a language model many questions over an OpenAI-compatible API: at once, within a budget, resumably.

What fails on the way (429, 5xx, time-outs, cut connections) is asked again by the openai package, which waits as long
as the server's Retry-After says, else exponentially longer with jitter. isoglot asks again where an answer arrived but
is not good enough.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoglot.llm.client import RETRIES, client_options, refused, told, unreachable
from isoglot.llm.service import Llm
from isoglot.platform.errors import IsoglotError
from isoglot.platform.progress import progress
from isoglot.training_data.generation.answers import BadAnswerError, Question, read_answer, tokens
from isoglot.training_data.generation.journal import Journal
from isoglot.training_data.generation.report import LeftOut, LlmReport, Usage

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types.chat import ChatCompletion

log = logging.getLogger(__name__)

UNANSWERED = 10
"""How many requests in a row may stay without an answer before the run stops."""


def ask(
    questions: Sequence[Question], llm: Llm, report: LlmReport, *, show_progress: bool
) -> list[dict[str, str] | None]:
    """The answer to each question, None where none was good; answers in the journal are not asked for again.

    Args:
        questions: Those with the same prompt are asked once.
        llm: Whom to ask.
        report: Where counts, costs and what was left out are added, and whose journal is used.
        show_progress: Whether to show progress on standard error.

    Raises:
        IsoglotError: The API cannot be reached or does not let us in, or the package openai is missing. The journal
            has what was answered before.
    """
    keys = [question.key(llm.model) for question in questions]
    with Journal(Path(report.journal)) as journal:
        missing = {key: q for key, q in zip(keys, questions, strict=True) if key not in journal.answers}
        report.cells += len(questions)
        report.resumed = sum(key in journal.answers for key in keys)
        report.usage.cost = llm.cost(0, 0)
        left_out: dict[str, BadAnswerError] = {}
        if missing:
            _tell_estimate(missing.values(), llm)
            with progress(f"asking {llm.model}", len(missing), show=show_progress) as advance:
                run = _Run(llm, _client(llm), journal, report.usage, left_out, advance)
                _to_the_end(run, missing)
        for key, question in zip(keys, questions, strict=True):
            if bad := left_out.get(key):
                report.left_out.append(LeftOut(question.content_id, question.language, bad.reason, bad.detail))
        return [journal.answers.get(key) for key in keys]


@dataclass
class _Run:
    """The state of one run; `left_out` gets key -> what was wrong with the last answer."""

    llm: Llm
    client: AsyncOpenAI
    journal: Journal
    usage: Usage
    left_out: dict[str, BadAnswerError]
    advance: Callable[[int], None]
    json_mode: bool = True
    unanswered: int = 0
    reserved: float = 0.0
    dearest: float = 0.0

    async def all(self, questions: dict[str, Question]) -> None:
        """Ask the first question alone, retried once: a wrong key, model or address costs one request."""
        async with self.client:
            first, *others = questions.items()
            if not await self._answer(*first, retries=1):
                others.append(first)
            self.advance(len(questions) - len(others))
            queue = iter(others)

            async def work() -> None:
                for key, question in queue:
                    await self._answer(key, question, RETRIES)
                    self.advance(1)

            async with asyncio.TaskGroup() as group:
                for _ in range(min(self.llm.concurrency, len(others))):
                    group.create_task(work())

    async def _answer(self, key: str, question: Question, retries: int) -> bool:
        """Whether the API answered, well or badly."""
        self.left_out.pop(key, None)
        for _ in range(self.llm.attempts):
            try:
                answer = read_answer(await self._text(question, retries), question.fields)
                question.check(answer)
            except BadAnswerError as error:
                self.left_out[key] = error
                if error.reason in ("rejected", "no-answer", "max-cost"):
                    return error.reason != "no-answer"
            else:
                self.left_out.pop(key, None)
                self.journal.add(key, answer)
                return True
        return True

    async def _text(self, question: Question, retries: int) -> str:
        """What the model says, complete."""
        expected = self.llm.cost(tokens(question.prompt), question.expected) or 0.0
        reserved = max(expected, self.dearest)
        if self.llm.max_cost is not None and (self.usage.cost or 0) + self.reserved + reserved > self.llm.max_cost:
            raise BadAnswerError("max-cost")
        self.reserved += reserved
        try:
            completion = await self._completion(question.prompt, retries)
        except BadAnswerError as error:
            self.unanswered += 1
            if self.unanswered >= UNANSWERED:
                raise IsoglotError(
                    f"{self.llm.address}: no answer to {UNANSWERED} requests in a row, the last: {error.detail}; "
                    "run again later, what was answered is kept"
                ) from None
            raise
        finally:
            self.reserved -= reserved
        self.unanswered = 0
        self._count(completion, question)
        choice = completion.choices[0]
        if choice.finish_reason == "length":
            raise BadAnswerError("cut")
        if choice.finish_reason == "content_filter":
            raise BadAnswerError("filtered")
        if choice.message.refusal:
            raise BadAnswerError("refusal", " ".join(choice.message.refusal.split())[:80])
        return choice.message.content or ""

    async def _completion(self, prompt: str, retries: int) -> ChatCompletion:
        import openai
        from openai.types.chat import ChatCompletion

        options: dict[str, Any] = {"response_format": {"type": "json_object"}} if self.json_mode else {}
        try:
            completion = await self.client.with_options(max_retries=retries).chat.completions.create(
                model=self.llm.model, messages=[{"role": "user", "content": prompt}], **options
            )
        except openai.BadRequestError as error:
            if options and "response_format" in str(error.body):  # LM Studio, for one, knows no JSON mode
                self.json_mode = False
                return await self._completion(prompt, retries)
            raise BadAnswerError("rejected", told(error)) from None
        except (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError) as error:
            if self.usage.answers == 0 and type(error) is openai.APIConnectionError:
                raise unreachable(self.llm) from None
            raise BadAnswerError("no-answer", told(error)) from None
        except openai.APIStatusError as error:
            if error.status_code in (413, 422):
                raise BadAnswerError("rejected", told(error)) from None
            raise refused(error, self.llm) from None
        except ValueError:  # a body that is no JSON
            raise BadAnswerError("no-answer", "the body of the answer is not JSON") from None
        if not isinstance(completion, ChatCompletion) or not completion.choices:
            raise BadAnswerError("no-answer", "the answer is no chat completion")
        return completion

    def _count(self, completion: ChatCompletion, question: Question) -> None:
        self.usage.answers += 1
        if completion.usage:
            used = (completion.usage.prompt_tokens or 0, completion.usage.completion_tokens or 0)
        else:
            self.usage.unstated += 1
            used = (round(tokens(question.prompt)), round(question.expected))
        self.usage.tokens_in += used[0]
        self.usage.tokens_out += used[1]
        self.usage.cost = self.llm.cost(self.usage.tokens_in, self.usage.tokens_out)
        self.dearest = max(self.dearest, self.llm.cost(*used) or 0.0)


def _to_the_end(run: _Run, questions: dict[str, Question]) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise IsoglotError(
            "an event loop runs here already, as in a notebook: call this in `await asyncio.to_thread(...)`"
        )
    try:
        asyncio.run(run.all(questions))
    except ExceptionGroup as group:  # of the tasks that were under way together; the first one says it
        raise group.exceptions[0] from None


def _client(llm: Llm) -> AsyncOpenAI:
    options = client_options(llm)
    from openai import AsyncOpenAI

    return AsyncOpenAI(**options)


def _tell_estimate(questions: Iterable[Question], llm: Llm) -> None:
    asked = list(questions)
    tokens_in, tokens_out = sum(tokens(q.prompt) for q in asked), sum(q.expected for q in asked)
    cost = llm.cost(tokens_in, tokens_out)
    if cost is None:
        price = f"the prices of {llm.model} are not known (--price-in, --price-out)"
    else:
        price = f"USD {cost:.2f}" if llm.max_cost is None else f"USD {cost:.2f} of at most {llm.max_cost:.2f}"
    log.info("%d requests, about %.0f tokens in and %.0f out: %s", len(asked), tokens_in, tokens_out, price)
