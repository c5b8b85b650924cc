"""The records of an alignment: what isoglot.json and seeds.json hold, also of older versions, and when damaged."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

import isoglot
from isoglot import Collection, IsoglotError
from isoglot.alignment.guard import Verdict
from isoglot.alignment.record import (
    EpochMeasures,
    StepLoss,
    VerdictRecord,
    read_epochs,
    read_record,
    read_seeds,
    to_json,
    to_jsonl,
)
from isoglot.alignment.tables import before_after_table, seeds_table, tried_table, verdict_text
from isoglot.evaluation.statistics.intervals import Interval

BASE = {"name": "m", "fingerprint": "f" * 64}
DATA = {"name": "rows", "fingerprint": "d" * 64, "languages": ["de", "en"], "rows": 9}
DEVELOPMENT = {"name": "dev", "fingerprint": "e" * 64, "languages": ["en", "de"], "documents": 80, "queries": 16}
OLDEST: dict[str, Any] = {
    "schema": "isoglot.alignment/1",
    "isoglot": "0.1.0",
    "method": "jsd-nce",
    "needs_language": False,
    "options": {"epochs": 1.0, "batch_size": 32, "dropout": False, "report_to": "none"},
    "seed": 0,
    "base": BASE,
    "data": DATA,
}
MEASURES = {"en": {"multi max_r": None, "mono-same ndcg@10": 90.0}, "mean": {"mono-same ndcg@10": 90.0}}
VERDICT = {"mean": -3.0, "low": -7.0, "high": -1.0, "max_loss": 1.0, "passed": False}
GUARDED = {
    **OLDEST,
    "data": {**DATA, "licences": ["CC0-1.0"]},
    "development": DEVELOPMENT,
    "summary": "the paper's",
    "seconds": 1.5,
    "measures": {"base": MEASURES, "aligned": MEASURES},
    "verdict": VERDICT,
}
TRIAL = {
    "method": "lir",
    "needs_language": True,
    "folder": "lir",
    "measures": {"multi complete@10": 50.0},
    "verdict": VERDICT,
    "seconds": 2.0,
    "left_out": "",
}
AUTO = {
    "recipe": {
        "isoglot": "0.1.0",
        "base": BASE,
        "data": DATA,
        "development": DEVELOPMENT,
        "seed": 0,
        "options": {},
        "budget": 15.0,
        "no_tag": False,
        "max_loss": 1.0,
    },
    "budget": 15.0,
    "base": {"multi complete@10": 40.0},
    "tried": [TRIAL],
    "why": "it lost least; the guard passed none",
}
SEEDS = {
    "schema": "isoglot.seeds/1",
    "base": {"mono-same ndcg@10": 90.0},
    "seeds": [{"seed": 0, "folder": "seed-0", "measures": {"mono-same ndcg@10": 87.0}, "verdict": VERDICT}],
    "mean": {"mono-same ndcg@10": 87.0},
    "standard_deviation": {},
}


def write(folder: Path, record: Any, name: str = "isoglot.json") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(record if isinstance(record, str) else json.dumps(record), encoding="utf-8")
    return folder


@pytest.mark.parametrize("record", [OLDEST, GUARDED, {**GUARDED, "auto": AUTO}, {**OLDEST, "later": 1}])
def test_records_of_older_and_later_versions_load(record: dict[str, Any], tmp_path: Path) -> None:
    read = read_record(write(tmp_path, record))
    assert read is not None
    assert (read.method, read.options["batch_size"], read.data.rows) == ("jsd-nce", 32, 9)
    again = json.loads(to_json(read))
    for name, value in record.items():
        if name not in ("data", "verdict", "auto", "later"):
            assert again[name] == value
    assert ("auto" in again) == ("auto" in record)
    if read.measures is not None:
        assert before_after_table(read.measures, "dev").rows[0] == ("en", "90.0", "90.0")


def test_a_verdict_of_an_older_version_is_judged_by_the_rule(tmp_path: Path) -> None:
    record = read_record(write(tmp_path, {**GUARDED, "auto": AUTO}))
    assert record is not None
    assert record.verdict is not None
    assert record.auto is not None
    assert (record.verdict.passed, record.verdict.kept) == (False, None)  # as it was written
    assert record.verdict.verdict().passed
    assert verdict_text(record.verdict) == tried_table(record.auto).rows[1][3] == "not certain (-3.00)"
    assert not record.verdict.verdict(0.5).passed


def test_a_verdict_goes_into_its_record_and_back() -> None:
    for interval in (Interval(-3.0, -7.0, 1.0), Interval(math.nan, math.nan, math.nan)):
        verdict = Verdict(interval, 1.0)
        record = VerdictRecord.of(verdict)
        assert (record.passed, record.kept) == (True, None)
        assert repr(record.verdict()) == repr(verdict)


def test_seeds_of_an_older_version_load(tmp_path: Path) -> None:
    seeds = read_seeds(write(tmp_path, SEEDS, "seeds.json"))
    assert seeds is not None
    assert [row[-1] for row in seeds_table(seeds).rows] == ["", "not certain (-3.00)", ""]


def test_lines_are_written_and_read(tmp_path: Path) -> None:
    epochs = [EpochMeasures(0, {"mean": {"multi max_r": 2.5}}), EpochMeasures(1.5, {"mean": {"multi max_r": None}})]
    write(tmp_path, to_jsonl(epochs), "epochs.jsonl")
    assert read_epochs(tmp_path) == epochs
    assert read_epochs(tmp_path / "none") == []
    assert to_jsonl([StepLoss(1, 0.5)]) == '{"step": 1, "loss": 0.5}\n'


def test_a_folder_without_a_record_has_none(tmp_path: Path) -> None:
    assert read_record(tmp_path) is read_record(tmp_path / "none") is read_seeds(tmp_path) is None


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ('{"schema": "isoglot.alignment/1", "me', r"isoglot.json: is damaged: Input data was truncated; move "),
        ("", r"isoglot.json: is damaged"),
        ("[]", r"isoglot.json: is damaged: Expected `object`, got `array`"),
        ({"schema": "isoglot.alignment/1"}, r"isoglot.json: is damaged: Object missing required field `isoglot`"),
        ({**OLDEST, "seed": "0"}, r"isoglot.json: is damaged: Expected `int`, got `str` - at `\$.seed`"),
        ({**OLDEST, "base": {"name": "m"}}, r"is damaged: .* field `fingerprint` - at `\$.base`"),
        ({**OLDEST, "schema": "isoglot.alignment/2"}, r"has the schema 'isoglot.alignment/2'; this isoglot reads "),
    ],
)
def test_a_damaged_record_is_told_with_its_field(record: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(IsoglotError, match=message) as error:
        read_record(write(tmp_path, record))
    assert "\n" not in str(error.value)
    assert str(tmp_path / "isoglot.json") in str(error.value)


def test_damaged_seeds_and_epochs_are_told(tmp_path: Path) -> None:
    with pytest.raises(IsoglotError, match=r"seeds.json: is damaged: .*`seed` - at `\$.seeds\[0\]`"):
        read_seeds(write(tmp_path, {**SEEDS, "seeds": [{}]}, "seeds.json"))
    with pytest.raises(IsoglotError, match=r"epochs.jsonl: is damaged: .*epoch`; remove its folder to train anew"):
        read_epochs(write(tmp_path, '{"epoch": "x", "measures": {}}\n', "epochs.jsonl"))


def test_an_output_with_a_damaged_record_is_neither_taken_over_nor_called_another_s(
    tiny_model: Path, small_collection: Collection, own_cache: Path, tmp_path: Path
) -> None:
    folder = isoglot.align(str(tiny_model), "center", small_collection, tmp_path / "out")
    text = (folder / "isoglot.json").read_text()
    (folder / "isoglot.json").write_text(text[:100])
    with pytest.raises(IsoglotError, match=r"out/isoglot.json: is damaged: .*pass --force"):
        isoglot.align(str(tiny_model), "center", small_collection, folder)
    isoglot.align(str(tiny_model), "center", small_collection, folder, force=True)
    assert read_record(folder) is not None
    write(tmp_path / "new.lossy", text[:100])
    with pytest.raises(IsoglotError, match=r"new.lossy/isoglot.json: is damaged"):
        isoglot.align(str(tiny_model), "center", small_collection, tmp_path / "new")
    assert not (tmp_path / "new").exists()
