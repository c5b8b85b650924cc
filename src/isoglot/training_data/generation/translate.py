"""`translate_rows`: further languages for rows, by a language model."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec

from isoglot.llm.service import Llm
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import write_text
from isoglot.platform.languages import canonical, detect, english_name
from isoglot.training_data.building import evaluation_grams, report_path
from isoglot.training_data.checks import check_rows
from isoglot.training_data.generation.answers import BadAnswerError, Question, check_cell, check_refusal, prompt
from isoglot.training_data.generation.asking import ask
from isoglot.training_data.generation.report import LeftOut, LlmReport
from isoglot.training_data.loading import training_rows
from isoglot.training_data.overlap import EightGrams
from isoglot.training_data.row import Row, check_row_file, write_rows

REACH = {"query": 4.0, "document": 2.5}
"""How many times longer or shorter than usual a translation may be."""


def translate_rows(
    data: str | Path,
    to: Sequence[str],
    output: str | Path,
    llm: Llm,
    *,
    against: Sequence[str] = (),
    show_progress: bool = False,
) -> LlmReport:
    """Let a model translate the English query and document of each row, together, into languages the row lacks.

    A file of the answers grows beside `output`, and a second run asks for what is not in it.

    Args:
        data: A file of rows, or a source as for ``align --data``.
        to: The languages.
        output: ``.jsonl`` or ``.parquet``; the report is written beside it, as ``NAME.report.json``.
        llm: Who translates.
        against: Evaluation collections that no translation may overlap, besides those of `evaluation_grams`.
        show_progress: Whether to show progress on standard error.

    Returns:
        What was kept and left out, and why, and what it cost.

    Raises:
        IsoglotError: No row has English text, the API does not let us in, or no answer was good.
    """
    wanted = list(dict.fromkeys(map(canonical, to)))
    if "en" in wanted or not wanted:
        raise IsoglotError("translations are made from English; name other languages")
    report = start_report(output, llm)
    grams, _ = evaluation_grams(against)
    rows = training_rows(data)
    cells, faulty = _cells(rows, wanted, report)
    questions = [_question(rows[at], tag) for at, tag in cells]
    if not questions and not faulty:
        raise IsoglotError(f"{data}: each row with English has all of {', '.join(wanted)} already")
    answers = ask(questions, llm, report, show_progress=show_progress)
    made: set[tuple[int, str]] = set()
    for (at, tag), answer in zip(cells, answers, strict=True):
        if answer:
            rows[at] = with_cell(rows[at], tag, answer, llm.model)
            made.add((at, tag))
    made -= _drop_bad(rows, made, grams, report)
    finish(rows, Counter(tag for _, tag in made), report)
    return report


def start_report(output: str | Path, llm: Llm) -> LlmReport:
    """An empty report for `output`, whose name is looked at before anything is paid for."""
    check_row_file(output)
    return LlmReport(str(output), str(Path(output).with_suffix(".answers.jsonl")), llm.model)


def finish(rows: Sequence[Row], languages: Mapping[str, int], report: LlmReport) -> None:
    """Write the rows and the report."""
    report.rows, report.languages = len(rows), dict(sorted(languages.items()))
    write_text(report_path(report.output), report.to_json())
    if not languages:
        raise IsoglotError(f"no answer was good: {report.reasons}; {report_path(report.output)} says more")
    write_rows(report.output, rows)


def with_cell(row: Row, tag: str, answer: Mapping[str, str], model: str) -> Row:
    """The row with the model's query and document in one more language."""
    return msgspec.structs.replace(
        row,
        query={**row.query, tag: answer["query"]},
        document={**row.document, tag: answer["document"]},
        provenance={**row.provenance, tag: model},
    )


def _cells(rows: Sequence[Row], wanted: Sequence[str], report: LlmReport) -> tuple[list[tuple[int, str]], int]:
    """(row, language) to be asked for, and how many are not, since the English is not worth a translation."""
    cells, faulty = [], 0
    for at, row in enumerate(rows):
        lacks = [tag for tag in wanted if tag not in row.languages] if "en" in row.languages else []
        try:
            if lacks:
                check_cell(row, "en")
            cells += [(at, tag) for tag in lacks]
        except BadAnswerError as error:
            detail = f"the English text: {error.detail}"
            report.left_out += [LeftOut(row.content_id, tag, error.reason, detail) for tag in lacks]
            faulty += len(lacks)
    report.cells = faulty
    return cells, faulty


def _question(row: Row, tag: str) -> Question:
    import langcodes

    text = json.dumps({"query": row.query["en"], "document": row.document["en"]}, ensure_ascii=False, indent=1)
    full = langcodes.Language.get(tag).maximize().to_tag()  # zh-Hans-CN: leaves no doubt about the script
    asked = prompt("translate", language=english_name(tag), tag=full, text=text)
    return Question(row.content_id, tag, asked, ("query", "document"), len(text) / 2, partial(_check, row, tag))


def _check(row: Row, tag: str, answer: Mapping[str, str]) -> None:
    usual = 0.4 if tag.split("-")[0] in ("zh", "ja", "yue") else 1.0  # ideographs; measured on mini
    for name, english in (("query", row.query["en"]), ("document", row.document["en"])):
        check_refusal(answer[name])
        ratio = (len(answer[name]) / usual + 20) / (len(english) + 20)  # a title of one word may become three
        if not 1 / REACH[name] <= ratio <= REACH[name]:
            raise BadAnswerError("answer-length", f"{name} {ratio:.2f} times as long as usual")
    if len(answer["query"].split()) >= 3 and detect([answer["query"]], frozenset({tag.split("-")[0]})) == ["en"]:
        raise BadAnswerError("english-query", answer["query"][:80])
    check_cell(with_cell(row, tag, answer, ""), tag)


def _drop_bad(
    rows: list[Row], made: set[tuple[int, str]], grams: Mapping[str, EightGrams], report: LlmReport
) -> set[tuple[int, str]]:
    """Take out what the model wrote and the checks, now that they see all rows, find wrong; what was there stays."""
    _, findings = check_rows(rows, grams)
    wrong = {(finding.content_id, finding.language): finding for finding in findings}
    wrong |= {(one.content_id, tag): one for one in findings if one.check == "contamination" for _, tag in made}
    dropped = set()
    for at, tag in sorted(made):
        finding = wrong.get((rows[at].content_id, tag))
        if finding:
            report.left_out.append(LeftOut(rows[at].content_id, tag, finding.check, finding.detail))
            rows[at] = rows[at].keep({*rows[at].query, *rows[at].document} - {tag})
            dropped.add((at, tag))
    return dropped
