"""`generate_rows`: English rows that a language model writes, about topics or for the passages of a corpus."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec

from isoglot.corpora.fields import text_field
from isoglot.corpora.readers.jsonl import read_jsonl
from isoglot.corpora.readers.lines import read_lines
from isoglot.llm.service import Llm
from isoglot.platform.errors import IsoglotError
from isoglot.training_data.building import evaluation_grams
from isoglot.training_data.checks import check_rows
from isoglot.training_data.generation.answers import BadAnswerError, Question, check_cell, check_refusal, prompt
from isoglot.training_data.generation.asking import ask
from isoglot.training_data.generation.report import LeftOut, LlmReport
from isoglot.training_data.generation.translate import finish, start_report
from isoglot.training_data.row import Row, is_row_file, read_rows

PASSAGE_WORDS = (40, 110)
QUERY_WORDS = (3, 40)
"""What is accepted; the prompt asks for passages of 50 to 90 words."""


def generate_rows(
    output: str | Path,
    llm: Llm,
    *,
    topics: str | Path | None = None,
    corpus: str | Path | None = None,
    licence: str = "",
    against: Sequence[str] = (),
    show_progress: bool = False,
) -> LlmReport:
    """Let a model write English rows: a passage and a question for each topic, or a question for each passage.

    A file of the answers grows beside `output`, and a second run asks for what is not in it.

    Args:
        output: ``.jsonl`` or ``.parquet``; the report is written beside it, as ``NAME.report.json``.
        llm: Who writes.
        topics: A text file with one topic a line.
        corpus: A file of rows, whose English documents get new questions, or JSON Lines with ``_id`` and ``text``.
        licence: Of the rows, as an SPDX expression; rows of a file of rows keep theirs.
        against: Evaluation collections that no row may overlap, besides those of `evaluation_grams`.
        show_progress: Whether to show progress on standard error.

    Returns:
        What was kept and left out, and why, and what it cost.

    Raises:
        IsoglotError: Both or none of `topics` and `corpus` are named, a file is wrong, the API does not let us in, or
            no answer was good.
    """
    report = start_report(output, llm)
    grams, _ = evaluation_grams(against)
    if topics is not None and corpus is None:
        drafts = [_topic(text.strip(), licence) for _, text in read_lines(Path(topics))]
    elif corpus is not None and topics is None:
        drafts = _good(_passages(Path(corpus), licence), report)
    else:
        raise IsoglotError("name either topics or a corpus")
    drafts = list({draft.content_id: draft for draft in drafts}.values())  # of equal topics, one
    answers = ask([_question(draft) for draft in drafts], llm, report, show_progress=show_progress)
    rows = [_filled(draft, answer, llm.model) for draft, answer in zip(drafts, answers, strict=True) if answer]
    kept, findings = check_rows(rows, grams)
    report.left_out += [LeftOut(found.content_id, "en", found.check, found.detail) for found in findings]
    finish(kept, {"en": len(kept)} if kept else {}, report)
    return report


def _topic(topic: str, licence: str) -> Row:
    """A row whose query is the topic, to be replaced."""
    name = hashlib.sha256(topic.encode()).hexdigest()[:12]
    return Row(f"generated:{name}", {"en": topic}, {}, "generated", licence)


def _passages(path: Path, licence: str) -> Iterator[Row]:
    """A row for each passage, whose query is to be replaced."""
    if not is_row_file(path):
        raise IsoglotError(f"{path}: a corpus is .jsonl or .parquet")
    if path.suffix == ".jsonl" and any("_id" in fields for _, fields in read_jsonl(path)):
        for number, fields in read_jsonl(path):
            name = fields.get("content_id") or fields.get("_id")
            text = text_field(fields, "text", path, number)
            title = str(fields.get("title") or "").strip()
            yield _draft(f"{path.stem}:{name or number}", f"{title} {text}".strip(), path.stem, licence)
        return
    for row in read_rows(path):
        if "en" in row.document:
            yield _draft(row.content_id, row.document["en"], row.source, row.licence)


def _draft(content_id: str, text: str, source: str, licence: str) -> Row:
    return Row(content_id, {"en": "What does the text say?"}, {"en": text}, source, licence)


def _good(drafts: Iterator[Row], report: LlmReport) -> list[Row]:
    """The passages that are worth a question: English, neither too short nor too long, without markup."""
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
    check = partial(_check, draft)
    if draft.document:
        asked = prompt("question", text=json.dumps({"passage": draft.document["en"]}, ensure_ascii=False))
        return Question(draft.content_id, "en", asked, ("query",), 30, check)
    asked = prompt("passage", text=json.dumps({"topic": draft.query["en"]}, ensure_ascii=False))
    return Question(draft.content_id, "en", asked, ("query", "document"), 150, check)


def _filled(draft: Row, answer: Mapping[str, str], model: str) -> Row:
    document = {"en": answer["document"]} if "document" in answer else draft.document
    return msgspec.structs.replace(draft, query={"en": answer["query"]}, document=document, provenance={"en": model})


def _check(draft: Row, answer: Mapping[str, str]) -> None:
    limits = {"query": QUERY_WORDS, "document": PASSAGE_WORDS}
    for name, text in answer.items():
        check_refusal(text)
        least, most = limits[name]
        if not least <= len(text.split()) <= most:
            raise BadAnswerError("answer-length", f"{name} of {len(text.split())} words")
    if not answer["query"].endswith("?"):
        raise BadAnswerError("no-question", answer["query"][:80])
    check_cell(_filled(draft, answer, ""), "en")
