"""The audits of a comparison: loaded, gathered by seed, named, and refused where they cannot be compared."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from isoglot.corpora.collection import Collection
from isoglot.evaluation.results import AUDIT, Audit, Cell, ScenarioResult
from isoglot.platform.errors import IsoglotError

AuditSource = Audit | str | Path
"""An audit, a folder that holds one, or a model's name."""


def load_audits(
    arguments: Sequence[AuditSource | Sequence[AuditSource]],
    data: str | Collection | None,
    names: Sequence[str] | None,
    options: Mapping[str, Any],
) -> tuple[tuple[str, ...], list[list[Audit]]]:
    """Load what `isoglot.compare` was given.

    Args:
        arguments: As for `isoglot.compare`.
        data: As for `isoglot.compare`.
        names: As for `isoglot.compare`.
        options: Options of ``isoglot.audit`` for the models named.

    Returns:
        A name for each argument, and its audits: one, or those of several seeds of one method.

    Raises:
        IsoglotError: There are fewer than two, a model is named without `data`, a name is wrong, or the audits cannot
            be compared.
    """
    if len(arguments) < 2:
        raise IsoglotError("compare needs at least two audits or models")
    if names is not None and len(names) != len(arguments):
        raise IsoglotError(f"{len(names)} names were given for {len(arguments)} audits")
    members = [_members(argument) for argument in arguments]
    audits = [[_load(source, data, options) for source in sources] for _, sources in members]
    every = [audit for group in audits for audit in group]
    for other in every[1:]:
        _check_comparable(every[0], other)
    given = [name for name, _ in members] if names is None else names
    short = iter(_short_names([group[0].retriever for name, group in zip(given, audits, strict=True) if name is None]))
    labels = tuple(next(short) if name is None else name for name in given)
    duplicates = [name for name, times in Counter(labels).items() if times > 1]
    if duplicates:
        raise IsoglotError(f"two audits are called {duplicates[0]!r}; give each its own name with --names")
    return labels, audits


def common_cells(audits: Sequence[Audit]) -> list[Cell]:
    """The cells of the scenarios that all audits have, in the order of the first audit."""
    shared = set.intersection(*({result.scenario for result in audit.scenarios} for audit in audits))
    return [result.cell for result in audits[0].scenarios if result.scenario in shared]


def _members(argument: AuditSource | Sequence[AuditSource]) -> tuple[str | None, list[AuditSource]]:
    """The name in an argument, if any, and the audits that it stands for: ``NAME=DIR,DIR`` or a folder of seeds."""
    if isinstance(argument, Audit):
        return None, [argument]
    if not isinstance(argument, str | Path):
        if not argument:
            raise IsoglotError("a list of audits to compare is empty")
        return None, list(argument)
    name, equals, folders = str(argument).partition("=")
    if equals and "/" not in name:
        parts = [part.strip() for part in folders.split(",")]
        if not name or not all(parts):
            raise IsoglotError(f"{argument}: is not NAME=AUDIT or NAME=AUDIT,AUDIT...")
        return name, [source for part in parts for source in _members(part)[1]]
    seeds = [path for path in Path(argument).glob("seed-*") if re.fullmatch(r"seed-\d+(\.lossy)?", path.name)]
    if seeds and not (Path(argument) / AUDIT).is_file():
        return Path(argument).name, [*sorted(seeds)]
    return None, [argument]


def _load(source: AuditSource, data: str | Collection | None, options: Mapping[str, Any]) -> Audit:
    if isinstance(source, Audit):
        return source
    if (Path(source) / AUDIT).is_file():
        return Audit.load(source)
    if data is None:
        raise IsoglotError(f"{source}: holds no {AUDIT}; to audit it as a model, name the collection with --data")
    from isoglot.evaluation.audit import audit

    return audit(str(source), data, **options)


def _check_comparable(first: Audit, other: Audit) -> None:
    difference = next(_differences(first, other), None)
    if difference is not None:
        names = f"{first.retriever} and {other.retriever}"
        raise IsoglotError(f"the audits of {names} cannot be compared: {difference}")


def _differences(first: Audit, other: Audit) -> Iterator[str]:
    """Each field in which two audits differ so that they cannot be compared, with both values."""
    fields = {
        "collection name": (first.collection.name, other.collection.name),
        "data version (collection fingerprint)": (
            first.collection.fingerprint[:12],
            other.collection.fingerprint[:12],
        ),
        "seed": (first.seed, other.seed),
        "limit": (first.limit, other.limit),
        "documents mode": (first.scenarios[0].documents_mode, other.scenarios[0].documents_mode),
    }
    yield from (f"{field} differs ({one} and {two})" for field, (one, two) in fields.items() if one != two)
    results, others = ({result.cell: result for result in audit.scenarios} for audit in (first, other))
    cells = common_cells([first, other])
    if not cells:
        yield "they have no scenario in common"
    for cell in [*cells, *common_cells([other, first])]:
        if (cell in results) != (cell in others):
            yield f"pools differ (only one has {cell})"
    for cell in cells:
        yield from _result_differences(results[cell], others[cell])


def _result_differences(first: ScenarioResult, other: ScenarioResult) -> Iterator[str]:
    only = sorted(set(first.measures) ^ set(other.measures))
    if only:
        yield f"measures differ (only one has {', '.join(only)}, in {first.cell})"
    if first.documents != other.documents:
        yield f"pool differs ({first.documents} and {other.documents} documents in {first.cell})"
    if first.judged is None or other.judged is None:
        yield "one was saved without its ranks (ranks.npz); make it again"
    elif first.query_ids != other.query_ids:
        yield f"queries differ (in {first.cell})"


def _short_names(names: Sequence[str]) -> tuple[str, ...]:
    """The last parts of paths, with as many parent folders as it takes to tell them apart."""
    parts = [Path(name).parts for name in names]
    for depth in range(1, max(map(len, parts), default=0) + 1):
        short = tuple("/".join(path[-depth:]) for path in parts)
        if len(set(short)) == len(short):
            return short
    return tuple(f"{name} ({number})" for number, name in enumerate(names, start=1))
