"""Vectors as stores keep them: equal to sentence-transformers' codes, ranked exactly, and side by side in audits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import isoglot
from isoglot import Audit, Collection, IsoglotError
from isoglot.evaluation.stored import DTYPES, as_stored
from isoglot.platform.arrays import Ints, Vectors
from isoglot.ranking.exact import rank
from isoglot.report.changes import change_tables, comparison_change_tables
from tests.command_line import isoglot as command

SEEDS = st.integers(0, 1000)


def some(seed: int, count: int, dimension: int = 24) -> Vectors:
    vectors = np.random.default_rng(seed).normal(0.3, 1, (count, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def ranks(queries: Vectors, documents: Vectors, keys: Ints) -> Ints:
    golds = np.arange(len(queries))[:, None]
    return rank(queries, documents, golds, tie_keys=keys).gold_ranks[:, 0]


@settings(max_examples=20)
@given(SEEDS)
def test_the_codes_are_those_of_sentence_transformers(seed: int) -> None:
    from sentence_transformers.util import quantize_embeddings

    queries, documents = some(seed, 5), some(seed + 1, 30)
    documents[:, 3] = 0.5  # a component without a range
    codes = quantize_embeddings(documents, "int8")
    query_codes = quantize_embeddings(queries, "int8", calibration_embeddings=documents)
    asked, found = as_stored(queries, documents, "int8-codes")
    np.testing.assert_array_equal(found, codes)
    np.testing.assert_array_equal(asked, query_codes.astype(np.float32))
    np.testing.assert_array_equal(as_stored(queries, documents, "int8")[1], codes)
    for vectors, signs in zip((queries, documents), as_stored(queries, documents, "binary"), strict=True):
        np.testing.assert_array_equal(np.packbits(signs > 0, axis=1), quantize_embeddings(vectors, "ubinary"))


@settings(max_examples=20)
@given(SEEDS)
def test_binary_ranks_by_hamming_distance_and_ties_by_their_keys(seed: int) -> None:
    queries, documents = some(seed, 6, 8), some(seed + 1, 60, 8)
    keys = np.random.default_rng(seed).permutation(60)
    distances = ((queries[:, None] > 0) != (documents[None] > 0)).sum(axis=2)
    order = np.lexsort((np.broadcast_to(keys, distances.shape), distances))
    expected = [1 + order[number].tolist().index(number) for number in range(6)]
    assert ranks(*as_stored(queries, documents, "binary"), keys).tolist() == expected


@settings(max_examples=20)
@given(SEEDS)
def test_int8_ranks_by_the_decoded_codes(seed: int) -> None:
    queries, documents = some(seed, 6), some(seed + 1, 60)
    low, step = documents.min(axis=0), (documents.max(axis=0) - documents.min(axis=0)) / 255
    decoded = low + (np.floor((documents - low) / step).clip(0, 255) + 0.5).astype(np.float64) * step
    scores = queries.astype(np.float64) @ decoded.T
    expected = [1 + int((row > row[number]).sum()) for number, row in enumerate(scores)]
    assert ranks(*as_stored(queries, documents, "int8"), np.arange(60)).tolist() == expected


def test_truncated_vectors_have_unit_length_again_and_a_zero_stays() -> None:
    queries, documents = some(0, 3), some(1, 4)
    documents[0] = 0
    asked, found = as_stored(queries, documents, "float32", 5)
    np.testing.assert_allclose(asked, queries[:, :5] / np.linalg.norm(queries[:, :5], axis=1, keepdims=True), rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), [0, 1, 1, 1], rtol=1e-6)
    assert as_stored(queries, documents, "float16", 5)[1].dtype == np.float16
    assert as_stored(queries, documents, "float32", 24)[1] is documents


@pytest.fixture(scope="module")
def swept(tiny_model: Path, small_collection: Collection) -> Audit:
    return isoglot.audit(str(tiny_model), small_collection, stored=DTYPES, dimensions=[32, 9])


def test_every_form_has_a_row_and_float32_in_all_dimensions_is_the_audit(swept: Audit) -> None:
    assert [(entry.dtype, entry.dimension, entry.bytes) for entry in swept.stored] == [
        ("float32", 32, 128),
        ("float32", 9, 36),
        ("float16", 32, 64),
        ("float16", 9, 18),
        ("int8", 32, 32),
        ("int8", 9, 9),
        ("int8-codes", 32, 32),
        ("int8-codes", 9, 9),
        ("binary", 32, 4),
        ("binary", 9, 2),
    ]
    whole, short = swept.stored[:2]
    mixed = [result.measures["max_r"].mean for result in swept.scenarios if result.scenario == "multi"]
    assert whole.measures["multi max_r"].before.mean == pytest.approx(np.mean(mixed))
    for change in whole.measures.values():
        assert change.before == change.after
        assert (change.difference.low, change.difference.high) == (0, 0)
    assert short.measures["multi max_r"].before == whole.measures["multi max_r"].before
    assert short.measures["multi max_r"].after != whole.measures["multi max_r"].before


def test_two_audits_stand_side_by_side(swept: Audit, tmp_path: Path) -> None:
    swept.save(tmp_path)
    loaded = Audit.load(tmp_path)
    assert loaded.stored == swept.stored
    [table] = change_tables(loaded)
    assert table.columns[:3] == ("stored as", "dimensions", "bytes")
    comparison = isoglot.compare(loaded, swept, names=["one", "two"])
    [table] = comparison_change_tables(comparison)
    assert [row[:4] for row in table.rows[:4]] == [
        ("float32", "32", "one", "128"),
        ("float32", "32", "two", "128"),
        ("float32", "9", "one", "36"),
        ("float32", "9", "two", "36"),
    ]
    assert '"stored"' in comparison.to_json()
    assert "| binary | 9 | two | 2 |" in isoglot.to_markdown(comparison)


def test_dimensions_alone_are_of_float32_and_dtypes_alone_of_all(tiny_model: Path) -> None:
    options = ("audit", tiny_model, "--data", "mini@test", "--pool", "en,de", "--limit", 2, "--json")
    for chosen, expected in (
        (("--dimensions", "16"), [("float32", 32), ("float32", 16)]),
        (("--stored", "binary"), [("float32", 32), ("binary", 32)]),
    ):
        done = command(*options, *chosen)
        assert [(one["dtype"], one["dimension"]) for one in json.loads(done.stdout)["stored"]] == expected


def test_what_cannot_be_stored_so_is_told(tiny_model: Path, small_collection: Collection) -> None:
    with pytest.raises(IsoglotError, match="unknown form of stored vectors 'int4'; choose from float32, float16"):
        isoglot.audit("no such model", small_collection, stored=["int4"])
    with pytest.raises(IsoglotError, match="number of dimensions is 0; it must be at least 1"):
        isoglot.audit("no such model", small_collection, dimensions=[0])
    with pytest.raises(IsoglotError, match="the vectors have 32 dimensions, fewer than 64"):
        isoglot.audit(str(tiny_model), small_collection, dimensions=[64])
    with pytest.raises(IsoglotError, match="has no vectors, which --stored and --dimensions could store otherwise"):
        isoglot.audit("bm25", small_collection, stored=["binary"])
    with pytest.raises(IsoglotError, match="need one of the scenarios multi, mono-same"):
        isoglot.audit("no such model", small_collection, stored=["binary"], scenarios=["control"])
    done = command("audit", tiny_model, "--data", "mini@test", "--dimensions", "384,many")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--dimensions takes whole numbers, such as 384,256; 'many' is none" in done.stderr
