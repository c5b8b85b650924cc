"""`ask_rows`: questions in place of headings, by a language model that reads the documents they stand above."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec

from isoglot.llm.service import Service
from isoglot.platform.errors import IsoglotError
from isoglot.platform.languages import differing_language, english_name, full_tag
from isoglot.training_data.checks import check_rows
from isoglot.training_data.generation.answers import (
    BadAnswerError,
    Question,
    check_cell,
    check_query_length,
    check_refusal,
    fill_prompt,
)
from isoglot.training_data.generation.asking import ask
from isoglot.training_data.generation.report import GenerationReport, LeftOut, start_report, write_rows_and_report
from isoglot.training_data.held_out import evaluation_grams
from isoglot.training_data.loading import training_rows
from isoglot.training_data.overlap import EightGrams, tokens
from isoglot.training_data.question_form import ends_as_question, is_question
from isoglot.training_data.row import Row

SURE = 0.5
"""Probability of another language from which a question counts as being in it: a short text is easily mistaken."""

TOKENS = 40
"""Estimated number of tokens of a question."""


def ask_rows(
    data: str | Path,
    output: str | Path,
    service: Service,
    *,
    against: Sequence[str] = (),
    show_progress: bool = False,
) -> GenerationReport:
    """Let a model turn each row's query, a heading, into a question that its document answers, in all its languages.

    A model is asked once for a row, about all languages with a query and a document. A cell without a good question
    keeps its query, and so does a row that asks a question already. Everything else of a row stays. A file of the
    answers grows beside `output`, and a second run asks only for what it lacks.

    Args:
        data: A file of rows, or a source as for ``align --data``.
        output: ``.jsonl`` or ``.parquet`` file to write; the report is written beside it, as ``NAME.report.json``.
        service: The model that asks.
        against: Sources of evaluation collections that no question may overlap, besides
            `isoglot.training_data.held_out.EVALUATION`.
        show_progress: Whether to show progress on standard error.

    Returns:
        How many questions were kept, which cells kept their query, why, and what it cost.

    Raises:
        IsoglotError: No row has a heading to ask about, the API refuses access, or no answer was good.
    """
    report = start_report(output, service.model)
    grams = EightGrams.joined(evaluation_grams(against)[0].values())
    rows = training_rows(data)
    drafts = {position: languages for position, row in enumerate(rows) if (languages := _languages(row, report))}
    if not drafts and not report.left_out:
        raise IsoglotError(f"{data}: no row has a heading to ask about: each query is a question already")
    questions = [_question(rows[position], languages, grams) for position, languages in drafts.items()]
    answers = ask(questions, service, report, show_progress=show_progress)
    taken = {(tag, *tokens(text)) for row in rows for tag, text in row.query.items()}
    asked: Counter[str] = Counter()
    for (position, languages), answer in zip(drafts.items(), answers, strict=True):
        if answer is None:
            continue
        for language in languages:
            row, question = rows[position], answer[language]
            try:
                _check(row, language, question, grams)
                if (language, *tokens(question)) in taken:
                    raise BadAnswerError("duplicate", question)
            except BadAnswerError as error:
                report.left_out.append(LeftOut(row.content_id, language, error.reason, error.detail))
                continue
            taken.add((language, *tokens(question)))
            rows[position] = _asked(row, language, question, service.model)
            asked[language] += 1
    write_rows_and_report(rows, asked, report)
    return report


def _languages(row: Row, report: GenerationReport) -> list[str]:
    """Return the languages in which a row needs a question, English first; documents that fail a check are reported."""
    languages = [tag for tag in row.languages if tag in row.query and tag in row.document]
    if not languages or is_question(row.query[languages[0]], languages[0]):
        return []
    _, findings = check_rows([msgspec.structs.replace(row, query={})])
    faults = {finding.language: finding for finding in findings if finding.language in languages}
    if "en" in faults:
        faults = dict.fromkeys(languages, faults["en"])
    report.cells += len(faults)
    for language, fault in faults.items():
        report.left_out.append(LeftOut(row.content_id, language, fault.check, f"the document: {fault.detail}"))
    return [tag for tag in languages if tag not in faults]


def _question(row: Row, languages: Sequence[str], grams: EightGrams) -> Question:
    source = languages[0]
    text = {
        "languages": {tag: f"{english_name(tag)} ({full_tag(tag)})" for tag in languages},
        "heading": row.query[source],
        "passage": row.document[source],
    }
    return Question(
        content_id=row.content_id,
        languages=tuple(languages),
        prompt=fill_prompt("questions", text=json.dumps(text, ensure_ascii=False, indent=1)),
        fields=tuple(languages),
        expected_tokens=TOKENS * len(languages),
        check=partial(_check_any, row, grams),
    )


def _asked(row: Row, language: str, question: str, model: str) -> Row:
    """Return the row with a question of the model's; the provenance says so, and still whence the document is."""
    before = row.provenance.get(language)
    provenance = f"{before}, question by {model}" if before else f"question by {model}"
    return msgspec.structs.replace(
        row, query={**row.query, language: question}, provenance={**row.provenance, language: provenance}
    )


def _check_any(row: Row, grams: EightGrams, answer: Mapping[str, str]) -> None:
    """Raise the last `BadAnswerError` if none of an answer's questions is good; one that is bad costs its own cell."""
    for language, question in answer.items():
        try:
            return _check(row, language, question, grams)
        except BadAnswerError as error:
            fault = error
    raise fault


def _check(row: Row, language: str, question: str, grams: EightGrams) -> None:
    """Raise a `BadAnswerError` if a text is not a good question for the row's document in a language."""
    check_refusal(question)
    check_query_length(question)
    if tokens(question) == tokens(row.query[language]):
        raise BadAnswerError("heading", question)
    if not ends_as_question(question, language):
        raise BadAnswerError("no-question", question[:80])
    if other := differing_language(question, language, sure=SURE):
        raise BadAnswerError("query-language", f"{other}: {question[:80]}")
    if grams.overlaps(question):
        raise BadAnswerError("contamination", question[:80])
    unmarked = question.rstrip(" ?？؟;")  # so that words of the document are found there
    check_cell(_asked(row, language, unmarked, ""), language)
