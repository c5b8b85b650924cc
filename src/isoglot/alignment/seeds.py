"""``--seeds N``: the same alignment with several seeds, and how far their results spread."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from isoglot.alignment.execute import execute
from isoglot.alignment.guard import LossyError
from isoglot.alignment.output import check_seeds_folder
from isoglot.alignment.record import (
    RECORD,
    SEEDS,
    SEEDS_SCHEMA,
    AlignmentRecord,
    Means,
    SeedRecord,
    SeedsRecord,
    read_record,
    to_json,
)
from isoglot.alignment.registry import Method
from isoglot.alignment.request import Request, prepare
from isoglot.alignment.tables import seeds_table
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import write_text
from isoglot.report.markdown import table_to_markdown


def align_seeds(
    request: Request, method: Method, options: Mapping[str, Any], output: Path, seeds: Sequence[int]
) -> Path:
    """Train each seed into ``output/seed-N``, keeping those that are finished, and write seeds.json and seeds.md.

    All seeds are judged on the same development split, by the same pools.

    Raises:
        LossyError: The guard failed a seed; all were trained before.
        IsoglotError: There is no seed, the output holds something else, or a training failed.
    """
    if not seeds:
        raise IsoglotError("--seeds must be at least 1")
    check_seeds_folder(output)
    folders: list[Path] = []
    failed: list[LossyError] = []
    for seed in seeds:
        try:
            folders.append(execute(prepare(request, method, options, output / f"seed-{seed}", seed=seed)))
        except LossyError as error:
            folders.append(error.folder)
            failed.append(error)
    summary = summarise(folders)
    write_text(output / SEEDS, to_json(summary))
    write_text(output / "seeds.md", table_to_markdown(seeds_table(summary)))
    if failed:
        raise LossyError(
            f"{len(failed)} of {len(seeds)} seeds lost too much, the first: {failed[0]}",
            failed[0].folder,
            failed[0].verdict,
        )
    return output


def summarise(folders: Sequence[Path]) -> SeedsRecord:
    """Each seed's development measures, their mean and standard deviation (n - 1).

    Args:
        folders: The folders of the seeds' models.

    Raises:
        IsoglotError: A folder has no record, or a damaged one.
    """
    records = [_record(folder) for folder in folders]
    means: list[Means] = [{} if record.measures is None else record.measures.aligned["mean"] for record in records]
    values = {name: [seed_means[name] for seed_means in means] for name in means[0]}
    base = records[0].measures
    return SeedsRecord(
        schema=SEEDS_SCHEMA,
        base=None if base is None else base.base["mean"],
        seeds=[
            SeedRecord(seed=record.seed, folder=folder.name, measures=seed_means, verdict=record.verdict)
            for record, folder, seed_means in zip(records, folders, means, strict=True)
        ],
        mean={name: _of_all(statistics.fmean, column) for name, column in values.items()},
        standard_deviation={
            name: _of_all(statistics.stdev, column) for name, column in values.items() if len(column) > 1
        },
    )


def _record(folder: Path) -> AlignmentRecord:
    record = read_record(folder)
    if record is None:
        raise IsoglotError(f"{folder}: has no {RECORD}; remove the folder and run the same command again")
    return record


def _of_all(statistic: Callable[[Sequence[float]], float], values: Sequence[float | None]) -> float | None:
    """A statistic of values; None where a value is missing."""
    present = [value for value in values if value is not None]
    return statistic(present) if len(present) == len(values) else None
