"""What reports show of training rows: a build, findings of checks, statistics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from isoglot.report.tables import Table, language_name, number
from isoglot.training_data.building import Report
from isoglot.training_data.checks import CHECKS, Finding
from isoglot.training_data.statistics import Statistics

BAR = 40
"""How wide the longest bar is, in characters."""


def build_tables(report: Report) -> list[Table]:
    """What a build found, dropped and wrote, and what it read."""
    origins = [(name, *map(str, counts.values())) for name, counts in report.origins.items()]
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
        ("overlap looked for with", against),
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


def check_tables(findings: Sequence[Finding], most: int) -> list[Table]:
    """How often each check found something, and the first findings."""
    counts = Counter(finding.check for finding in findings)
    summary = tuple((name, str(counts[name]), CHECKS[name]) for name in CHECKS)
    shown = tuple((one.check, one.content_id, one.language, one.detail) for one in findings[:most])
    tables = [Table("Checks", ("check", "findings", "what it means"), summary, labels=1)]
    if shown:
        columns = ("check", "content id", "language", "what was found")
        tables.append(Table(f"Findings (first {len(shown)} of {len(findings)})", columns, shown, labels=1))
    return tables


def statistics_tables(found: Statistics) -> list[Table]:
    """Counts, lengths, languages and licences."""
    most = max(language.documents for language in found.languages.values()) or 1
    languages = tuple(
        (
            tag,
            language_name(tag),
            str(one.queries),
            str(one.documents),
            number(one.query_length, 0),
            number(one.document_length, 0),
            _bar(one.documents / most),
        )
        for tag, one in found.languages.items()
    )
    columns = ("", "language", "queries", "documents", "median query", "median document", "documents")
    sizes = {str(size): rows for size, rows in found.languages_in_a_row.items()}
    return [
        Table(f"{found.rows} rows of {found.contents} contents; lengths in characters", columns, languages),
        _bars("Sources", found.sources),
        _bars("Licences", found.licences),
        _bars("Texts, by how they came about", found.provenance),
        _bars("Rows, by their number of languages", sizes),
    ]


def _bars(title: str, counts: dict[str, int]) -> Table:
    most = max(counts.values(), default=1)
    rows = tuple((name, str(count), _bar(count / most)) for name, count in counts.items())
    return Table(title, ("", "rows", ""), rows, labels=1)


def _bar(share: float) -> str:
    return ("█" * round(BAR * share) or "▏").ljust(BAR)
