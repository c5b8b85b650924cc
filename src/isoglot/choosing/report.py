"""What is shown of a choice: lines and tables, Markdown, and a page."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from isoglot.choosing.choice import Candidate, Choice, Tried
from isoglot.report.html.templates import environment, style
from isoglot.report.markdown import escape, table_to_markdown
from isoglot.report.tables import Table, number, with_interval
from isoglot.retrievers.providers import PRICES_READ


def choice_lines(choice: Choice) -> list[str]:
    """The recommendation, what is close to it, what failed, and what the numbers mean."""
    lines = []
    best = choice.recommendation
    if best is not None:
        lines.append(f"Take {_named(best.name, best.mend)}: it {best.reason}.")
        if best.also:
            lines.append(f"Within its interval: {'; '.join(_named(*each) for each in best.also)}.")
    lines += [f"Could not be tried: {each.error}" for each in choice.candidates if each.error]
    if not choice.labelled:
        lines.append(
            "A proxy: nobody has said what is relevant, so documents were asked for by spans of their own text. "
            "Quality is how well a span finds its document. Whether documents in other languages are found "
            "cannot be seen, only how much the question's language is preferred. What finds by words, such as bm25, is "
            "not recommended here, since a span shares its words with its document."
        )
    if choice.unfound_count:
        lines.append(
            f"{choice.unfound_count} questions have no relevant document in the top 10 of their own language by any "
            "model: they are hard, or their labels are wrong. Look at them."
        )
    return lines


def choice_tables(choice: Choice) -> list[Table]:
    """What each model found with each mend, and what each one is and costs."""
    rows = tuple(row for each in choice.candidates for row in _rows(each, choice.labelled))
    mixed = ("mixed: complete@10", "control: nDCG@10") if choice.labelled else ()
    columns = ("model", "mend", *mixed, "one language: nDCG@10", "own in top 10")
    title = "What was found (own in top 10: over the language's share of the pool; 1 is no preference)"
    found = Table(title, columns, rows)
    facts = tuple(_facts(each) for each in choice.candidates if each.error is None)
    heads = (
        "model",
        "licence",
        "weights, MB",
        "dimension",
        "max tokens",
        "cut, %",
        "tokens per word",
        "documents/s",
        "ms/query",
        f"USD ({PRICES_READ})",
    )
    tables = [found, Table("What each model is and costs, on this machine", heads, facts)]
    if choice.unfound:
        listed = tuple((each.language, each.query_id, each.question, each.document) for each in choice.unfound)
        shown = f"Questions that no model finds (first {len(listed)} of {choice.unfound_count})"
        tables.append(Table(shown, ("language", "question id", "question", "a relevant document"), listed, labels=4))
    return tables


def choice_to_markdown(choice: Choice) -> str:
    """The choice as Markdown."""
    lines = [f"- {escape(line)}" for line in choice_lines(choice)]
    title = f"# Models on {escape(choice.collection.name)}"
    return "\n".join([title, "", *lines, "", *map(table_to_markdown, choice_tables(choice))])


def choice_to_html(choice: Choice, command: str = "") -> str:
    """The choice as one HTML page that makes no network request.

    Args:
        choice: The choice.
        command: Command line that asked for it, for the record.
    """
    css = style()
    template = environment(Path(__file__).parent).get_template("page.html.j2")
    return str(
        template.render(
            choice=choice,
            lines=choice_lines(choice),
            tables=choice_tables(choice),
            command=command,
            style=css,
            style_hash=base64.b64encode(hashlib.sha256(css.encode()).digest()).decode(),
        )
    )


def _named(name: str, mend: str) -> str:
    return name if mend == "as it is" else f"{name}, {mend}"


def _rows(candidate: Candidate, labelled: bool) -> list[tuple[str, ...]]:
    return [
        (candidate.name, each.mend, *_mixed(each, labelled), with_interval(each.quality), number(each.preference))
        for each in candidate.tried
    ]


def _mixed(tried: Tried, labelled: bool) -> tuple[str, ...]:
    return (with_interval(tried.complete), with_interval(tried.control)) if labelled else ()


def _facts(candidate: Candidate) -> tuple[str, ...]:
    facts = candidate.facts
    by_tokens = sorted(facts.tokens_per_word, key=lambda tag: facts.tokens_per_word[tag])
    ends = [f"{tag} {facts.tokens_per_word[tag]:.1f}" for tag in (by_tokens[:1] + by_tokens[-1:] if by_tokens else [])]
    return (
        candidate.name,
        facts.licence or "-",
        number(facts.megabytes, 0),
        str(facts.dimension or "-"),
        str(facts.max_length or "-"),
        number(facts.cut, 1),
        " to ".join(ends) or "-",
        number(facts.documents_per_second, 1),
        number(facts.query_milliseconds, 1),
        "-" if facts.usd is None else f"{facts.usd:.2g}",
    )
