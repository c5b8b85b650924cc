"""`build`: from origins to a file of checked rows, with a report of what was dropped and why."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path

from isoglot.platform.downloads import Downloads, Package, SourceMissingError
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import expanded, write_text
from isoglot.platform.languages import canonical
from isoglot.training_data.checks import Finding, check_rows, count_findings, require_no_findings
from isoglot.training_data.choosing import choose, choose_candidates
from isoglot.training_data.held_out import evaluation_grams
from isoglot.training_data.origins import LOCAL_COPIES, MIX, ORIGINS
from isoglot.training_data.overlap import EightGrams
from isoglot.training_data.row import Row, check_row_file, fingerprint, write_rows

log = logging.getLogger(__name__)

FURTHER_LANGUAGES = 8
"""How many languages besides English a row of a build has, where its origin has them."""


@dataclass(frozen=True, kw_only=True)
class OriginCounts:
    """How many rows of an origin came through each step of a build.

    Attributes:
        found: Number of rows that the origin has.
        checked: Number of rows that were checked.
        passed: Number of rows that passed the checks.
        written: Number of rows that were written.
    """

    found: int
    checked: int
    passed: int
    written: int


@dataclass(frozen=True, kw_only=True)
class BuildReport:
    """What a build did.

    Attributes:
        name: Name of the build: an origin or ``mix``.
        rows: Number of rows written.
        fingerprint: Fingerprint of the rows.
        origins: Origin -> how many of its rows came how far.
        languages: Language -> how many of the rows written have it.
        licences: Licence -> how many of the rows written have it.
        checks: Origin -> check -> number of findings.
        against: Collections whose overlap was checked.
        unchecked: Collection that could not be loaded -> why.
        missing: Origin that could not be read -> why.
        packages: Packages that were read: name, version, bytes.
        fetched: Bytes downloaded in this run.
        seconds: Duration of the build.
        findings: All findings of the checks.
    """

    name: str
    rows: int
    fingerprint: str
    origins: dict[str, OriginCounts]
    languages: dict[str, int]
    licences: dict[str, int]
    checks: dict[str, dict[str, int]]
    against: list[str]
    unchecked: dict[str, str]
    missing: dict[str, str]
    packages: list[Package]
    fetched: int
    seconds: float
    findings: list[Finding]

    def to_json(self) -> str:
        """Return the report as JSON."""
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
    without: Sequence[str] = (),
    strict: bool = False,
    downloads: Downloads | None = None,
) -> BuildReport:
    """Build a file of training rows; two builds from the same packages are identical byte by byte.

    Args:
        name: An origin (``isoglot data origins``), ``NAME:DIR`` for a local copy of its files, or ``mix``.
        output: ``.jsonl`` or ``.parquet`` file to write; the report is written beside it, as ``NAME.report.json``.
        languages: Tags of the languages wanted besides English; None: all.
        size: Largest number of rows. Rows in more languages are preferred, up to `per_row`; a mix is spread evenly
            over its origins.
        per_row: Largest number of languages besides English in a row, chosen evenly over languages.
        seed: Random seed for the choice of rows and languages.
        against: Sources of further evaluation collections that no row may overlap, e.g. ``folder:DIR``;
            ``xquad:DIR`` and ``belebele:DIR`` stand in for those of the hub.
        without: Origins to leave out of a mix.
        strict: Whether any finding of a check is an error.
        downloads: Folder where packages are kept; None: in isoglot's cache.

    Raises:
        IsoglotError: A name is unknown, no origin is left or could be read, or the output cannot be written.
    """
    check_row_file(output)
    started = time.monotonic()
    downloads = downloads or Downloads()
    wanted = None if languages is None else frozenset(map(canonical, languages)) - {"en"}
    available, missing = _read_origins(name, without, wanted, downloads)
    grams, unchecked = evaluation_grams(against)
    selection = _select(available, grams, size=size, per_row=per_row, seed=seed)
    rows, findings = selection.rows, selection.findings
    if strict:
        require_no_findings(name, findings)
    if not rows:
        raise IsoglotError(f"{name}: {_why_empty(findings)}")
    write_rows(output, rows)
    report = BuildReport(
        name=name,
        rows=len(rows),
        fingerprint=fingerprint(rows),
        origins=selection.origins,
        languages=dict(Counter(language for row in rows for language in row.languages).most_common()),
        licences=dict(Counter(row.licence for row in rows).most_common()),
        checks=_count_by_source(findings),
        against=sorted(grams),
        unchecked=unchecked,
        missing=missing,
        packages=sorted(downloads.used),
        fetched=downloads.fetched,
        seconds=round(time.monotonic() - started, 1),
        findings=findings,
    )
    write_text(report_path(output), report.to_json())
    return report


def report_path(output: str | Path) -> Path:
    """Return the path of the report beside a file of rows."""
    return Path(output).with_suffix(".report.json")


def _read_origins(
    name: str, without: Sequence[str], languages: frozenset[str] | None, downloads: Downloads
) -> tuple[dict[str, list[Row]], dict[str, str]]:
    """Return origin -> its rows, and origin of a mix that could not be read -> why."""
    origin, _, folder = name.partition(":")
    if origin != "mix" and origin not in ORIGINS:
        raise IsoglotError(f"unknown origin {origin!r}; known are mix, {', '.join(ORIGINS)}")
    if folder and origin not in LOCAL_COPIES:
        raise IsoglotError(f"{origin} takes no folder; write {origin}")
    parts: tuple[str, ...] = MIX if origin == "mix" else (origin,)
    for part in without:
        if part not in parts:
            raise IsoglotError(f"{name} has no origin {part!r} to leave out; it has {', '.join(parts)}")
    parts = tuple(part for part in parts if part not in without)
    if not parts:
        raise IsoglotError(f"{name} without {', '.join(without)} has no origin left")
    available: dict[str, list[Row]] = {}
    missing: dict[str, str] = {}
    for part in parts:
        log.info("reading %s", part)
        read = import_module(ORIGINS[part].module).rows
        try:
            if folder:
                available[part] = read(downloads, languages, folder=expanded(folder))
            else:
                available[part] = read(downloads, languages)
        except SourceMissingError as error:
            if origin != "mix":
                raise
            missing[part] = str(error)
            log.warning("%s is left out: %s", part, error)
    if not available:
        raise IsoglotError(f"{name}: no origin can be read here: {'; '.join(missing.values())}")
    return available, missing


@dataclass(frozen=True)
class _Selection:
    """The rows to write, how they came about, and what the checks found on the way."""

    rows: list[Row]
    origins: dict[str, OriginCounts]
    findings: list[Finding]


def _select(
    available: Mapping[str, Sequence[Row]], grams: Mapping[str, EightGrams], *, size: int, per_row: int, seed: int
) -> _Selection:
    """Check as many rows as may be needed, and choose from those that pass."""
    candidates = choose_candidates(available, size, per_row, seed)
    checked, findings = check_rows([row for rows in candidates.values() for row in rows], grams)
    passed: dict[str, list[Row]] = defaultdict(list)
    for row in checked:
        passed[row.source].append(row)
    chosen = choose(passed, size, per_row, seed)
    written = Counter(row.source for row in chosen)
    origins = {
        origin: OriginCounts(
            found=len(rows), checked=len(candidates[origin]), passed=len(passed[origin]), written=written[origin]
        )
        for origin, rows in available.items()
    }
    return _Selection(chosen, origins, findings)


def _why_empty(findings: Sequence[Finding]) -> str:
    counts = ", ".join(f"{check} {count}" for check, count in count_findings(findings).items() if count)
    return f"no row passed the checks, which found: {counts}" if counts else "has no rows; choose other languages"


def _count_by_source(findings: Iterable[Finding]) -> dict[str, dict[str, int]]:
    by_source: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_source[finding.source].append(finding)
    return {source: count_findings(part) for source, part in sorted(by_source.items())}
