"""The guard: what is held out, how a model is judged, and where one that lost too much is kept."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter, namedtuple
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import isoglot
from isoglot import Audit, Collection, Document, IsoglotError, Query, Row
from isoglot.alignment import execute as aligning
from isoglot.alignment import guard
from isoglot.alignment.guard import (
    JUDGED,
    LossyError,
    Verdict,
    development_audit,
    hold_out,
    judge,
    measures_of,
    named_development,
)
from isoglot.alignment.methods import jsd_nce
from isoglot.alignment.record import VerdictRecord, read_record
from isoglot.alignment.tables import verdict_text
from isoglot.alignment.training import checkpoints
from isoglot.corpora.collection import CollectionRecord
from isoglot.encoders.sentence_transformer import load_encoder
from isoglot.evaluation.comparison.cells import ComparedCell
from isoglot.evaluation.comparison.comparison import GUARDED, ComparedModel, Comparison
from isoglot.evaluation.measures import Judged
from isoglot.evaluation.results import ScenarioResult
from isoglot.evaluation.statistics.intervals import Interval
from isoglot.report.tables import kept_table
from isoglot.retrievers.base import RetrieverRecord
from isoglot.training_data.loading import training_rows
from isoglot.training_data.row import write_rows
from tests import command_line
from tests.parallel import parallel_rows
from tests.synthetic_audits import synthetic_audit

pytestmark = pytest.mark.slow

COLLAPSE = {"nce_weight": 0.0, "learning_rate": 0.1, "batch_size": 16}
"""Nothing but the pull of translations: all texts end at one point."""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def audited(ranks: dict[str, Sequence[int]]) -> Audit:
    """An audit of pools of one language: the rank of each query's one gold; query n is about content n % 10."""
    results = []
    for language, found in ranks.items():
        array = np.array(found, dtype=np.int64)[:, None]
        judged = Judged(
            ranks=array,
            tied=np.zeros_like(array, dtype=bool),
            languages=np.zeros_like(array),
            query_language=0,
            documents=100,
        )
        queries = tuple(f"q{number}" for number in range(len(found)))
        results.append(
            ScenarioResult(
                scenario="mono-same",
                pool_languages=(language,),
                query_language=language,
                documents_mode="dedup",
                documents=100,
                queries=len(found),
                measures={},
                by_language={},
                query_ids=queries,
                judged=judged,
            )
        )
    return Audit(
        model=RetrieverRecord(name="", fingerprint=""),
        collection=CollectionRecord("", ""),
        scenarios=tuple(results),
        seed=0,
        limit=None,
        balance="none",
        environment={},
        isoglot="",
    )


GOLDS = {f"q{number}": (f"c{number % 10}",) for number in range(100)}


def gain(rank: int) -> float:
    return 100 / np.log2(1 + rank) if rank <= 10 else 0.0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 90), st.sampled_from(["de", "ru", "th"])), max_size=150),
    st.randoms(use_true_random=False),
)
def test_no_content_and_no_text_is_on_both_sides(cells: list[tuple[int, int, str]], generator: object) -> None:
    rows = [
        Row(f"c{c}", {"en": f"q {c} {n}"}, {"en": f"document {t}", tag: f"{tag} {c}"})
        for n, (c, t, tag) in enumerate(cells)
    ] + parallel_rows(40)
    training, development = hold_out(rows, "rows")
    assert development is not None
    held = {content for golds in development.golds.values() for content in golds}
    assert 8 <= len(held) <= 11
    assert held.isdisjoint(row.content_id for row in training)
    texts = {d.text for d in development.documents if d.content_id in held}
    assert texts.isdisjoint(text for row in training for text in row.document.values())
    assert {tag for row in rows for tag in row.languages} <= {tag for row in training for tag in row.languages} | {"th"}
    shuffled = rows[40:] + rows[:40]
    assert {row.hash for row in hold_out(shuffled, "rows")[0]} == {row.hash for row in training}


