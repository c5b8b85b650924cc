"""``--seeds N``: the same alignment with several seeds, and how far their results spread."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from isoglot.alignment.execute import start
from isoglot.alignment.guard import LossyError
from isoglot.alignment.record import read_record
from isoglot.alignment.registry import Method
from isoglot.alignment.request import Request, prepare
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import write_text

SEEDS = "seeds.json"


def align_seeds(
    request: Request, method: Method, options: Mapping[str, Any], output: Path, seeds: Sequence[int]
) -> Path:
    """Train each seed into ``output/seed-N``, keeping those that are finished, and write seeds.json and seeds.md.

    All seeds are judged on the same development split, by the same pools.

    Raises:
        LossyError: The guard failed a seed, after all were trained.
        IsoglotError: No seed, the output holds something else, or a training failed.
    """
    from isoglot.report.alignment import seeds_table
    from isoglot.report.markdown import table_to_markdown

    if not seeds:
        raise IsoglotError("--seeds must be at least 1")
    _check_ours(output)
    folders, failed = [], []
    for seed in seeds:
        try:
            folders.append(start(prepare(request, method, options, output / f"seed-{seed}", seed=seed)))
        except LossyError as error:
            folders.append(error.folder)
            failed.append(error)
    summary = summarise(folders)
    write_text(output / SEEDS, json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    write_text(output / "seeds.md", table_to_markdown(seeds_table(summary)))
    if failed:
        raise LossyError(
            f"{len(failed)} of {len(seeds)} seeds lost too much, the first: {failed[0]}",
            failed[0].folder,
            failed[0].verdict,
        )
    return output


def summarise(folders: Sequence[Path]) -> dict[str, Any]:
    """What seeds.json holds: each seed's development measures, their mean and standard deviation (n - 1).

    Args:
        folders: Of the seeds' models.
    """
    records = [read_record(folder) or {} for folder in folders]
    measures = [record["measures"]["aligned"]["mean"] if record["measures"] else {} for record in records]
    values = {name: [found[name] for found in measures] for name in measures[0]}
    return {
        "schema": "isoglot.seeds/1",
        "base": records[0]["measures"]["base"]["mean"] if measures[0] else None,
        "seeds": [
            {"seed": record["seed"], "folder": folder.name, "measures": found, "verdict": record["verdict"]}
            for record, folder, found in zip(records, folders, measures, strict=True)
        ],
        "mean": {name: statistics.fmean(found) for name, found in values.items()},
        "standard_deviation": {name: statistics.stdev(found) for name, found in values.items() if len(found) > 1},
    }


def _check_ours(output: Path) -> None:
    """Seeds are added to a folder of seeds, and to nothing else."""
    if output.exists() and not output.is_dir():
        raise IsoglotError(f"{output}: cannot write: it is a file")
    others = [path.name for path in output.glob("*") if not path.name.lstrip(".").startswith("seed")]
    if others:
        raise IsoglotError(f"{output}: holds something else ({sorted(others)[0]}); choose another folder")
