"""What one alignment needs before it starts: the request, its rows, its development split, its model."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isoglot.alignment.guard import FEWEST, named_development, split
from isoglot.alignment.registry import Method
from isoglot.corpora.collection import Collection
from isoglot.encoders.encoder import Encoder
from isoglot.encoders.sentence_transformer import load_encoder
from isoglot.platform.errors import IsoglotError
from isoglot.platform.version import __version__
from isoglot.training_data.loading import data_name, training_rows
from isoglot.training_data.row import Row, fingerprint

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """What all runs of one `align` share; see `isoglot.align`."""

    model: str
    data: str | Path | Collection | Sequence[Row]
    languages: Sequence[str] | None
    per_row: int | None
    dev: str | Collection | None
    max_loss: float
    device: str
    force: bool
    trust_remote_code: bool
    show_progress: bool

    def __post_init__(self) -> None:
        if not 0 <= self.max_loss < math.inf:
            raise IsoglotError(f"max loss is {self.max_loss} points; it must be 0 or more and finite")


@dataclass(frozen=True)
class Run:
    """One method on one model with one seed, ready to start.

    Attributes:
        request: As given.
        method: The method.
        settings: Its ``Options``.
        seed: Of the training.
        target: The folder to write.
        rows: To train on or fit to.
        development: To judge by; None: no guard.
        encoder: The base; `start` changes its model.
        recipe: All that decides the result, as isoglot.json holds it.
    """

    request: Request
    method: Method
    settings: Any
    seed: int
    target: Path
    rows: Sequence[Row]
    development: Collection | None
    encoder: Encoder
    recipe: Mapping[str, Any]

    @property
    def lossy(self) -> Path:
        """Where the model is kept if the guard fails it."""
        return self.target.with_name(f"{self.target.name}.lossy")

    @property
    def working(self) -> Path:
        """Where an interrupted training goes on from; another recipe has another one."""
        return self.target.with_name(f".{self.target.name}.training-{digest(self.recipe)}")


def digest(recipe: Mapping[str, Any]) -> str:
    """What tells the working folder of a recipe from those of others."""
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:12]


def prepare(request: Request, method: Method, options: Mapping[str, Any], output: str | Path, *, seed: int) -> Run:
    """Load what a run needs.

    Raises:
        IsoglotError: Something named does not exist, or an option is wrong.
    """
    settings = method.options(options)
    rows, development = _rows_and_development(request, seed)
    encoder = load_encoder(
        request.model, device=request.device, precision="float32", trust_remote_code=request.trust_remote_code
    )
    recipe = {
        "schema": "isoglot.alignment/1",
        "isoglot": __version__,
        "method": method.name,
        "needs_language": method.needs_language,
        "options": dataclasses.asdict(settings),
        "seed": seed,
        "base": {"name": request.model, "fingerprint": encoder.fingerprint},
        "data": {
            "name": data_name(request.data),
            "fingerprint": fingerprint(rows),
            "languages": sorted({language for row in rows for language in row.document}),
            "rows": len(rows),
            "licences": sorted({row.licence for row in rows if row.licence}),
        },
        "development": None
        if development is None
        else {
            "name": development.name,
            "fingerprint": development.fingerprint,
            "languages": development.languages,
            "documents": len(development.documents),
            "queries": len(development.queries),
        },
    }
    return Run(request, method, settings, seed, Path(output), rows, development, encoder, recipe)


def _rows_and_development(request: Request, seed: int) -> tuple[list[Row], Collection | None]:
    """Held-out contents keep all their languages; only the training rows are cut to `per_row`."""
    rows = training_rows(request.data, request.languages)
    development = None
    if request.dev is None:
        rows, development = split(rows, data_name(request.data))
        if development is None:
            log.warning(
                "%s: too few contents to hold %d out, so nothing guards the result; name a collection with --dev",
                data_name(request.data),
                FEWEST,
            )
    elif request.dev != "none":
        development = named_development(request.dev, rows)
    return training_rows(rows, per_row=request.per_row, seed=seed), development
