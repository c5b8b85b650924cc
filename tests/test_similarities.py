"""Similarities in audits and what tables make of them: quantiles, and the new cut-off for an old one."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import isoglot
from isoglot import Audit, Collection, Document, IsoglotError, Query
from isoglot.evaluation.similarities import (
    PERCENTS,
    SAMPLE,
    Distribution,
    Similarities,
    new_cutoff,
    sample_similarities,
)
from isoglot.platform.arrays import Ints, Vectors
from isoglot.ranking.pools import PoolBuilder
from isoglot.report.similarities import similarity_tables
from tests.command_line import isoglot as run
from tests.synthetic_audits import synthetic_audit, write_as_older

TWO = Collection(
    "two",
    [Document(content, tag, f"{content} {tag}") for content in ("a", "b") for tag in ("en", "de")],
    [Query("q", "en", "q?")],
    {"q": ("a",)},
)


def at_angles(degrees: dict[str, float]) -> Vectors:
    radians = np.deg2rad(list(degrees.values()))
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def test_each_kind_of_pair_by_hand() -> None:
    """One query at 0 degrees, so each cosine is that of the document's angle."""
    angles = {"a en": 0, "a de": 60, "b en": 90, "b de": 180}
    pools = PoolBuilder(TWO).build(("multi",))

    def vectors_at(queries: Ints, documents: Ints) -> tuple[Vectors, Vectors]:
        found = [TWO.documents[at] for at in documents]
        return 3 * at_angles({"q": 0}), at_angles({d.text: angles[d.text] for d in found})

    found = sample_similarities(TWO, pools, vectors_at, seed=0)
    means = {
        kind: (spread.pairs, spread.mean)
        for kind in Similarities.__struct_fields__
        if (spread := getattr(found, kind)) is not None
    }
    assert means == {
        "unrelated": (2, -0.5),
        "unrelated_same": (1, 0),
        "unrelated_cross": (1, -1),
        "relevant_same": (1, 1),
        "relevant_cross": (1, 0.5),
    }


def spread(*cosines: float) -> Similarities:
    return Similarities(unrelated=Distribution.of(np.array(cosines)))


def test_quantiles_are_those_of_the_cosines() -> None:
    found = Distribution.of(np.arange(101) / 100)
    assert found is not None
    assert found.quantiles == {f"{percent:g}": pytest.approx(percent / 100) for percent in PERCENTS}
    assert (found.pairs, found.mean) == (101, 0.5)
    assert found.share_above(0.97) == pytest.approx(3)
    assert (found.share_above(-0.5), found.share_above(1.5)) == (100, 0)
    assert Distribution.of(np.array([])) is None


def test_a_new_cutoff_lets_through_the_same_share_of_unrelated_documents() -> None:
    generator = np.random.default_rng(0)
    old = generator.normal(0.72, 0.03, 100_000)
    new = generator.normal(0.25, 0.1, 100_000)
    before, after = spread(*old), spread(*new)
    for cutoff in (0.65, 0.7, 0.74, 0.78):
        assert np.mean(new > new_cutoff(cutoff, before, after)) == pytest.approx(np.mean(old > cutoff), rel=0.15)
    assert new_cutoff(0.72, before, before) == pytest.approx(0.72)
    assert (new_cutoff(-1, before, after), new_cutoff(1, before, after)) == (-1, 1)
    beyond = [new_cutoff(cutoff, before, after) for cutoff in (0.9, 0.95, 0.99)]
    assert max(new) < beyond[0] < beyond[1] < beyond[2] < 1


def test_what_is_no_cosine_or_has_no_pairs_is_refused() -> None:
    with pytest.raises(IsoglotError, match="the cut-off is 75; a cosine is from -1 to 1"):
        new_cutoff(75, spread(0.1), spread(0.2))
    with pytest.raises(IsoglotError, match="no unrelated pairs"):
        new_cutoff(0.7, Similarities(), spread(0.2))