def test_all_documents_that_answer_a_held_out_question_are_its_golds() -> None:
    rows = parallel_rows(90)
    _, development = hold_out(rows, "rows")
    assert development is not None
    first, second = [query.query_id.rpartition(" ")[0] for query in development.queries if query.language == "en"][:2]
    texts = {row.content_id: row.query for row in rows}
    rows = [msgspec.structs.replace(row, query=texts[first]) if row.content_id == second else row for row in rows]
    _, development = hold_out(rows, "rows")
    assert development is not None
    assert [set(development.golds[f"{content} 1"]) for content in (first, second)] == [{first, second}] * 2


def test_a_quarter_of_each_language_at_most_is_held_out() -> None:
    rows = parallel_rows(100) + [
        msgspec.structs.replace(row, content_id=f"rare-{n}") for n, row in enumerate(parallel_rows(3, ("en", "fi")))
    ]
    training, _ = hold_out(rows, "rows")
    left, there = (Counter(tag for row in found for tag in row.languages) for found in (training, rows))
    assert left["fi"] == there["fi"] == 3
    assert all(left[tag] >= 0.75 * there[tag] for tag in there)


def test_mini_gives_8_questions_in_8_languages_among_all_40_topics() -> None:
    training, development = hold_out(training_rows("mini@demo-train"), "mini@demo-train")
    assert development is not None
    assert (len(training), len(development.golds), len(development.documents)) == (32, 8, 320)
    assert development.name == "mini@demo-train, held out"


def test_much_data_is_held_out_up_to_100_contents_and_9_languages() -> None:
    many = ("en", "de", "ru", "fi", "et", "sv", "da", "nb", "pl", "cs", "sk")
    rows = [row.keep(many if n % 2 else many[:9]) for n, row in enumerate(parallel_rows(1200, many))]
    training, development = hold_out(rows, "rows")
    assert development is not None
    assert len(development.golds) == 100
    assert len(training) == 1100
    assert len({document.content_id for document in development.documents}) == 100
    assert set(development.languages) == set(many[:9])
    assert {row.languages[-1] for row in training if len(row.languages) > 9} == {"sv"}


