"""Whether an audit may be written to a folder: only the same audit is replaced, or one that is damaged."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from isoglot.evaluation.results import AUDIT, Audit, Cell, DamagedAuditError
from isoglot.platform.errors import IsoglotError
from isoglot.retrievers.base import RetrieverRecord

log = logging.getLogger("isoglot")

_ADVICE = "choose another folder or pass --force (in Python force=True)"


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    """What tells audits apart.

    Attributes:
        model: What is audited.
        collection: The fingerprint of what it is audited on.
        seed: As `Audit.seed`.
        limit: As `Audit.limit`.
        balance: As `Audit.balance`.
        documents_mode: ``dedup`` or ``per-question``.
        cells: The pools and their query languages, in order.
    """

    model: RetrieverRecord
    collection: str
    seed: int
    limit: int | None
    balance: str
    documents_mode: str
    cells: tuple[Cell, ...]

    @classmethod
    def of(cls, audit: Audit) -> AuditSettings:
        """The settings that an audit was made with."""
        return cls(
            model=audit.model,
            collection=audit.collection.fingerprint,
            seed=audit.seed,
            limit=audit.limit,
            balance=audit.balance,
            documents_mode=audit.scenarios[0].documents_mode,
            cells=tuple(result.cell for result in audit.scenarios),
        )


def check_output(folder: str | Path, settings: AuditSettings) -> None:
    """Refuse a folder that holds an audit with other settings, or an audit.json of something else.

    One that is damaged is to be replaced, which a warning says.

    Args:
        folder: The folder to write to; it need not exist.
        settings: Those of the audit to be written.

    Raises:
        IsoglotError: The folder holds another audit, or an audit.json that isoglot did not write or cannot read.
    """
    if not (Path(folder) / AUDIT).exists():
        return
    try:
        audit = Audit.load(folder, with_ranks=False)
    except DamagedAuditError:
        log.warning("%s: is damaged; it is made again", Path(folder) / AUDIT)
        return
    except IsoglotError as error:
        raise IsoglotError(f"{error}; {_ADVICE}") from error
    held = AuditSettings.of(audit)
    if replace(held, cells=settings.cells) != settings:
        limit = "" if held.limit is None else f", limit {held.limit}"
        raise IsoglotError(
            f"{folder}: holds another audit, of {audit.retriever} on {audit.collection.name} with seed {held.seed}, "
            f"{held.documents_mode} documents{limit}; it differs in {_differences(held, settings)}; {_ADVICE}"
        )
    if held.cells != settings.cells:
        raise IsoglotError(f"{folder}: holds an audit of other pools; {_ADVICE}")


def _differences(held: AuditSettings, settings: AuditSettings) -> str:
    """Name what differs, with the values in short, that of the audit in the folder first."""
    there, here = _facts(held), _facts(settings)
    return ", ".join(
        f"{name} ({there.get(name)!r:.40}, now {here.get(name)!r:.40})"
        for name in there | here
        if there.get(name) != here.get(name)
    )


def _facts(settings: AuditSettings) -> dict[str, Any]:
    facts: dict[str, Any] = msgspec.to_builtins(replace(settings, cells=()))
    return {f"model {name}": value for name, value in facts.pop("model").items()} | facts