def test_the_sample_is_bounded_and_does_not_depend_on_the_order_of_the_collection() -> None:
    contents = [f"c{number}" for number in range(600)]
    documents = [Document(content, tag, f"{content} {tag}") for content in contents for tag in ("en", "de")]
    queries = [Query(content, tag, f"{content} {tag}?") for content in contents for tag in ("en", "de")]
    golds = {content: (content,) for content in contents}
    vectors = dict(zip([d.text for d in documents], np.random.default_rng(0).normal(size=(1200, 8)), strict=True))

    def similarities(collection: Collection) -> Similarities:
        def vectors_at(asked: Ints, found: Ints) -> tuple[Vectors, Vectors]:
            assert len(asked) <= SAMPLE
            assert len(found) <= 3 * SAMPLE
            texts = (
                [collection.queries[at].text[:-1] for at in asked],
                [collection.documents[at].text for at in found],
            )
            one, other = (np.array([vectors[text] for text in part], dtype=np.float32) for part in texts)
            return one, other

        return sample_similarities(collection, PoolBuilder(collection).build(("multi",)), vectors_at, seed=0)

    found = similarities(Collection("many", documents, queries, golds))
    shuffled = (random.Random(1).sample(part, len(part)) for part in (documents, queries))
    assert similarities(Collection("many", *shuffled, golds)) == found  # type: ignore[arg-type]
    assert found.unrelated is not None
    assert found.unrelated.pairs <= SAMPLE**2
    assert found.relevant_same is not None
    assert found.relevant_same.mean == 1


def test_an_audit_keeps_them_and_older_audits_load(
    tiny_model: Path, small_collection: Collection, own_cache: Path, tmp_path: Path
) -> None:
    made = isoglot.audit(str(tiny_model), small_collection, output=tmp_path / "new")
    assert made.similarities is not None
    assert made.similarities.relevant_cross is not None
    assert made.similarities.relevant_cross.pairs == 6 * 3 * 2
    assert made.similarities.unrelated is not None
    assert made.similarities.unrelated.pairs == 18 * 15
    assert Audit.load(tmp_path / "new").similarities == made.similarities

    whole = (tmp_path / "new" / "audit.json").read_text()
    for damage in (whole.replace('"99.9"', '"99.x"'), whole.replace('"pairs": ', '"pairs": "many", "x": ')):
        (tmp_path / "new" / "audit.json").write_text(damage)
        with pytest.raises(IsoglotError, match=r"audit\.json: is damaged"):
            Audit.load(tmp_path / "new")
    text = json.loads(whole)
    del text["similarities"]
    write_as_older(tmp_path / "new", text)
    older = Audit.load(tmp_path / "new")
    assert older.similarities is None
    assert "similarities" not in older.to_json()
    assert "Similarities" not in isoglot.to_markdown(isoglot.compare(older, made, names=["older", "made"]))


def test_a_retriever_without_vectors_has_none(small_collection: Collection) -> None:
    found = isoglot.audit("bm25", small_collection)
    assert found.similarities is None
    assert "similarities" not in found.to_json()


def test_a_comparison_shows_quantiles_and_cutoffs_everywhere(tmp_path: Path) -> None:
    before = replace(synthetic_audit("before", 0), similarities=spread(0.6, 0.7, 0.8))
    after = replace(synthetic_audit("after", 1), similarities=spread(0.1, 0.2, 0.4))
    for name, made in (("before", before), ("after", after)):
        made.save(tmp_path / name)
    result = run("compare", str(tmp_path / "before"), str(tmp_path / "after"), "-o", str(tmp_path / "out"))
    assert result.returncode == 0, result.stderr
    shown = (tmp_path / "out" / "comparison.md").read_text()
    assert "| before: cut-off | 0.7 | 0.75 |\n| --- | ---: | ---: |\n| after: cut-off | 0.200 | 0.300 |" in shown
    assert "the same share of unrelated documents" in " ".join(result.stdout.split())
    models = json.loads((tmp_path / "out" / "comparison.json").read_text())["models"]
    assert models[1]["similarities"]["unrelated"]["quantiles"]["50"] == 0.2


def test_only_cutoffs_inside_the_old_range_are_shown() -> None:
    assert similarity_tables({"old": spread(0.95, 0.99), "new": spread(0.1, 0.2)}) == []
    (cutoffs,) = similarity_tables({"old": spread(0.55, 0.78), "new": spread(0.1, 0.2)})
    assert cutoffs.columns == ("old: cut-off", "0.6", "0.7", "0.75")
