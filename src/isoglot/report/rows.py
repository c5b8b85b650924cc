"""Tables of training rows: a build, the findings of checks, and statistics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from isoglot.report.tables import Table, language_name, number
from isoglot.training_data.building import BuildReport
from isoglot.training_data.checks import CHECKS, Finding, count_findings
from isoglot.training_data.statistics import QuestionCount, RowStatistics

BAR = 40
"""Width of the longest bar, in characters."""


def build_tables(report: BuildReport) -> list[Table]:
    """Return tables of what a build found, dropped and wrote, and of what it read."""
    origins = [
        (name, str(counts.found), str(counts.checked), str(counts.passed), str(counts.written))
        for name, counts in report.origins.items()
    ]
    origins += [(name, "-", "-", "-", why) for name, why in report.missing.items()]
    dropped = [
        (name, *(str(counts[name]) for counts in report.checks.values()), CHECKS[name])
        for name in CHECKS
        if any(counts[name] for counts in report.checks.values())
    ]
    against = ", ".join(report.against) + "".join(f"; NOT {name}: {why}" for name, why in report.unchecked.items())
    packages = Counter(package.name.partition(":")[0] for package in report.packages)
    facts = (
        ("rows", str(report.rows)),
        ("overlap checked with", against),
        ("packages read", ", ".join(f"{count} of {client}" for client, count in packages.items()) or "none"),
        ("their size", f"{sum(package.size for package in report.packages) / 2**20:.1f} MiB"),
        ("downloaded now", f"{report.fetched / 2**20:.1f} MiB"),
        ("time", f"{report.seconds:.0f} s"),
        ("fingerprint", report.fingerprint),
    )
    columns = ("origin", "found", "checked", "pass", "written")
    return [
        Table(f"{report.name}: rows", columns, tuple(origins), labels=1),
        Table("Dropped cells and rows", ("check", *report.checks, "what it means"), tuple(dropped), labels=1),
        _bars("Languages", report.languages),
        Table("The build", ("", ""), facts),
    ]


def check_tables(findings: Sequence[Finding], most: int, questions: Mapping[str, QuestionCount]) -> list[Table]:
    """Return tables of how many findings each check has, of the first `most` findings, and of what the rows ask."""
    summary = tuple((check, str(count), CHECKS[check]) for check, count in count_findings(findings).items())
    shown = tuple((finding.check, finding.content_id, finding.language, finding.detail) for finding in findings[:most])
    tables = [Table("Checks", ("check", "findings", "what it means"), summary, labels=1)]
    if shown:
        columns = ("check", "content id", "language", "what was found")
        tables.append(Table(f"Findings (first {len(shown)} of {len(findings)})", columns, shown, labels=1))
    asked = tuple(
        (source, str(count.queries), str(count.questions), f"{number(100 * count.share, 1)}%")
        for source, count in questions.items()
    )
    columns = ("source", "queries", "questions", "share")
    return [*tables, Table("What the rows ask: queries that are questions", columns, asked, labels=1)]


def statistics_tables(statistics: RowStatistics) -> list[Table]:
    """Return tables of counts, lengths, languages and licences."""
    most = max(language.documents for language in statistics.languages.values()) or 1
    languages = tuple(
        (
            tag,
            language_name(tag),
            str(language.queries),
            str(language.documents),
            number(language.query_length, 0),
            number(language.document_length, 0),
            _bar(language.documents / most),
        )
        for tag, language in statistics.languages.items()
    )
    title = f"{statistics.rows} rows of {statistics.contents} contents; lengths in characters"
    columns = ("", "language", "queries", "documents", "median query", "median document", "documents")
    sizes = {str(size): count for size, count in statistics.languages_in_a_row.items()}
    return [
        Table(title, columns, languages),
        _bars("Sources", statistics.sources),
        _bars("Licences", statistics.licences),
        _bars("Texts, by how they came about", statistics.provenance),
        _bars("Rows, by their number of languages", sizes),
    ]


def _bars(title: str, counts: dict[str, int]) -> Table:
    most = max(counts.values(), default=1)
    lines = tuple((name, str(count), _bar(count / most)) for name, count in counts.items())
    return Table(title, ("", "rows", ""), lines, labels=1)


def _bar(share: float) -> str:
    return ("█" * round(BAR * share) or "▏").ljust(BAR)
