"""Several runs: seeds and their spread, and `auto`, which chooses a method."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import msgspec
import pytest

import isoglot
from isoglot import IsoglotError, Row
from isoglot.alignment import auto
from isoglot.alignment.auto import choose, seconds_needed
from isoglot.alignment.guard import LossyError, Verdict
from isoglot.alignment.record import Trial, VerdictRecord, read_record, read_seeds
from isoglot.alignment.registry import METHODS
from isoglot.alignment.request import Request, prepare
from isoglot.alignment.tables import seeds_table, tried_table
from isoglot.evaluation.statistics.intervals import Interval
from tests.parallel import parallel_rows
from tests.test_guard import COLLAPSE

pytestmark = pytest.mark.slow

ROWS = parallel_rows(40)
SHORT = {"epochs": 0.5, "batch_size": 16}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def tried(method: str, complete: float, difference: float = 0.0) -> Trial:
    """A trial whose difference in mono-same ndcg@10 is known to half a point."""
    verdict = Verdict(Interval(difference, difference - 0.5, difference + 0.5), 1.0)
    return Trial(
        method=method,
        needs_language=METHODS[method].needs_language,
        folder=method,
        measures={"multi complete@10": complete},
        verdict=VerdictRecord.of(verdict),
        seconds=1.0,
        left_out="",
    )


def test_seeds_are_made_once_and_their_spread_is_told(tiny_model: Path, own_cache: Path, tmp_path: Path) -> None:
    def align(seeds: int) -> Path:
        return isoglot.align(
            str(tiny_model), "leace", ROWS, tmp_path / "out", seeds=seeds, seed=3, max_loss=100.0, per_row=1
        )

    align(2)
    made = (tmp_path / "out" / "seed-3" / "isoglot.json").stat().st_mtime_ns
    folder = align(3)
    assert (folder / "seed-3" / "isoglot.json").stat().st_mtime_ns == made
    assert names(folder) == ["seed-3", "seed-4", "seed-5", "seeds.json", "seeds.md"]
    summary = json.loads((folder / "seeds.json").read_text())
    records = [json.loads((folder / f"seed-{seed}" / "isoglot.json").read_text()) for seed in (3, 4, 5)]
    assert [record["seed"] for record in records] == [3, 4, 5]
    for name in ("multi complete@10", "multi max_r", "mono-same ndcg@10", "control ndcg@10"):
        values = [record["measures"]["aligned"]["mean"][name] for record in records]
        assert summary["mean"][name] == pytest.approx(statistics.fmean(values))
        assert summary["standard_deviation"][name] == pytest.approx(statistics.stdev(values))
    assert len({record["development"]["fingerprint"] for record in records}) == 1
    read = read_seeds(folder)
    assert read is not None
    assert [row[0] for row in seeds_table(read).rows] == ["base", "3", "4", "5", "mean"]
    assert "±" in (folder / "seeds.md").read_text()


def test_seeds_that_lost_too_much_are_told_after_all_are_trained(
    tiny_model: Path, own_cache: Path, tmp_path: Path
) -> None:
    with pytest.raises(LossyError, match="2 of 2 seeds lost too much, the first: mono-same"):
        isoglot.align(str(tiny_model), "jsd-nce", ROWS, tmp_path / "out", seeds=2, **COLLAPSE)
    assert names(tmp_path / "out") == ["seed-0.lossy", "seed-1.lossy", "seeds.json", "seeds.md"]


def test_seeds_without_a_guard_are_models_without_measures(tiny_model: Path, own_cache: Path, tmp_path: Path) -> None:
    folder = isoglot.align(str(tiny_model), "center", ROWS, tmp_path / "out", seeds=2, dev="none")
    summary = json.loads((folder / "seeds.json").read_text())
    assert (summary["base"], summary["mean"]) == (None, {})
    assert [seed["folder"] for seed in summary["seeds"]] == ["seed-0", "seed-1"]


def test_seeds_are_not_put_into_another_folder(tiny_model: Path, own_cache: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    for seeds, message in ((2, r"mine: is not a folder of isoglot's; .*\(thesis.txt is"), (0, "must be at least 1")):
        with pytest.raises(IsoglotError, match=message):
            isoglot.align(str(tiny_model), "center", ROWS, tmp_path / "mine", seeds=seeds)


@pytest.mark.slow
def test_auto_keeps_the_best_of_all_and_says_what_it_tried(tiny_model: Path, own_cache: Path, tmp_path: Path) -> None:
    def align(**more: Any) -> Path:
        return isoglot.align(str(tiny_model), "auto", ROWS, tmp_path / "out", max_loss=100.0, **SHORT, **more)

    folder = align()
    assert names(tmp_path) == ["cache", "out"]
    record = read_record(folder)
    assert record is not None
    assert record.auto is not None
    assert record.measures is not None
    found = record.auto.tried
    assert [trial.method for trial in found] == ["center", "soft-center", "lir", "leace", "wccn", "distill", "jsd-nce"]
    assert all(trial.verdict for trial in found)
    best = max(trial.measures["multi complete@10"] or 0.0 for trial in found)
    chosen = next(trial for trial in found if trial.method == record.method)
    assert (chosen.measures["multi complete@10"] or 0.0) >= best - 1
    assert chosen.measures == record.measures.aligned["mean"]
    assert [row[0] for row in tried_table(record.auto).rows][1:] == [trial.method for trial in found]
    assert "## tried within 15 minutes" in (folder / "README.md").read_text()
    made = (folder / "isoglot.json").stat().st_mtime_ns
    assert align() == folder
    assert (folder / "isoglot.json").stat().st_mtime_ns == made
    with pytest.raises(IsoglotError, match=r"holds an alignment with other settings .auto, which chose"):
        align(budget=3)


def test_auto_leaves_out_what_does_not_fit_and_what_needs_a_tag(
    tiny_model: Path, own_cache: Path, tmp_path: Path
) -> None:
    folder = isoglot.align(
        str(tiny_model), "auto", ROWS, tmp_path / "out", budget=0, no_tag=True, force=True, max_loss=100.0
    )
    record = read_record(folder)
    assert record is not None
    assert record.auto is not None
    assert record.method in ("soft-center", "leace", "wccn")
    told = {trial.method: trial.left_out for trial in record.auto.tried}
    assert list(told) == ["soft-center", "leace", "wccn", "distill", "jsd-nce"]
    assert told["distill"].startswith("left out: would take about ")


def test_auto_goes_on_where_it_was_interrupted(
    tiny_model: Path, own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    def align() -> Path:
        return isoglot.align(str(tiny_model), "auto", ROWS, tmp_path / "out", budget=0, max_loss=100.0)

    with monkeypatch.context() as patched:
        patched.setattr("isoglot.alignment.methods.leace.modules", interrupt)
        with pytest.raises(KeyboardInterrupt):
            align()
    monkeypatch.setattr("isoglot.alignment.methods.center.modules", interrupt)  # is finished, and so not run again
    align()
    assert names(tmp_path) == ["cache", "out"]


def test_a_method_that_cannot_work_is_left_out(tiny_model: Path, own_cache: Path, tmp_path: Path) -> None:
    without_english_queries = [Row(r.content_id, {"de": r.query["de"]}, r.document) for r in ROWS]
    folder = isoglot.align(
        str(tiny_model), "auto", without_english_queries, tmp_path / "out", max_loss=100.0, no_tag=True, **SHORT
    )
    record = read_record(folder)
    assert record is not None
    assert record.auto is not None
    assert record.auto.tried[-1].left_out.startswith("no row has an English query")


def test_if_all_lost_too_much_the_one_that_lost_least_is_kept_aside(
    tiny_model: Path, own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auto, "TRIED", ("jsd-nce",))
    for _ in range(2):
        with pytest.raises(LossyError, match=r"every method lost more than the 1 allowed, jsd-nce least"):
            isoglot.align(str(tiny_model), "auto", ROWS, tmp_path / "out", **COLLAPSE)
        assert names(tmp_path) == ["cache", "out.lossy"]


def test_the_choice_is_the_best_that_passed_with_a_point_for_no_tag() -> None:
    for entries, method in (
        ([tried("center", 90), tried("leace", 80)], "center"),
        ([tried("center", 90), tried("leace", 89.1)], "leace"),
        ([tried("leace", 90), tried("distill", 95), tried("lir", 95.5)], "distill"),
        ([tried("center", 99, -4), tried("lir", 90)], "lir"),
        ([tried("center", 99, -4), tried("lir", 90, -3)], "lir"),
        ([tried("center", 99, -1.2), tried("lir", 90)], "center"),
        ([tried("center", 90), tried("lir", 90)], "center"),
    ):
        assert choose(entries)[0].method == method
    broken = msgspec.structs.replace(tried("leace", 90), verdict=None, left_out="broken")
    with pytest.raises(IsoglotError, match="auto: leace: broken"):
        choose([broken])


def test_the_time_is_three_passes_over_an_epochs_texts_and_an_audit_of_each_epoch(
    tiny_model: Path, own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auto, "_seconds_per_text", lambda run, role: {"query": 1.0, "document": 10.0}[role])
    request = Request(model=str(tiny_model), data=ROWS, device="cpu")
    for method, options, texts in (
        ("distill", {}, 32 * 3 * (1 + 10)),
        ("distill", {"nce_weight": 1.0}, 32 * 4 * (1 + 10)),
        ("jsd-nce", {}, 32 * 2 * (1 + 20)),
    ):
        run = prepare(request, METHODS[method], {"epochs": 1.5, **options}, tmp_path / "out", seed=0)
        assert seconds_needed(run) == 3 * 1.5 * texts + 2 * (24 + 120 * 10)


def test_a_sample_of_texts_is_timed(tiny_model: Path, own_cache: Path, tmp_path: Path) -> None:
    request = Request(model=str(tiny_model), data=ROWS, device="cpu")
    run = prepare(request, METHODS["distill"], {}, tmp_path / "out", seed=0)
    assert 0 < seconds_needed(run) < 60
    assert run.encoder.model.max_seq_length == 128


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 2}, "auto chooses by one seed"),
        ({"budget": -1.0}, r"the budget is -1.0 minutes"),
        ({"alpha": 1.0}, "none of center, soft-center, lir, leace, wccn, distill, jsd-nce has an option 'alpha'"),
        ({"dev": "none"}, "auto needs a development split"),
        ({"languages": ["en"]}, "auto needs a development split of several languages"),
    ],
)
def test_what_auto_cannot_do_is_told(
    tiny_model: Path, own_cache: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(IsoglotError, match=message):
        isoglot.align(str(tiny_model), "auto", ROWS, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_several_processes_align_with_one_method_and_seed_only(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(IsoglotError, match="not under torchrun"):
        isoglot.align(str(tiny_model), "center", ROWS, tmp_path / "out", seeds=2)
