"""Comparisons: paired, and refused where they would mean nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from scipy import stats

import isoglot
from isoglot import Audit, Collection, IsoglotError
from isoglot.corpora.collection import CollectionRecord
from isoglot.evaluation.measures import max_r
from isoglot.evaluation.statistics.intervals import bootstrap_means
from isoglot.report.tables import kept_table, summary_table
from tests.synthetic_audits import synthetic_audit


@pytest.fixture(scope="module")
def audit(tiny_model: Path, small_collection: Collection) -> Audit:
    return isoglot.audit(str(tiny_model), small_collection)


def one_rank_lower(audit: Audit) -> Audit:
    """The audit with every gold one rank further down."""
    results = []
    for result in audit.scenarios:
        assert result.judged is not None
        ranks = np.where(result.judged.ranks > 0, result.judged.ranks + 1, 0)
        results.append(replace(result, judged=replace(result.judged, ranks=ranks)))
    return replace(audit, scenarios=tuple(results))


def test_an_audit_differs_from_itself_by_nothing(audit: Audit) -> None:
    found = isoglot.compare(audit, audit)
    for cell in found.cells:
        for measure, (first, second) in cell.differences.items():
            if measure != "lpr" and not np.isnan(second.mean):
                assert (first.mean, second.mean, second.low, second.high) == (0, 0, 0, 0)


def test_a_known_difference_is_found_without_width(audit: Audit) -> None:
    for cell in isoglot.compare(audit, one_rank_lower(audit)).cells:
        difference = cell.differences["max_r"][1]
        assert (difference.mean, difference.low, difference.high) == (1, 1, 1)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"seed": 7}, "seed differs"),
        ({"limit": 3}, "limit differs"),
        ({"collection": CollectionRecord("other", "x")}, "collection name differs"),
        ({"collection": CollectionRecord("small", "x")}, r"data version \(collection fingerprint\) differs"),
    ],
)
def test_audits_of_other_things_are_refused_with_the_field(audit: Audit, change: dict[str, object], field: str) -> None:
    with pytest.raises(IsoglotError, match=field):
        isoglot.compare(audit, replace(audit, **change))  # type: ignore[arg-type]


def test_other_documents_modes_and_no_common_pool_are_refused(
    audit: Audit, tiny_model: Path, small_collection: Collection
) -> None:
    rows = isoglot.audit(str(tiny_model), small_collection, documents_mode="per-question")
    with pytest.raises(IsoglotError, match="documents mode differs"):
        isoglot.compare(audit, rows)
    other = isoglot.audit(str(tiny_model), small_collection, pools=[["en", "ru"]], scenarios=["multi"])
    with pytest.raises(IsoglotError, match=r"pools differ \(only one has multi en\+de asked in en\)"):
        isoglot.compare(audit, other)
    mono = isoglot.audit(str(tiny_model), small_collection, scenarios=["mono-same"])
    with pytest.raises(IsoglotError, match="no scenario in common"):
        isoglot.compare(mono, other)
    with pytest.raises(IsoglotError, match="at least two"):
        isoglot.compare(audit)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"documents": 99}, r"pool differs \(12 and 99 documents in multi en\+de asked in en\)"),
        ({"measures": {}}, r"measures differ \(only one has complete@10, lpr, .* in multi en\+de asked in en\)"),
        ({"query_ids": ("x",) * 6}, r"queries differ \(in multi en\+de asked in en\)"),
    ],
)
def test_results_of_other_pools_measures_and_queries_are_refused_with_the_field(
    audit: Audit, change: dict[str, object], field: str
) -> None:
    first, *others = audit.scenarios
    changed = replace(audit, scenarios=(replace(first, **change), *others))  # type: ignore[arg-type]
    with pytest.raises(IsoglotError, match=field):
        isoglot.compare(audit, changed)


def test_scenarios_that_only_one_has_are_left_out_and_counted(
    audit: Audit, tiny_model: Path, small_collection: Collection
) -> None:
    part = isoglot.audit(str(tiny_model), small_collection, scenarios=["multi"])
    found = isoglot.compare(audit, part)
    assert len(found.cells) == 4
    assert found.left_out == len(audit.scenarios) - 4
    assert f"Left out: {len(audit.scenarios) - 4} results" in isoglot.to_markdown(found)


def test_folders_models_and_audits_can_be_mixed(
    audit: Audit, tiny_model: Path, small_collection: Collection, tmp_path: Path
) -> None:
    audit.save(tmp_path / "a")
    found = isoglot.compare(tmp_path / "a", str(tiny_model), audit, data=small_collection, names=["x", "y", "z"])
    assert found.names == ("x", "y", "z")
    assert {m.mean for cell in found.cells for m in cell.differences["max_r"]} == {0.0}
    with pytest.raises(IsoglotError, match=r"holds no audit.json; .* name the collection with --data"):
        isoglot.compare(audit, str(tiny_model))


def test_equal_names_are_told_apart(audit: Audit) -> None:
    assert len(set(isoglot.compare(audit, audit).names)) == 2
    a, b = (replace(audit, model=msgspec.structs.replace(audit.model, name=f"/x/{part}/model")) for part in "ab")
    assert isoglot.compare(a, b).names == ("a/model", "b/model")


def test_a_balanced_audit_stands_beside_a_plain_one_of_the_same_model(
    audit: Audit, tiny_model: Path, small_collection: Collection
) -> None:
    balanced = isoglot.audit(str(tiny_model), small_collection, balance="equal")
    found = isoglot.compare(audit, balanced)
    assert found.names == ("tiny", "tiny, equal balance")
    assert [model["balance"] for model in json.loads(found.to_json())["models"]] == ["none", "equal"]
    with pytest.raises(IsoglotError, match=r"tiny, equal balance cannot be compared: limit differs"):
        isoglot.compare(audit, replace(balanced, limit=3))


def test_json_and_markdown_hold_every_cell(audit: Audit) -> None:
    found = isoglot.compare(audit, one_rank_lower(audit), names=["before", "after"])
    body = json.loads(found.to_json())
    assert len(body["cells"]) == len(found.cells)
    assert body["cells"][0]["differences"]["max_r"][1]["mean"] == 1
    assert "+1.00 [+1.00, +1.00]" in isoglot.to_markdown(found)


def test_an_audit_without_its_ranks_cannot_be_compared(audit: Audit, tmp_path: Path) -> None:
    audit.save(tmp_path)
    (tmp_path / "ranks.npz").unlink()
    with pytest.raises(IsoglotError, match="saved without its ranks"):
        isoglot.compare(tmp_path, tmp_path)


def test_names_must_be_as_many_as_audits_and_differ(audit: Audit) -> None:
    with pytest.raises(IsoglotError, match="1 names were given for 2 audits"):
        isoglot.compare(audit, audit, names=["a"])
    with pytest.raises(IsoglotError, match="two audits are called 'a'"):
        isoglot.compare(audit, audit, names=["a", "a"])
    with pytest.raises(IsoglotError, match="the margin is 0; it must be above 0"):
        isoglot.compare(audit, audit, margin=0)


def test_the_mean_over_cells_draws_contents_with_all_their_languages() -> None:
    """Copies of one cell are no new evidence: the interval of their mean is that of the cell."""
    audits = [synthetic_audit(name, seed, rank=rank) for name, seed, rank in (("a", 1, 10), ("b", 2, 8))]
    copies = [
        replace(audit, scenarios=tuple(replace(audit.scenarios[0], query_language=tag) for tag in ("en", "de", "zh")))
        for audit in audits
    ]
    found = isoglot.compare(*copies)
    (mean,) = found.means
    for measure in ("max_r", "ndcg@10"):
        for one, cell in zip(mean.differences[measure], found.cells[0].differences[measure], strict=True):
            assert (one.mean, one.low, one.high) == pytest.approx((cell.mean, cell.low, cell.high))
    assert mean.outcomes["max_r"][1].p == found.cells[0].outcomes["max_r"][1].p


def test_the_mean_over_cells_is_their_mean_and_lies_in_its_interval(audit: Audit) -> None:
    found = isoglot.compare(audit, one_rank_lower(audit))
    for mean in found.means:
        cells = [cell for cell in found.cells if cell.scenario == mean.scenario]
        for measure, values in mean.measures.items():
            expected = np.mean([[value.mean for value in cell.measures[measure]] for cell in cells], axis=0)
            assert [value.mean for value in values] == pytest.approx(expected, nan_ok=True)
            assert all(value.low <= value.mean <= value.high for value in values if not np.isnan(value.mean))


def test_intervals_are_those_of_the_audits(audit: Audit) -> None:
    for cell, result in zip(isoglot.compare(audit, audit).cells, audit.scenarios, strict=True):
        for measure, (first, _) in cell.measures.items():
            own = result.measures[measure]
            assert (first.mean, first.low, first.high) == pytest.approx((own.mean, own.low, own.high), nan_ok=True)


def test_p_values_are_those_of_scipy_with_contents_as_units() -> None:
    first, second = (synthetic_audit(name, seed, contents=9, queries=25) for name, seed in (("a", 1), ("b", 2)))
    cell = isoglot.compare(first, second).cells[0]
    one, two = first.scenarios[0], second.scenarios[0]
    assert one.judged is not None
    assert two.judged is not None
    sums = dict.fromkeys(one.contents, 0.0)
    for content, change in zip(one.contents, max_r(two.judged) - max_r(one.judged), strict=True):
        sums[content] += change
    found = stats.permutation_test(
        (list(sums.values()), [0.0] * 9), lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=np.inf
    )
    assert cell.outcomes["max_r"][1].p == pytest.approx(found.pvalue)


def test_queries_are_won_tied_and_lost_in_the_direction_of_the_measure(audit: Audit) -> None:
    for cell in isoglot.compare(audit, one_rank_lower(audit)).cells:
        for measure, (same, lower) in cell.outcomes.items():
            assert (same.better, same.worse) == (0, 0)
            if measure == "max_r":
                assert (lower.better, lower.same, lower.worse) == (0, 0, 6)
            elif measure.startswith("ndcg"):
                assert lower.better == 0


def test_holm_counts_all_tests_of_a_scenario() -> None:
    audits = [synthetic_audit(name, seed, contents=40) for seed, name in enumerate("abc")]
    found = isoglot.compare(*audits)
    for mean in found.means:
        cells = [mean, *(cell for cell in found.cells if cell.scenario == mean.scenario)]
        outcomes = [outcome for cell in cells for tested in cell.outcomes.values() for outcome in tested[1:]]
        assert len(outcomes) == len(cells) * len(mean.outcomes) * 2
        smallest = min(outcomes, key=lambda outcome: outcome.p)
        assert smallest.p_holm == pytest.approx(min(1, len(outcomes) * smallest.p))
        assert all(outcome.p_holm >= outcome.p for outcome in outcomes)


def test_an_audit_holds_the_content_of_each_question_and_its_intervals_draw_contents(
    tiny_model: Path, small_collection: Collection
) -> None:
    again = [
        replace(query, query_id=f"{query.query_id}-2", text=f"so {query.text}") for query in small_collection.queries
    ]
    golds = {**small_collection.golds, **{f"{query}-2": gold for query, gold in small_collection.golds.items()}}
    twice = replace(small_collection, queries=[*small_collection.queries, *again], golds=golds)
    for result in isoglot.audit(str(tiny_model), twice, scenarios=["multi"]).scenarios:
        assert result.judged is not None
        assert [golds[query][0] for query in result.query_ids] == list(result.contents)
        (own,) = bootstrap_means(max_r(result.judged)[:, None], units=result.contents)
        assert result.measures["max_r"] == own


def test_a_folder_of_models_by_seed_is_audited_and_pooled(
    audit: Audit, tiny_model: Path, small_collection: Collection, tmp_path: Path
) -> None:
    for name in ("seed-0", "seed-1.lossy", "seeds-of-corn"):
        (tmp_path / name).symlink_to(tiny_model)
    found = isoglot.compare(audit, tmp_path, data=small_collection)
    assert found.models[1].seeds == 2
    assert found.names[1] == tmp_path.name
    assert {values[1].mean for cell in found.cells for values in [cell.differences["max_r"]]} == {0}


def test_contents_come_back_from_disk_and_older_audits_fall_back_to_queries(tmp_path: Path) -> None:
    first, second = synthetic_audit("a", 1), synthetic_audit("b", 2)
    older = [synthetic_audit(name, seed, with_contents=False) for name, seed in (("a", 1), ("b", 2))]
    for name, audit in (("a", first), ("b", second), ("older-a", older[0]), ("older-b", older[1])):
        audit.save(tmp_path / name)
    assert Audit.load(tmp_path / "a").scenarios[0].contents == first.scenarios[0].contents
    assert Audit.load(tmp_path / "older-a").scenarios[0].contents == ()
    found = isoglot.compare(tmp_path / "a", tmp_path / "b")
    fallen = isoglot.compare(tmp_path / "older-a", tmp_path / "older-b")
    assert (found.unit, fallen.unit) == ("content", "query")
    assert "do not say which content a question is about" in isoglot.to_markdown(fallen)
    assert "do not say" not in isoglot.to_markdown(found)
    mixed = isoglot.compare(tmp_path / "older-a", tmp_path / "b")  # the same questions: one that says it is enough
    assert mixed.cells[0].differences == found.cells[0].differences


def test_seeds_of_one_method_are_pooled_by_query(tmp_path: Path) -> None:
    base = synthetic_audit("base", 0)
    seeds = [synthetic_audit("method", seed, rank=8) for seed in (1, 2, 3)]
    found = isoglot.compare(base, seeds, names=["base", "method"])
    assert [model.seeds for model in found.models] == [1, 3]
    cell = found.cells[0]
    means = [seed.scenarios[0].measures["max_r"].mean for seed in seeds]
    assert cell.measures["max_r"][1].mean == pytest.approx(np.mean(means))
    assert cell.deviations["max_r"][1] == pytest.approx(np.std(means, ddof=1))
    assert np.isnan(cell.deviations["max_r"][0])
    assert cell.differences["max_r"][1].mean == pytest.approx(np.mean(means) - cell.measures["max_r"][0].mean)
    assert "Means over seeds: method (3)." in isoglot.to_markdown(found)
    base.save(tmp_path / "base")
    for number, seed in enumerate(seeds):
        seed.save(tmp_path / "method" / f"seed-{number}")
    by_folder = isoglot.compare(tmp_path / "base", tmp_path / "method")
    listed = ",".join(str(tmp_path / "method" / f"seed-{number}") for number in range(3))
    by_name = isoglot.compare(f"base={tmp_path}/base", f"method={listed}")
    assert by_folder.to_json() == by_name.to_json() == found.to_json()
    for wrong in ("=x", "a=", "a=b,,c"):
        with pytest.raises(IsoglotError, match="is not NAME=AUDIT"):
            isoglot.compare(base, wrong)
    with pytest.raises(IsoglotError, match="list of audits to compare is empty"):
        isoglot.compare(base, [])


def test_what_must_not_fall_is_judged_by_the_margin() -> None:
    base, worse = synthetic_audit("base", 1, rank=5), synthetic_audit("worse", 1, rank=20)
    found = isoglot.compare(base, base, worse, names=["base", "same", "worse"], margin=2)
    rows = kept_table(found).rows
    assert [(row[1], row[3]) for row in rows] == [("same", "yes"), ("worse", "no")]
    assert rows[0][4:] == ("3 of 3", "0 of 3", "0 of 3")
    body = json.loads(found.to_json())
    assert body["margin"] == 2
    assert body["non_inferiority"][0]["kept"] == [True, True, False]


def test_significant_differences_have_a_star_that_is_explained() -> None:
    found = isoglot.compare(*(synthetic_audit(name, 1, rank=rank) for name, rank in (("base", 20), ("better", 3))))
    summary = summary_table(found)
    mean = summary.rows[-1]
    assert mean[0] == "mean"
    assert mean[3].endswith("*")
    assert not mean[2].endswith("*")
    assert any("]* |" in line for line in isoglot.to_markdown(found).splitlines())
    assert "Star: differs from base, p &lt; 0.05" in isoglot.to_markdown(found)
