"""The questions that a model is asked, and the checks that an answer passes before it is kept."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from isoglot.training_data.checks import CHECKS, check_rows
from isoglot.training_data.overlap import WORDS, gram_length, tokens
from isoglot.training_data.row import Row

REASONS = {
    "json": "the answer is not a JSON object",
    "shape": "the JSON object has other keys, or a value that is no text or empty",
    "refusal": "the model declined",
    "filtered": "the API's content filter stopped the answer",
    "cut": "the answer ended at the model's limit of tokens",
    "answer-length": "much longer or shorter than such an answer is",
    "english-query": "the query is still English",
    "query-language": "the query is in another language",
    "heading": "the question is the heading",
    "no-question": "the query does not end in a question mark",
    **CHECKS,
    "rejected": "the API did not accept the request",
    "no-answer": "the API gave no answer, however often it was asked",
    "max-cost": "was not asked, or not again, since --max-cost was near",
}
"""Reason for which a cell is left out -> what it means."""

QUERY_WORDS = (3, 40)
"""Fewest and most words of a generated question; `overlap` says how many characters say as much as a word."""

PROMPTS = Path(__file__).parent / "prompts"
"""Folder of the prompts."""


class BadAnswerError(Exception):
    """An answer that is not kept.

    Args:
        reason: Name of the reason, one of `REASONS`.
        detail: The fault itself, in a few words.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


@dataclass(frozen=True, kw_only=True)
class Question:
    """One request to a model, for one or several cells of a row.

    Attributes:
        content_id: Content id of the row.
        languages: Languages of the cells.
        prompt: The whole prompt.
        fields: Keys of the JSON object that is to be the answer.
        expected_tokens: Estimated number of tokens of the answer.
        check: Function of the answer's values that raises a `BadAnswerError` if they are not good enough.
    """

    content_id: str
    languages: tuple[str, ...]
    prompt: str
    fields: tuple[str, ...]
    expected_tokens: float
    check: Callable[[Mapping[str, str]], None]

    def key(self, model: str) -> str:
        """Return the key of the answer in the journal: a hash of the model's name and the prompt.

        It changes with text, language and wording.
        """
        return hashlib.sha256(json.dumps([model, self.prompt]).encode()).hexdigest()[:32]


def fill_prompt(name: str, **values: str) -> str:
    """Return the prompt in ``prompts/NAME.md`` with its ``$placeholders`` filled in."""
    return Template((PROMPTS / f"{name}.md").read_text(encoding="utf-8")).substitute(values)


_FENCE = re.compile(r"\s*```\w*\s*(.*?)\s*```\s*", re.DOTALL)
_REFUSAL = re.compile(
    r"\W*(?:I['’]?m sorry|I am sorry|Sorry, |I apologi[sz]e|Unfortunately, I |As an AI|As a language model"
    r"|I (?:cannot|can['’]?t|can not|won['’]?t|will not|am unable|am not able)\b|I['’]m (?:unable|not able)\b)",
    re.IGNORECASE,
)


def read_answer(text: str, fields: tuple[str, ...]) -> dict[str, str]:
    """Return the values of the JSON object in `text`, without white space at their ends.

    Args:
        text: The answer, which may stand in a code fence.
        fields: The keys that the object must have.

    Raises:
        BadAnswerError: The text is not a JSON object, is a refusal, or has other keys or empty values.
    """
    fence = _FENCE.fullmatch(text)
    try:
        values = json.loads(fence[1] if fence else text)
    except (ValueError, RecursionError):
        raise BadAnswerError("refusal" if _REFUSAL.match(text) else "json", _start(text)) from None
    if not isinstance(values, dict) or values.keys() != set(fields):
        shape = ", ".join(map(str, values)) if isinstance(values, dict) else type(values).__name__
        raise BadAnswerError("shape", f"found {_start(shape)}, not {', '.join(fields)}")
    for name, value in values.items():
        if not isinstance(value, str) or not value.strip():
            raise BadAnswerError("shape", f"{name} is {'empty' if isinstance(value, str) else 'no text'}")
        if any("\ud800" <= letter <= "\udfff" for letter in value):
            raise BadAnswerError("shape", f"{name} has half of a surrogate pair")
    return {name: value.strip() for name, value in values.items()}


def check_refusal(text: str) -> None:
    """Raise a `BadAnswerError` if a text begins as a refusal of a model does."""
    if _REFUSAL.match(text):
        raise BadAnswerError("refusal", _start(text))


def check_query_length(text: str) -> None:
    """Raise a `BadAnswerError` if a question is too short or too long; scripts without spaces count characters."""
    length = gram_length(text)
    words = len(text.split()) if length == WORDS else len(tokens(text)) * WORDS / length
    least, most = QUERY_WORDS
    if not least <= words <= most:
        raise BadAnswerError("answer-length", f"query of about {words:.0f} words")


def check_cell(row: Row, language: str) -> None:
    """Raise a `BadAnswerError` if the row's cell in `language` fails a check that all training rows go through."""
    _, findings = check_rows([row.keep({"en", language})])
    for finding in findings:
        if finding.language == language:
            raise BadAnswerError(finding.check, finding.detail)


def _start(text: str) -> str:
    return " ".join(text.split())[:80]
