"""What a user of isoglot writes. tests/test_types.py checks its types against the installed package; it never runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import assert_type

import numpy as np
from sentence_transformers import SentenceTransformer

import isoglot
from isoglot import losses


class Lengths:
    """A retriever of one's own, which prefers long documents."""

    name = "lengths"

    def scores(self, queries: Sequence[isoglot.Query], documents: Sequence[isoglot.Document]) -> np.ndarray:
        """(q, n) scores, higher is better."""
        return np.array([[float(len(document.text)) for document in documents] for _ in queries])


def main(folder: Path) -> float:
    """Audit, align, audit again and compare; returns the aligned model's NDCG@10."""
    collection = isoglot.load_collection("mini@demo")
    assert_type(collection, isoglot.Collection)
    before = isoglot.audit("e5-small-q4", collection, pools=[["en", "zh"]])
    assert_type(before, isoglot.Audit)
    try:
        aligned = isoglot.align("e5-small-q4", "center", "mini@demo-train", folder, languages=["en", "zh"])
    except isoglot.LossyError as error:
        raise SystemExit(str(error)) from error
    assert_type(aligned, Path)
    after = isoglot.audit(str(aligned), collection, pools=[["en", "zh"]])
    comparison = isoglot.compare(before, after)
    assert_type(comparison, isoglot.Comparison)
    print(isoglot.to_markdown(comparison))
    isoglot.audit(Lengths(), collection).save(folder / "lengths")
    return after.find("multi", ["en", "zh"], "zh").measures["ndcg@10"].mean


def train(model: SentenceTransformer) -> tuple[losses.JsdNceLoss, type[losses.ContentBatches]]:
    """The paper's loss, and the batches that go with it."""
    rows = isoglot.training_rows("mini@demo-train")
    assert_type(rows, list[isoglot.Row])
    return losses.JsdNceLoss(model, temperature=0.05), losses.ContentBatches
