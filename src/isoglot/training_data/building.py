"""`build`: from origins to a file of checked rows, with a report of what was dropped and why."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from isoglot.corpora.sources import load_collection
from isoglot.platform.downloads import Downloads, Package, SourceMissingError
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import write_text
from isoglot.platform.languages import canonical
from isoglot.training_data.checks import Finding, check_rows, count, none_found
from isoglot.training_data.loading import mixed, spread
from isoglot.training_data.origins import MIX, ORIGINS
from isoglot.training_data.overlap import EightGrams
from isoglot.training_data.row import Row, check_row_file, fingerprint, write_rows

log = logging.getLogger(__name__)

EVALUATION = ("mini@test", "xquad", "belebele")
"""Collections that no row may overlap, besides those that the user names."""

SPARE = 2
"""How many times more rows are checked than are wanted, since some fail."""

THIN = 0.01
"""A language with less than this share of the rows is left out: a handful of texts gives it no mean."""

FURTHER_LANGUAGES = 8
"""How many languages besides English a row of a build has, where its origin has them."""


@dataclass
class Report:
    """What a build did.

    Attributes:
        name: Of the build.
        rows: How many were written.
        fingerprint: Of the rows.
        origins: Origin -> how many rows it had, how many were checked, how many passed, how many were written.
        languages: Language -> how many rows written have it.
        licences: Licence -> how many rows written have it.
        checks: Check -> how many findings, by origin.
        against: The collections whose overlap was looked for.
        unchecked: Collections that could not be had -> why.
        missing: Origins that could not be had -> why.
        packages: What was read: name, version, bytes.
        fetched: Bytes downloaded in this run.
        seconds: That it took.
        findings: All that was found.
    """

    name: str
    rows: int = 0
    fingerprint: str = ""
    origins: dict[str, dict[str, int]] = field(default_factory=dict)
    languages: dict[str, int] = field(default_factory=dict)
    licences: dict[str, int] = field(default_factory=dict)
    checks: dict[str, dict[str, int]] = field(default_factory=dict)
    against: list[str] = field(default_factory=list)
    unchecked: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    packages: list[Package] = field(default_factory=list)
    fetched: int = 0
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)

    def to_json(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n"


def build(
    name: str,
    output: str | Path,
    *,
    languages: Sequence[str] | None = None,
    size: int = 2800,
    per_row: int = FURTHER_LANGUAGES,
    seed: int = 0,
    against: Sequence[str] = (),
    strict: bool = False,
    downloads: Downloads | None = None,
) -> Report:
    """Build a file of training rows; two builds from the same packages are identical byte by byte.

    Args:
        name: An origin (``isoglot data origins``), ``NAME:DIR`` for a local copy of its files, or ``mix``.
        output: ``.jsonl`` or ``.parquet``; the report is written beside it, as ``NAME.report.json``.
        languages: Tags to use besides English; None: all.
        size: Most rows. Rows in more languages are preferred, up to `per_row`; a mix is spread evenly over its origins.
        per_row: At most so many languages in a row besides English, chosen evenly over languages.
        seed: Of the choice of rows and languages.
        against: Sources of evaluation collections besides ``EVALUATION`` that no row may overlap, e.g. ``folder:DIR``;
            ``xquad:DIR`` and ``belebele:DIR`` stand in for those of the hub.
        strict: Whether anything that a check finds is an error.
        downloads: Where packages are kept; isoglot's cache if not named.

    Raises:
        IsoglotError: Unknown name, nothing could be had, or the output cannot be written.
    """
    check_row_file(output)
    started = time.monotonic()
    downloads = downloads or Downloads()
    wanted = None if languages is None else frozenset(map(canonical, languages)) - {"en"}
    report = Report(name)
    found = _collect(name, wanted, downloads, report)
    grams, report.unchecked = evaluation_grams(against)
    report.against = sorted(grams)
    quota = _quotas({origin: len(part) for origin, part in found.items()}, size)
    candidates = {
        origin: _in_order(_preferred(part, per_row, seed)[: SPARE * quota[origin]]) for origin, part in found.items()
    }
    rows, report.findings = check_rows([row for part in candidates.values() for row in part], grams)
    report.checks = _by_origin(report.findings)
    if strict:
        none_found(name, report.findings)
    passed: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        passed[row.source].append(row)
    chosen = choose(passed, size, per_row, seed)
    if not chosen:
        raise IsoglotError(f"{name}: no row passed the checks; the report above says why")
    write_rows(output, chosen)
    report.rows, report.fingerprint = len(chosen), fingerprint(chosen)
    written = Counter(row.source for row in chosen)
    report.origins = {
        origin: {
            "found": len(part),
            "checked": len(candidates[origin]),
            "passed": len(passed[origin]),
            "written": written[origin],
        }
        for origin, part in found.items()
    }
    report.languages = dict(Counter(language for row in chosen for language in row.languages).most_common())
    report.licences = dict(Counter(row.licence for row in chosen).most_common())
    report.packages, report.fetched = sorted(downloads.used), downloads.fetched
    report.seconds = round(time.monotonic() - started, 1)
    write_text(report_path(output), report.to_json())
    return report


def report_path(output: str | Path) -> Path:
    """Where the report of a build stands."""
    return Path(output).with_suffix(".report.json")


def choose(passed: Mapping[str, Sequence[Row]], size: int, per_row: int, seed: int) -> list[Row]:
    """At most `size` rows, evenly over origins as far as each goes, by content id.

    Rows with `per_row` languages besides English come first, then those with fewer; equals by a seeded hash. Languages
    of less than `THIN` of the rows are left out.
    """
    quota = _quotas({origin: len(rows) for origin, rows in passed.items()}, size)
    chosen = [
        row for origin, rows in sorted(passed.items()) for row in _preferred(rows, per_row, seed)[: quota[origin]]
    ]
    chosen = spread(chosen, per_row, seed)
    counts = Counter(language for row in chosen for language in row.languages)
    enough = [language for language, count in counts.items() if count >= THIN * len(chosen)]
    kept = (row.keep(enough) for row in chosen)
    return _in_order(row for row in kept if row.query and row.document)


def _in_order(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row.content_id, row.hash))


def _preferred(rows: Sequence[Row], per_row: int, seed: int) -> list[Row]:
    return sorted(rows, key=lambda row: (-min(len(row.languages) - 1, per_row), mixed(row.hash, seed)))


def _quotas(available: Mapping[str, int], size: int) -> dict[str, int]:
    """An even share for each; what thin origins lack goes to the others."""
    quota, left = {}, size
    for remaining, (origin, has) in zip(
        range(len(available), 0, -1), sorted(available.items(), key=lambda item: (item[1], item[0])), strict=True
    ):
        quota[origin] = min(has, -(-left // remaining))
        left -= quota[origin]
    return quota


def _collect(name: str, languages: frozenset[str] | None, downloads: Downloads, report: Report) -> dict[str, list[Row]]:
    origin, _, folder = name.partition(":")
    if origin != "mix" and origin not in ORIGINS:
        raise IsoglotError(f"unknown origin {origin!r}; known are mix, {', '.join(ORIGINS)}")
    arguments: dict[str, Any] = {}
    if folder:
        if origin not in ("miracl", "mmarco"):
            raise IsoglotError(f"{origin} takes no folder; write {origin}")
        arguments["folder"] = Path(folder).expanduser()
    found: dict[str, list[Row]] = {}
    for part in MIX if origin == "mix" else (origin,):
        log.info("reading %s", part)
        try:
            found[part] = import_module(ORIGINS[part].module).rows(downloads, languages, **arguments)
        except SourceMissingError as error:
            if origin != "mix":
                raise
            report.missing[part] = str(error)
            log.warning("%s is left out: %s", part, error)
    if not found:
        raise IsoglotError(f"{name}: no origin can be had here: {'; '.join(report.missing.values())}")
    return found


def evaluation_grams(against: Sequence[str] = ()) -> tuple[dict[str, EightGrams], dict[str, str]]:
    """The n-grams of the collections that no row may overlap.

    Args:
        against: Sources besides `EVALUATION`; ``xquad:DIR`` and ``belebele:DIR`` stand in for those of the hub.

    Returns:
        Source -> its n-grams, and source -> why it could not be had, which for `EVALUATION` is no error.

    Raises:
        IsoglotError: A collection in `against` cannot be had.
    """
    named = {spec.partition(":")[0] for spec in against}
    grams, unchecked = {}, {}
    for spec in (*(spec for spec in EVALUATION if spec not in named), *against):
        try:
            collection = load_collection(spec)
        except IsoglotError as error:
            if spec in against:
                raise
            unchecked[spec] = str(error)
            log.warning("overlap with %s is not checked: %s", spec, error)
            continue
        documents, queries = collection.documents, collection.queries
        grams[spec] = EightGrams.of([*(document.text for document in documents), *(query.text for query in queries)])
    return grams, unchecked


def _by_origin(findings: Sequence[Finding]) -> dict[str, dict[str, int]]:
    by_source: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_source[finding.source].append(finding)
    return {source: count(found) for source, found in sorted(by_source.items())}
