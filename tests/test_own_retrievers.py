"""Retrievers of a user's own: an object with one method, and kinds that other packages register."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import isoglot
from isoglot import Collection, Document, IsoglotError, Query
from isoglot.encoders.encoder import Encoder
from isoglot.encoders.sentence_transformer import load_encoder
from isoglot.retrievers import registry


class ByModel:
    """A scorer that multiplies the vectors of an encoder."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder, self.languages = encoder, set[str]()

    def scores(self, queries: Sequence[Query], documents: Sequence[Document]) -> np.ndarray:
        self.languages.update(document.language for document in documents)
        asked, pool = (
            self.encoder.encode([text.text for text in texts], role, [text.language for text in texts], keep=False)
            for role, texts in (("query", queries), ("document", documents))
        )
        return asked @ pool.T


class Given:
    """A scorer that returns what a function of (q, n) makes."""

    def __init__(self, make: Callable[[int, int], Any]) -> None:
        self.make = make

    def scores(self, queries: Sequence[Query], documents: Sequence[Document]) -> Any:
        return self.make(len(queries), len(documents))


class Wrong:
    """A scorer that gives something else than (q, n) finite numbers."""

    def __init__(self, value: float, columns: int = 0) -> None:
        self.value, self.columns = value, columns

    def scores(self, queries: Sequence[Query], documents: Sequence[Document]) -> np.ndarray:
        return np.full((len(queries), len(documents) + self.columns), self.value)


@pytest.mark.slow
@pytest.mark.parametrize("balance", ["none", "equal", "proportional"])
def test_a_scorer_with_a_models_scores_has_the_models_audit(
    balance: str, tiny_model: Path, small_collection: Collection
) -> None:
    encoder = load_encoder(str(tiny_model), device="cpu")
    scorer = ByModel(encoder)
    ours = isoglot.audit(scorer, small_collection, balance=balance)
    theirs = isoglot.audit(encoder, small_collection, balance=balance)
    assert scorer.languages == {"en", "de", "ru"}
    assert ours.model.name == "ByModel"
    assert ours.model.how == "scores of tests.test_own_retrievers.ByModel"
    for one, other in zip(ours.scenarios, theirs.scenarios, strict=True):
        assert one.judged is not None
        assert other.judged is not None
        assert one.judged.ranks.tolist() == other.judged.ranks.tolist()


@pytest.mark.parametrize(
    ("scorer", "message"),
    [
        (Wrong(1.0, columns=1), r"Wrong: gave scores of shape \(6, 7\) for 6 queries and 6 documents"),
        (Wrong(float("nan")), "Wrong: gave scores that are not finite"),
        (Wrong(1e39), "Wrong: gave scores beyond 1e"),
        (Given(lambda q, n: np.ones((q, n)) * 1j), "Given: gave scores of type complex128, which are no real numbers"),
        (Given(lambda q, n: [["a"] * n] * q), "Given: gave scores of type <U1, which are no real numbers"),
        (
            Given(lambda q, n: [[1] * (n - row) for row in range(q)]),
            "Given: gave scores that are no array of numbers: ",
        ),
        (Given(lambda q, n: torch.ones(q, n).bfloat16()), "Given: gave scores that are no array of numbers: "),
        (Given(lambda q, n: torch.ones(q, n).requires_grad_()), "Given: gave scores that are no array of numbers: "),
        (Wrong, "Wrong: is a class; pass an object of it"),
        (object(), r"object: is no retriever; it needs a method scores\(queries, documents\)"),
    ],
)
def test_what_a_scorer_does_wrong_is_said_in_one_line(scorer: Any, message: str, small_collection: Collection) -> None:
    with pytest.raises(IsoglotError, match=message):
        isoglot.audit(scorer, small_collection, scenarios=["mono-same"])


@pytest.mark.parametrize("balance", ["none", "equal"])
@pytest.mark.parametrize(
    "scores",
    [
        lambda q, n: 1 + 1e-9 * np.arange(q * n).reshape(q, n),
        lambda q, n: 2**40 + np.arange(q * n).reshape(q, n),
        lambda q, n: 1e-60 * np.arange(q * n).reshape(q, n),
    ],
)
def test_scores_that_float32_would_tie_are_told_apart(
    scores: Callable[[int, int], Any], balance: str, small_collection: Collection
) -> None:
    fine, plain = (
        isoglot.audit(
            Given(make), small_collection, pools=[["en", "de"]], scenarios=["multi"], balance=balance, run_depth=12
        )
        for make in (scores, lambda q, n: np.arange(q * n, dtype=np.float32).reshape(q, n))
    )
    for one, other in zip(fine.scenarios, plain.scenarios, strict=True):
        assert one.measures["tie_rate"].mean == 0
        assert one.judged is not None
        assert other.judged is not None
        assert one.judged.ranks.tolist() == other.judged.ranks.tolist()
        assert [[found[:2] for found in run] for _, run in one.run] == [
            [found[:2] for found in run] for _, run in other.run
        ]


def load_constant(argument: str, loading: registry.Loading) -> Wrong:
    """As another package would: ``constant:VALUE``."""
    return Wrong(float(argument))


def registered(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    def found(*, group: str, name: str) -> list[EntryPoint]:
        assert group == "isoglot.retrievers"
        return [EntryPoint(name, value, group)] if name == "constant" else []

    monkeypatch.setattr(registry, "entry_points", found)


def test_another_package_registers_a_kind_of_retriever(
    small_collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered(monkeypatch, "tests.test_own_retrievers:load_constant")
    audit = isoglot.audit("constant:0.5", small_collection, scenarios=["multi"])
    assert {result.measures["tie_rate"].mean for result in audit.scenarios} == {100.0}
    registered(monkeypatch, "tests.nowhere:load")
    with pytest.raises(IsoglotError, match=r"constant: the retriever tests\.nowhere:load cannot be loaded"):
        isoglot.audit("constant:0.5", small_collection)
