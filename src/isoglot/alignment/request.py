"""What one alignment needs before it starts: the request, its rows, its development split, its model."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isoglot.alignment.guard import FEWEST_HELD_OUT, hold_out, named_development
from isoglot.alignment.record import SCHEMA, BaseRecord, DataRecord, DevelopmentRecord, Recipe, digest
from isoglot.alignment.registry import Method
from isoglot.corpora.collection import Collection
from isoglot.encoders.encoder import Encoder
from isoglot.encoders.sentence_transformer import load_encoder
from isoglot.platform.errors import IsoglotError
from isoglot.platform.version import __version__
from isoglot.training_data.loading import data_name, training_rows
from isoglot.training_data.row import Row, fingerprint

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What all runs of one `align` share; its arguments are described there.

    Raises:
        IsoglotError: `max_loss` is negative or not finite.
    """

    model: str
    data: str | Path | Collection | Sequence[Row]
    languages: Sequence[str] | None = None
    per_row: int | None = None
    dev: str | Collection | None = None
    max_loss: float = 1.0
    device: str = "auto"
    force: bool = False
    trust_remote_code: bool = False
    show_progress: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.max_loss < math.inf:
            raise IsoglotError(f"max loss is {self.max_loss} points; it must be 0 or more and finite")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One method on one model with one seed, ready to start.

    Attributes:
        request: What the run shares with others.
        method: The method.
        options: The method's options.
        seed: Random seed of the training.
        target: The folder to write.
        rows: The rows to train on or fit to.
        development: The collection to judge by; None: no guard.
        encoder: The base; the method changes its model.
        recipe: Everything that decides the result, as isoglot.json holds it.
    """

    request: Request
    method: Method
    options: Any
    seed: int
    target: Path
    rows: Sequence[Row]
    development: Collection | None
    encoder: Encoder
    recipe: Recipe

    @property
    def lossy(self) -> Path:
        """The folder of the model if the guard fails it."""
        return self.target.with_name(f"{self.target.name}.lossy")

    @property
    def working(self) -> Path:
        """The folder from which an interrupted training continues; another recipe has another one."""
        return self.target.with_name(f".{self.target.name}.training-{digest(self.recipe)}")


def prepare(request: Request, method: Method, options: Mapping[str, Any], output: str | Path, *, seed: int) -> Run:
    """Load what a run needs.

    Args:
        request: What the run shares with others.
        method: The method.
        options: The method's options that the user gave.
        output: The folder to write.
        seed: Random seed of the training.

    Raises:
        IsoglotError: Something named does not exist, or an option is wrong.
    """
    settings = method.options(options)
    rows, development = _rows_and_development(request, seed)
    encoder = load_encoder(
        request.model, device=request.device, precision="float32", trust_remote_code=request.trust_remote_code
    )
    recipe = Recipe(
        schema=SCHEMA,
        isoglot=__version__,
        method=method.name,
        needs_language=method.needs_language,
        options=dataclasses.asdict(settings),
        seed=seed,
        base=BaseRecord(request.model, encoder.fingerprint),
        data=DataRecord(
            name=data_name(request.data),
            fingerprint=fingerprint(rows),
            languages=sorted({language for row in rows for language in row.document}),
            rows=len(rows),
            licences=sorted({row.licence for row in rows if row.licence}),
        ),
        development=None if development is None else _development_record(development),
    )
    return Run(
        request=request,
        method=method,
        options=settings,
        seed=seed,
        target=Path(output),
        rows=rows,
        development=development,
        encoder=encoder,
        recipe=recipe,
    )


def _development_record(development: Collection) -> DevelopmentRecord:
    return DevelopmentRecord(
        name=development.name,
        fingerprint=development.fingerprint,
        languages=development.languages,
        documents=len(development.documents),
        queries=len(development.queries),
    )


def _rows_and_development(request: Request, seed: int) -> tuple[list[Row], Collection | None]:
    """The rows to train on and the development split.

    Held-out contents keep all their languages; only the training rows are cut to `per_row`.
    """
    rows = training_rows(request.data, request.languages)
    development = None
    if request.dev is None:
        rows, development = hold_out(rows, data_name(request.data))
        if development is None:
            log.warning(
                "%s: too few contents to hold %d out, so nothing guards the result; name a collection with --dev",
                data_name(request.data),
                FEWEST_HELD_OUT,
            )
    elif request.dev != "none":
        development = named_development(request.dev, rows)
    return training_rows(rows, per_row=request.per_row, seed=seed), development
