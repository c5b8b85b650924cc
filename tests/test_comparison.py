"""Comparisons: paired, and refused where they would mean nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import isoglot
from isoglot import Audit, Collection, IsoglotError


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
        ({"collection": {"name": "other", "fingerprint": "x"}}, "collection name differs"),
        ({"collection": {"name": "small", "fingerprint": "x"}}, "collection fingerprint differs"),
    ],
)
def test_audits_of_other_things_are_refused_with_the_field(audit: Audit, change: dict[str, object], field: str) -> None:
    with pytest.raises(IsoglotError, match=field):
        isoglot.compare(audit, replace(audit, **change))  # type: ignore[arg-type]


def test_other_documents_modes_and_no_common_pool_are_refused(
    audit: Audit, tiny_model: Path, small_collection: Collection
) -> None:
    rows = isoglot.audit(str(tiny_model), small_collection, documents="rows")
    with pytest.raises(IsoglotError, match="documents mode differs"):
        isoglot.compare(audit, rows)
    other = isoglot.audit(str(tiny_model), small_collection, pools=[["de", "ru"]], scenarios=["multi"])
    with pytest.raises(IsoglotError, match="no pool in common"):
        isoglot.compare(audit, other)
    with pytest.raises(IsoglotError, match="at least two"):
        isoglot.compare(audit)


def test_what_only_one_has_is_left_out_and_counted(
    audit: Audit, tiny_model: Path, small_collection: Collection
) -> None:
    part = isoglot.audit(str(tiny_model), small_collection, pools=[["en", "ru"]], scenarios=["multi"])
    found = isoglot.compare(audit, part)
    assert len(found.cells) == 2
    assert found.left_out == len(audit.scenarios) - 2


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
    a, b = (replace(audit, model={**audit.model, "name": f"/x/{part}/model"}) for part in "ab")
    assert isoglot.compare(a, b).names == ("a/model", "b/model")


def test_a_balanced_audit_stands_beside_a_plain_one_of_the_same_model(
    audit: Audit, tiny_model: Path, small_collection: Collection
) -> None:
    balanced = isoglot.audit(str(tiny_model), small_collection, balanced=True)
    found = isoglot.compare(audit, balanced)
    assert found.names == ("tiny", "tiny, balanced")
    assert [model["balanced"] for model in json.loads(found.to_json())["models"]] == [False, True]
    with pytest.raises(IsoglotError, match=r"tiny, balanced cannot be compared: limit differs"):
        isoglot.compare(audit, replace(balanced, limit=3))


def test_json_and_markdown_hold_every_cell(audit: Audit) -> None:
    found = isoglot.compare(audit, one_rank_lower(audit), names=["before", "after"])
    body = json.loads(found.to_json())
    assert len(body["cells"]) == len(found.cells)
    assert body["cells"][0]["differences"]["max_r"][1]["mean"] == 1
    assert "+1.00 [+1.00, +1.00]" in found.to_markdown()


def test_an_audit_without_its_ranks_cannot_be_compared(audit: Audit, tmp_path: Path) -> None:
    audit.save(tmp_path)
    (tmp_path / "ranks.npz").unlink()
    with pytest.raises(IsoglotError, match="saved without its ranks"):
        isoglot.compare(tmp_path, tmp_path)