def test_31_contents_are_too_few_and_their_alignment_says_so(
    tiny_model: Path, own_cache: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert hold_out(parallel_rows(31), "rows")[1] is None
    folder = isoglot.align(str(tiny_model), "center", parallel_rows(31), tmp_path / "out")
    assert "rows: too few contents to hold 8 out" in caplog.text
    record = read_record(folder)
    assert record is not None
    assert (record.data.rows, record.development, record.verdict) == (31, None, None)
    assert "Not audited" in (folder / "README.md").read_text()
    caplog.clear()
    isoglot.align(str(tiny_model), "center", parallel_rows(40), tmp_path / "unguarded", dev="none")
    assert not caplog.text
    assert not (tmp_path / "unguarded" / "development").exists()


def test_a_verdict_is_the_mean_over_languages_of_the_paired_difference() -> None:
    before = {"en": [1, 2, 3, 1, 1, 1, 1, 1, 1, 12], "de": [1, 1, 2]}
    after = {"en": [1, 1, 4, 1, 1, 1, 1, 1, 1, 5], "de": [3, 1, 2]}
    expected = np.mean(
        [np.mean([gain(b) - gain(a) for a, b in zip(before[tag], after[tag], strict=True)]) for tag in before]
    )
    found = judge(audited(before), audited(after), GOLDS, 1.0).difference
    assert found.mean == pytest.approx(expected, abs=1e-9)
    assert found.low < expected < found.high


def test_the_interval_s_unit_is_the_content() -> None:
    generator = np.random.default_rng(1)
    before, after = generator.integers(1, 12, (2, 10)).tolist()
    once = judge(audited({"en": before}), audited({"en": after}), GOLDS, 1.0).difference
    again = judge(
        audited({"en": before * 10, "de": before * 5}), audited({"en": after * 10, "de": after * 5}), GOLDS, 1.0
    ).difference
    assert (again.mean, again.low, again.high) == pytest.approx((once.mean, once.low, once.high))
    differences = np.array([gain(b) - gain(a) for a, b in zip(before, after, strict=True)], dtype=np.float64)
    deviation = differences.std() / np.sqrt(len(differences))
    assert once.high - once.low == pytest.approx(2 * 1.96 * deviation, rel=0.15)


def test_only_a_loss_that_is_certain_fails_and_one_within_noise_is_not_certain() -> None:
    for mean, low, high, kept, shown in (
        (-3.0, -5.0, -1.1, False, "lost (-3.00)"),
        (-3.0, -5.0, -1.0, None, "not certain (-3.00)"),
        (-3.0, -7.0, 1.0, None, "not certain (-3.00)"),
        (-0.9, -1.2, -0.6, None, "not certain (-0.90)"),
        (-0.5, -0.9, -0.1, True, "kept (-0.50)"),
        (2.0, 1.0, 3.0, True, "kept (2.00)"),
        (float("nan"), float("nan"), float("nan"), None, "not certain (-)"),
    ):
        verdict = Verdict(Interval(mean, low, high), 1.0)
        assert verdict.kept is kept
        assert verdict.passed is (kept is not False)
        assert bool(verdict.note) is (kept is None)
        assert verdict_text(VerdictRecord.of(verdict)) == shown
    assert not Verdict(Interval(-0.1, -0.2, -0.05), 0.0).passed
    assert verdict_text(None) == "none"


def test_a_fall_of_3_points_between_minus_7_and_1_is_not_certain_in_align_and_in_compare() -> None:
    scenario, measure = JUDGED
    difference, none = Interval(-3.0, -7.0, 1.0), Interval(0.0, 0.0, 0.0)
    cell = ComparedCell(
        scenario=scenario,
        pool_languages=(),
        query_language="",
        measures={measure: (none, none)},
        differences={measure: (none, difference)},
        outcomes={},
        deviations={},
    )
    comparison = Comparison(
        models=tuple(ComparedModel.of(name, [synthetic_audit(name, 0)]) for name in ("base", "aligned")),
        collection=CollectionRecord("synthetic", "0"),
        cells=(cell,),
        means=(cell,),
        margin=1.0,
        unit="content",
    )
    table = kept_table(comparison)
    assert table.rows[0][table.columns.index("kept")] == "not certain"
    verdict = Verdict(difference, 1.0)
    assert verdict_text(VerdictRecord.of(verdict)) == "not certain (-3.00)"
    assert verdict.note == "Not certain means that the 95% interval contains -1; a larger --dev would make it narrower."


def test_the_guard_answers_as_a_comparison_of_the_same_audits_does() -> None:
    golds = {f"q{number}": (f"p{number % 20}",) for number in range(60)}
    base, answers = synthetic_audit("base", 1), set()
    for rank in (4.0, 9.0, 10.0, 11.0, 16.0):
        aligned = synthetic_audit("aligned", 2, rank=rank)
        comparison = isoglot.compare(base, aligned)
        mean = next(mean for mean in comparison.means if mean.scenario == JUDGED[0])
        verdict = judge(base, aligned, golds, comparison.margin)
        assert verdict.kept is comparison.kept(mean, JUDGED[1], 1)
        answers.add(verdict.kept)
    assert answers == {True, False, None}


def test_the_guard_judges_and_shows_what_every_comparison_guards() -> None:
    assert JUDGED in GUARDED
    assert set(GUARDED) <= set(guard.shown("together"))


def test_measures_are_means_over_a_language_s_pools_then_over_languages(
    tiny_model: Path, small_collection: Collection, own_cache: Path
) -> None:
    audit = development_audit(load_encoder(str(tiny_model)), small_collection, show_progress=False)
    found = measures_of(audit)
    assert list(found) == ["en", "de", "ru", "mean"]
    english = [audit.find("multi", ["en", tag], "en").measures["max_r"].mean for tag in ("de", "ru")]
    assert found["en"]["multi max_r"] == pytest.approx(np.mean(english))
    assert found["mean"]["multi max_r"] == pytest.approx(
        np.mean([found[tag]["multi max_r"] for tag in ("en", "de", "ru")])
    )


def test_a_named_collection_may_share_nothing_with_the_rows_and_is_cut_to_their_languages() -> None:
    words = "eight words that stand here in a row"
    collection = Collection(
        "own",
        [Document("a", "en", f"see: {words}"), Document("a", "de", "etwas"), Document("b", "fi", "jotain")],
        [Query("1", "en", "what?"), Query("1", "de", "was?"), Query("2", "fi", "mitä?"), Query("2", "en", "which?")],
        {"1": ("a",), "2": ("b",)},
    )
    kept = named_development(collection, [Row("x", {"en": "q", "de": "f"}, {"en": "short", "de": "kurz"})])
    assert kept.languages == ["en", "de"]
    assert {query.query_id for query in kept.queries} == {"1"}
    with pytest.raises(IsoglotError, match="1 of 1 rows, the first x, share 8 words in a row with own"):
        named_development(collection, [Row("x", {"en": "q"}, {"en": f"{words} too"})])
    with pytest.raises(IsoglotError, match="own: has no query with its documents in en, th"):
        named_development(
            Collection("own", [Document("b", "fi", "jotain")], [Query("2", "fi", "mitä?")], {"2": ("b",)}),
            [Row("x", {"th": "q"}, {"th": "ด"})],
        )


def test_a_guarded_training_leaves_its_audits_epochs_and_a_card(
    tiny_model: Path, own_cache: Path, tmp_path: Path
) -> None:
    rows = parallel_rows(40)
    folder = isoglot.align(
        str(tiny_model), "jsd-nce", rows, tmp_path / "out", epochs=2, batch_size=16, max_loss=100.0, per_row=1
    )
    assert names(tmp_path) == ["cache", "out"]
    record = read_record(folder)
    assert record is not None
    assert record.measures is not None
    assert record.development is not None
    assert (record.data.rows, record.development.queries, record.development.documents) == (32, 24, 40 * 3)
    _, development = hold_out(rows, "rows")
    assert development is not None
    for name, model in (("base", tiny_model), ("aligned", folder)):
        again = development_audit(load_encoder(str(model)), development, show_progress=False)
        assert measures_of(again) == getattr(record.measures, name)
        assert measures_of(Audit.load(folder / "development" / name)) == getattr(record.measures, name)
    epochs = [json.loads(line) for line in (folder / "epochs.jsonl").read_text().splitlines()]
    assert [entry["epoch"] for entry in epochs] == [0, 1, 2]
    assert epochs[0]["measures"] == record.measures.base
    assert epochs[2]["measures"] == record.measures.aligned
    assert (folder / "training.svg").read_text().startswith("<svg")
    card = (folder / "README.md").read_text()
    assert "## rows, held out: before and after" in card
    assert "Guard: passed" in card
    assert "Licence of the data: CC0-1.0" in card


def test_a_lossy_model_is_kept_aside_and_a_higher_bound_accepts_it_without_training(
    tiny_model: Path, own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def align(max_loss: float) -> Path:
        return isoglot.align(
            str(tiny_model), "jsd-nce", parallel_rows(40), tmp_path / "out", max_loss=max_loss, **COLLAPSE
        )

    with pytest.raises(
        LossyError, match=r"mono-same ndcg@10 changed by -\d+\.\d+ points .*allowed.*out.lossy; try"
    ) as e:
        align(1.0)
    assert "\n" not in str(e.value)
    assert e.value.folder == tmp_path / "out.lossy"
    assert not e.value.verdict.passed
    assert names(tmp_path) == ["cache", "out.lossy"]
    record = read_record(e.value.folder)
    assert record is not None
    assert record.verdict is not None
    assert (record.verdict.passed, record.verdict.kept) == (False, False)
    assert "**failed**" in (e.value.folder / "README.md").read_text()

    monkeypatch.setattr(jsd_nce, "run", None)  # no further training
    with pytest.raises(LossyError):
        align(1.0)
    folder = align(100.0)
    assert names(tmp_path) == ["cache", "out"]
    record = read_record(folder)
    assert record is not None
    assert record.verdict is not None
    assert (record.verdict.passed, record.verdict.kept) == (True, True)
    assert "Guard: passed" in (folder / "README.md").read_text()


def test_the_next_lossy_model_replaces_the_last_but_never_a_folder_of_the_user_s(
    tiny_model: Path, own_cache: Path, tmp_path: Path
) -> None:
    def align(seed: int) -> Path:
        return isoglot.align(str(tiny_model), "jsd-nce", parallel_rows(40), tmp_path / "out", seed=seed, **COLLAPSE)

    (tmp_path / "out.lossy").mkdir()
    (tmp_path / "out.lossy" / "thesis.txt").write_text("years of work")
    with pytest.raises(IsoglotError, match=r"out.lossy: is needed if the guard fails"):
        align(0)
    shutil.rmtree(tmp_path / "out.lossy")
    for seed in (0, 1):
        with pytest.raises(LossyError):
            align(seed)
        record = read_record(tmp_path / "out.lossy")
        assert record is not None
        assert record.seed == seed


def test_a_disk_without_room_for_the_model_is_told_before_the_work(
    tiny_model: Path, own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage(10, 9, 1))
    with pytest.raises(IsoglotError, match=r"out: cannot write: the model takes \d+ MiB and the disk has 0 MiB left"):
        isoglot.align(str(tiny_model), "center", parallel_rows(40), tmp_path / "out")


@pytest.mark.slow
def test_an_interrupted_training_goes_on_and_ends_with_the_same_weights_and_epochs(
    tiny_model: Path, own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def align(output: str) -> Path:
        options = {"epochs": 2.0, "batch_size": 16, "max_loss": 100.0}
        return isoglot.align(str(tiny_model), "jsd-nce", parallel_rows(40), tmp_path / output, **options)

    def interrupted(epochs: aligning._Epochs, epoch: int) -> None:
        if epoch == 2:
            raise KeyboardInterrupt
        add(epochs, epoch)

    add = aligning._Epochs.add
    monkeypatch.setattr(checkpoints, "SECONDS_BETWEEN", 0.0)
    with monkeypatch.context() as patched:
        patched.setattr(aligning._Epochs, "add", interrupted)
        with pytest.raises(KeyboardInterrupt):
            align("out")
    assert [name.rsplit("-", 1)[0] for name in names(tmp_path)] == [".out.training", "cache"]
    folder, other = align("out"), align("other")
    assert names(tmp_path) == ["cache", "other", "out"]
    for file in ("model.safetensors", "epochs.jsonl", "losses.jsonl"):
        assert (folder / file).read_bytes() == (other / file).read_bytes()


def test_a_bound_out_of_range_is_told(tiny_model: Path, tmp_path: Path) -> None:
    for bound in (-1.0, float("nan"), float("inf")):
        with pytest.raises(IsoglotError, match="it must be 0 or more and finite"):
            isoglot.align(str(tiny_model), "center", parallel_rows(40), tmp_path / "out", max_loss=bound)


def test_a_verdict_that_is_not_certain_passes_and_says_what_would_help(
    tiny_model: Path, own_cache: Path, tmp_path: Path
) -> None:
    write_rows(tmp_path / "rows.jsonl", parallel_rows(40))
    command = ["align", str(tiny_model), "--method", "lir", "--data", str(tmp_path / "rows.jsonl")]
    done = command_line.isoglot(*command, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    record = read_record(tmp_path / "out")
    assert record is not None
    assert record.verdict is not None
    assert (record.verdict.passed, record.verdict.kept) == (True, None)
    assert (record.verdict.mean or 0) < -1 < (record.verdict.high or 0) < 0  # which an earlier rule failed
    note = "Not certain means that the 95% interval contains -1; a larger --dev would make it narrower."
    assert re.search(rf"Guard: not certain \(-\d+\.\d\d\)\.\n{re.escape(note)}", done.stdout)
    card = (tmp_path / "out" / "README.md").read_text()
    assert re.search(
        rf"Guard: not certain \(-\d+\.\d\d\): mono-same .*; allowed is a loss of 1\. {re.escape(note)}", card
    )
