"""`generate_rows`: English rows that a language model writes, about topics or for the passages of a corpus."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec

from isoglot.corpora.documents import read_documents
from isoglot.corpora.readers.lines import read_lines
from isoglot.corpora.readers.records import READERS_OF_RECORDS, read_records
from isoglot.llm.service import Service
from isoglot.platform.errors import IsoglotError
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
from isoglot.training_data.generation.report import (
    GenerationReport,
    LeftOut,
    start_report,
    write_rows_and_report,
)
from isoglot.training_data.held_out import evaluation_grams
from isoglot.training_data.row import Row, is_row_file, read_rows

PASSAGE_WORDS = (40, 110)
"""Fewest and most words that are accepted; the prompt asks for passages of 50 to 90 words."""


def generate_rows(
    output: str | Path,
    service: Service,
    *,
    topics: str | Path | None = None,
    corpus: str | Path | None = None,
    licence: str = "",
    against: Sequence[str] = (),
    show_progress: bool = False,
) -> GenerationReport:
    """Let a model write English rows: a passage and a question for each topic, or a question for each passage.

    A file of the answers grows beside `output`, and a second run asks only for what it lacks.

    Args:
        output: ``.jsonl`` or ``.parquet`` file to write; the report is written beside it, as ``NAME.report.json``.
        service: The model that writes.
        topics: Text file with one topic a line.
        corpus: A file of rows, whose English documents get new questions, or JSON Lines with ``_id`` and ``text``.
        licence: Licence of the rows, as an SPDX expression; rows of a file of rows keep theirs.
        against: Sources of evaluation collections that no row may overlap, besides
            `isoglot.training_data.held_out.EVALUATION`.
        show_progress: Whether to show progress on standard error.

    Returns:
        What was kept and what was left out, why, and what it cost.

    Raises:
        IsoglotError: Both or neither of `topics` and `corpus` are named, a file is malformed, the API refuses access,
            or no answer was good.
    """
    report = start_report(output, service.model)
    grams, _ = evaluation_grams(against)
    if topics is not None and corpus is None:
        drafts = [_draft_for_topic(text.strip(), licence) for _, text in read_lines(Path(topics))]
    elif corpus is not None and topics is None:
        drafts = _without_bad_passages(_drafts_for_passages(Path(corpus), licence), report)
    else:
        raise IsoglotError("name either topics or a corpus")
    drafts = list({draft.content_id: draft for draft in drafts}.values())  # a topic that repeats is asked for once
    answers = ask([_question(draft) for draft in drafts], service, report, show_progress=show_progress)
    rows = [_filled(draft, answer, service.model) for draft, answer in zip(drafts, answers, strict=True) if answer]
    kept, findings = check_rows(rows, grams)
    report.left_out += [LeftOut(finding.content_id, "en", finding.check, finding.detail) for finding in findings]
    write_rows_and_report(kept, {"en": len(kept)} if kept else {}, report)
    return report


def _draft_for_topic(topic: str, licence: str) -> Row:
    """Return a row whose query is the topic, to be replaced."""
    name = hashlib.sha256(topic.encode()).hexdigest()[:12]
    return Row(f"generated:{name}", {"en": topic}, {}, source="generated", licence=licence)


def _drafts_for_passages(path: Path, licence: str) -> Iterator[Row]:
    """Yield a row for each passage, whose query is to be replaced."""
    if not is_row_file(path):
        raise IsoglotError(f"{path}: a corpus of passages is {' '.join(READERS_OF_RECORDS)}")
    if any("text" in fields for _, fields in read_records(path)):
        for document in read_documents(str(path), "en"):
            name = f"{path.stem}:{document.content_id or document.id}"
            yield _draft(name, document.full_text, path.stem, licence)
        return
    for row in read_rows(path):
        if "en" in row.document:
            yield _draft(row.content_id, row.document["en"], row.source, row.licence)


def _draft(content_id: str, text: str, source: str, licence: str) -> Row:
    return Row(content_id, {"en": "What does the text say?"}, {"en": text}, source=source, licence=licence)


def _without_bad_passages(drafts: Iterable[Row], report: GenerationReport) -> list[Row]:
    """Return the drafts worth a question: in English, neither too short nor too long, without markup."""
    good = []
    for draft in drafts:
        try:
            check_cell(draft, "en")
            good.append(draft)
        except BadAnswerError as error:
            report.cells += 1
            report.left_out.append(LeftOut(draft.content_id, "en", error.reason, f"the passage: {error.detail}"))
    return good


def _question(draft: Row) -> Question:
    fields: tuple[str, ...]
    if draft.document:
        prompt = fill_prompt("question", text=json.dumps({"passage": draft.document["en"]}, ensure_ascii=False))
        fields, expected_tokens = ("query",), 30
    else:
        prompt = fill_prompt("passage", text=json.dumps({"topic": draft.query["en"]}, ensure_ascii=False))
        fields, expected_tokens = ("query", "document"), 150
    return Question(
        content_id=draft.content_id,
        languages=("en",),
        prompt=prompt,
        fields=fields,
        expected_tokens=expected_tokens,
        check=partial(_check, draft),
    )


def _filled(draft: Row, answer: Mapping[str, str], model: str) -> Row:
    document = {"en": answer["document"]} if "document" in answer else draft.document
    return msgspec.structs.replace(draft, query={"en": answer["query"]}, document=document, provenance={"en": model})


def _check(draft: Row, answer: Mapping[str, str]) -> None:
    for text in answer.values():
        check_refusal(text)
    check_query_length(answer["query"])
    least, most = PASSAGE_WORDS
    if "document" in answer and not least <= (words := len(answer["document"].split())) <= most:
        raise BadAnswerError("answer-length", f"document of {words} words")
    if not answer["query"].endswith("?"):
        raise BadAnswerError("no-question", answer["query"][:80])
    check_cell(_filled(draft, answer, ""), "en")
