"""`translate_rows`: further languages for rows, by a language model."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec

from isoglot.llm.service import Service
from isoglot.platform.errors import IsoglotError
from isoglot.platform.languages import canonical, detect, english_name, full_tag
from isoglot.training_data.checks import check_rows
from isoglot.training_data.generation.answers import BadAnswerError, Question, check_cell, check_refusal, fill_prompt
from isoglot.training_data.generation.asking import ask
from isoglot.training_data.generation.report import (
    GenerationReport,
    LeftOut,
    start_report,
    write_rows_and_report,
)
from isoglot.training_data.held_out import evaluation_grams
from isoglot.training_data.loading import training_rows
from isoglot.training_data.overlap import EightGrams
from isoglot.training_data.row import Row

LENGTH_FACTOR = {"query": 4.0, "document": 2.5}
"""How many times longer or shorter than usual a translation may be."""

Cell = tuple[int, str]  # position of the row, language


def translate_rows(
    data: str | Path,
    to: Sequence[str],
    output: str | Path,
    service: Service,
    *,
    against: Sequence[str] = (),
    show_progress: bool = False,
) -> GenerationReport:
    """Let a model translate the English query and document of each row, together, into languages the row lacks.

    A file of the answers grows beside `output`, and a second run asks only for what it lacks.

    Args:
        data: A file of rows, or a source as for ``align --data``.
        to: Tags of the languages to translate into.
        output: ``.jsonl`` or ``.parquet`` file to write; the report is written beside it, as ``NAME.report.json``.
        service: The model that translates.
        against: Sources of evaluation collections that no translation may overlap, besides
            `isoglot.training_data.held_out.EVALUATION`.
        show_progress: Whether to show progress on standard error.

    Returns:
        What was kept and what was left out, why, and what it cost.

    Raises:
        IsoglotError: No row with English text lacks a language, the API refuses access, or no answer was good.
    """
    languages = list(dict.fromkeys(map(canonical, to)))
    if "en" in languages or not languages:
        raise IsoglotError("translations are made from English; name other languages")
    report = start_report(output, service.model)
    grams, _ = evaluation_grams(against)
    rows = training_rows(data)
    cells, faulty = _missing_cells(rows, languages)
    report.cells, report.left_out = len(faulty), faulty
    if not cells and not faulty:
        raise IsoglotError(f"{data}: each row with English has all of {', '.join(languages)} already")
    questions = [_question(rows[position], language) for position, language in cells]
    answers = ask(questions, service, report, show_progress=show_progress)
    translated: set[Cell] = set()
    for (position, language), answer in zip(cells, answers, strict=True):
        if answer:
            rows[position] = _with_cell(rows[position], language, answer, service.model)
            translated.add((position, language))
    translated -= _drop_bad(rows, translated, grams, report)
    write_rows_and_report(rows, Counter(language for _, language in translated), report)
    return report


def _with_cell(row: Row, language: str, answer: Mapping[str, str], model: str) -> Row:
    """Return the row with the model's query and document in one more language."""
    return msgspec.structs.replace(
        row,
        query={**row.query, language: answer["query"]},
        document={**row.document, language: answer["document"]},
        provenance={**row.provenance, language: model},
    )


def _missing_cells(rows: Sequence[Row], languages: Sequence[str]) -> tuple[list[Cell], list[LeftOut]]:
    """Return the cells to ask for, and those left out because the English is not worth a translation."""
    cells: list[Cell] = []
    faulty: list[LeftOut] = []
    for position, row in enumerate(rows):
        lacks = [language for language in languages if language not in row.languages] if "en" in row.languages else []
        try:
            if lacks:
                check_cell(row, "en")
            cells += [(position, language) for language in lacks]
        except BadAnswerError as error:
            detail = f"the English text: {error.detail}"
            faulty += [LeftOut(row.content_id, language, error.reason, detail) for language in lacks]
    return cells, faulty


def _question(row: Row, language: str) -> Question:
    text = json.dumps({"query": row.query["en"], "document": row.document["en"]}, ensure_ascii=False, indent=1)
    return Question(
        content_id=row.content_id,
        languages=(language,),
        prompt=fill_prompt("translate", language=english_name(language), tag=full_tag(language), text=text),
        fields=("query", "document"),
        expected_tokens=len(text) / 2,
        check=partial(check_translation, row, language),
    )


def check_translation(row: Row, language: str, answer: Mapping[str, str]) -> None:
    """Raise a `BadAnswerError` if `answer` is not a good translation of the row's English query and document."""
    usual = 0.4 if language.split("-")[0] in ("zh", "ja", "yue") else 1.0  # ideographs; measured on mini
    for name, english in (("query", row.query["en"]), ("document", row.document["en"])):
        check_refusal(answer[name])
        ratio = (len(answer[name]) / usual + 20) / (len(english) + 20)  # a title of one word may become three
        if not 1 / LENGTH_FACTOR[name] <= ratio <= LENGTH_FACTOR[name]:
            raise BadAnswerError("answer-length", f"{name} {ratio:.2f} times as long as usual")
    if len(answer["query"].split()) >= 3 and detect([answer["query"]], frozenset({language.split("-")[0]})) == ["en"]:
        raise BadAnswerError("english-query", answer["query"][:80])
    check_cell(_with_cell(row, language, answer, ""), language)


def _drop_bad(
    rows: list[Row], translated: set[Cell], grams: Mapping[str, EightGrams], report: GenerationReport
) -> set[Cell]:
    """Drop, in place, translated cells that the checks find wrong now that they see all rows; return these cells.

    Cells that were there before stay.
    """
    _, findings = check_rows(rows, grams)
    finding_of = {(finding.content_id, finding.language): finding for finding in findings}
    for finding in findings:
        if finding.check == "contamination":  # of the whole row
            finding_of |= {(finding.content_id, language): finding for _, language in translated}
    dropped = set()
    for position, language in sorted(translated):
        row = rows[position]
        if fault := finding_of.get((row.content_id, language)):
            report.left_out.append(LeftOut(row.content_id, language, fault.check, fault.detail))
            rows[position] = row.keep({*row.query, *row.document} - {language})
            dropped.add((position, language))
    return dropped
