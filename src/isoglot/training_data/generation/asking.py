"""Asking a language model many questions over an OpenAI-compatible API: at once, within a budget, resumably.

The openai package retries what fails on the way (429, 5xx, time-outs, cut connections). It waits as long as the
server's Retry-After says, else exponentially longer with jitter. isoglot asks again where an answer arrived but is not
good enough.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoglot.llm.client import RETRIES, client_options, error_message, status_error, unreachable_error
from isoglot.llm.service import Service, estimated_tokens
from isoglot.platform.errors import IsoglotError
from isoglot.platform.progress import progress
from isoglot.training_data.generation.answers import BadAnswerError, Question, read_answer
from isoglot.training_data.generation.journal import Journal
from isoglot.training_data.generation.report import GenerationReport, LeftOut, Usage

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types.chat import ChatCompletion

log = logging.getLogger(__name__)

UNANSWERED = 10
"""Number of requests in a row without an answer after which the run stops."""


def ask(
    questions: Sequence[Question], service: Service, report: GenerationReport, *, show_progress: bool
) -> list[dict[str, str] | None]:
    """Return the answer to each question, None where none was good; answers in the journal are not asked for again.

    Args:
        questions: Questions in any order; those with the same prompt are asked once.
        service: The model to ask.
        report: Report whose journal is used, and to which counts, costs and cells left out are added.
        show_progress: Whether to show progress on standard error.

    Raises:
        IsoglotError: The API cannot be reached or refuses access, or the package openai is missing. The journal has
            what was answered before.
    """
    keys = [question.key(service.model) for question in questions]
    with Journal(Path(report.journal)) as journal:
        missing = {key: question for key, question in zip(keys, questions, strict=True) if key not in journal.answers}
        report.cells += sum(len(question.languages) for question in questions)
        report.resumed = sum(
            len(question.languages) for key, question in zip(keys, questions, strict=True) if key in journal.answers
        )
        report.usage.cost = service.cost(0, 0)
        faults: dict[str, BadAnswerError] = {}
        if missing:
            _log_estimate(missing.values(), service)
            with progress(f"asking {service.model}", len(missing), show=show_progress) as advance:
                run = _Run(
                    service=service,
                    client=_client(service),
                    journal=journal,
                    usage=report.usage,
                    faults=faults,
                    advance=advance,
                )
                _ask_all(run, missing)
        for key, question in zip(keys, questions, strict=True):
            if fault := faults.get(key):
                report.left_out += [
                    LeftOut(question.content_id, language, fault.reason, fault.detail)
                    for language in question.languages
                ]
        return [journal.answers.get(key) for key in keys]


@dataclass(kw_only=True)
class _Run:
    """The state of one run.

    Attributes:
        service: The model that is asked.
        client: Client of its API.
        journal: Where good answers go.
        usage: Where answers, tokens and costs are counted.
        faults: Key of a question without a good answer -> what was wrong with its last answer.
        advance: Function that reports progress, in questions.
        json_mode: Whether JSON mode is asked for; false once the server has turned out to have none.
        unanswered: Number of requests without an answer since the last answer.
        reserved: USD that the requests under way may cost.
        highest_cost: USD of the most expensive answer so far, as which the next one may turn out.
    """

    service: Service
    client: AsyncOpenAI
    journal: Journal
    usage: Usage
    faults: dict[str, BadAnswerError]
    advance: Callable[[int], None]
    json_mode: bool = True
    unanswered: int = 0
    reserved: float = 0.0
    highest_cost: float = 0.0

    async def ask_all(self, questions: dict[str, Question]) -> None:
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
                for _ in range(min(self.service.concurrency, len(others))):
                    group.create_task(work())

    async def _answer(self, key: str, question: Question, retries: int) -> bool:
        """Ask until the answer is good; return whether the API answered, well or badly."""
        self.faults.pop(key, None)
        for _ in range(self.service.attempts):
            try:
                answer = read_answer(await self._text(question, retries), question.fields)
                question.check(answer)
            except BadAnswerError as error:
                self.faults[key] = error
                if error.reason in ("rejected", "no-answer", "max-cost"):
                    return error.reason != "no-answer"
            else:
                self.faults.pop(key, None)
                self.journal.add(key, answer)
                return True
        return True

    async def _text(self, question: Question, retries: int) -> str:
        """Return the complete text of the model's answer."""
        expected = self.service.cost(estimated_tokens(question.prompt), question.expected_tokens) or 0.0
        cost = max(expected, self.highest_cost)
        limit = self.service.max_cost
        if limit is not None and (self.usage.cost or 0) + self.reserved + cost > limit:
            raise BadAnswerError("max-cost")
        self.reserved += cost
        try:
            completion = await self._completion(question.prompt, retries)
        except BadAnswerError as error:
            self.unanswered += 1
            if self.unanswered >= UNANSWERED:
                raise IsoglotError(
                    f"{self.service.address}: no answer to {UNANSWERED} requests in a row, the last: {error.detail}; "
                    "run again later, what was answered is kept"
                ) from None
            raise
        finally:
            self.reserved -= cost
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
                model=self.service.model, messages=[{"role": "user", "content": prompt}], **options
            )
        except openai.BadRequestError as error:
            if options and "response_format" in str(error.body):  # LM Studio, for one, knows no JSON mode
                self.json_mode = False
                return await self._completion(prompt, retries)
            raise BadAnswerError("rejected", error_message(error)) from None
        except (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError) as error:
            if self.usage.answers == 0 and type(error) is openai.APIConnectionError:
                raise unreachable_error(self.service) from None
            raise BadAnswerError("no-answer", error_message(error)) from None
        except openai.APIStatusError as error:
            if error.status_code in (413, 422):
                raise BadAnswerError("rejected", error_message(error)) from None
            raise status_error(error, self.service) from None
        except ValueError:  # the openai package's way of saying that the body is not JSON
            raise BadAnswerError("no-answer", "the body of the answer is not JSON") from None
        if not isinstance(completion, ChatCompletion) or not completion.choices:
            raise BadAnswerError("no-answer", "the answer is no chat completion")
        return completion

    def _count(self, completion: ChatCompletion, question: Question) -> None:
        self.usage.answers += 1
        if completion.usage:
            tokens = (completion.usage.prompt_tokens or 0, completion.usage.completion_tokens or 0)
        else:
            self.usage.unstated += 1
            tokens = (round(estimated_tokens(question.prompt)), round(question.expected_tokens))
        self.usage.tokens_in += tokens[0]
        self.usage.tokens_out += tokens[1]
        self.usage.cost = self.service.cost(self.usage.tokens_in, self.usage.tokens_out)
        self.highest_cost = max(self.highest_cost, self.service.cost(*tokens) or 0.0)


def _ask_all(run: _Run, questions: dict[str, Question]) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise IsoglotError(
            "an event loop runs here already, as in a notebook: call this in `await asyncio.to_thread(...)`"
        )
    try:
        asyncio.run(run.ask_all(questions))
    except ExceptionGroup as group:  # of tasks that were under way together: the first error is enough
        raise group.exceptions[0] from None


def _client(service: Service) -> AsyncOpenAI:
    options = client_options(service)
    from openai import AsyncOpenAI

    return AsyncOpenAI(**options)


def _log_estimate(questions: Collection[Question], service: Service) -> None:
    tokens_in = sum(estimated_tokens(question.prompt) for question in questions)
    tokens_out = sum(question.expected_tokens for question in questions)
    cost = service.cost(tokens_in, tokens_out)
    if cost is None:
        price = f"the prices of {service.model} are not known (--price-in, --price-out)"
    else:
        price = f"USD {cost:.2f}" if service.max_cost is None else f"USD {cost:.2f} of at most {service.max_cost:.2f}"
    log.info("%d requests, about %.0f tokens in and %.0f out: %s", len(questions), tokens_in, tokens_out, price)
