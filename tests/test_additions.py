"""What is added to trained methods: that it reaches the loss, and only from contents that it may come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from isoglot import Collection, IsoglotError, Row
from isoglot.alignment.methods import distill, jsd_nce
from isoglot.alignment.options import TOKEN_KINDS, AdditionOptions, DistillOptions, JsdNceOptions
from isoglot.alignment.record import StepLoss
from isoglot.alignment.registry import METHODS
from isoglot.alignment.training.additions import TOKEN_DISTANCES, mined_negatives
from isoglot.alignment.training.examples import Example, content_batches, triplets
from isoglot.alignment.training.objectives import info_nce, multi_positive_nce
from isoglot.encoders.sentence_transformer import load_encoder
from isoglot.training_data.loading import training_rows

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("own_cache")]

SMALL: dict[str, Any] = {"batch_size": 4, "learning_rate": 1e-3}


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_a_rows_own_negatives_count_for_that_row_alone() -> None:
    a, p, n = np.random.default_rng(0).normal(size=(3, 4, 6))
    scores = np.concatenate([unit(a) @ unit(p).T, (unit(a) * unit(n)).sum(1, keepdims=True)], axis=1) / 0.1
    expected = (np.log(np.exp(scores).sum(1)) - np.diag(scores)).mean()
    a_, p_, n_ = map(torch.tensor, (a, p, n))
    assert float(info_nce(a_, p_, temperature=0.1, negatives=[n_])) == pytest.approx(expected, rel=1e-9)
    assert float(multi_positive_nce([a_], [p_], temperature=0.1, negatives=[n_])) == pytest.approx(expected, rel=1e-9)
    tracked = [tensor.clone().requires_grad_(True) for tensor in (a_, p_, n_)]
    assert torch.autograd.gradcheck(lambda x, y, z: info_nce(x, y, temperature=0.5, negatives=[z]), tracked)


def test_mined_negatives_are_of_other_contents_and_of_the_wanted_role(
    tiny_model: Path, small_collection: Collection
) -> None:
    rows = training_rows(small_collection)
    encoder = load_encoder(str(tiny_model), device="cpu")
    examples = [
        Example(group=row.content_id, query=row.query["en"], query_translation="", document="", translation="")
        for row in rows
    ]
    roles: dict[str, Any] = {"anchor_role": "query", "role": "document", "seed": 0, "show_progress": False}
    assert mined_negatives(encoder, rows, examples, count=0, **roles) == {}
    found = mined_negatives(encoder, rows, examples, count=2, **roles)
    assert list(found) == ["negative_1", "negative_2"]
    contents = {text: row.content_id for row in rows for text in row.document.values()}
    for column in found.values():
        assert all(contents[text] != row.content_id for text, row in zip(column, rows, strict=True))


def test_another_document_that_answers_the_question_is_no_mined_negative_and_in_no_batch_with_it(
    tiny_model: Path, small_collection: Collection
) -> None:
    rows = training_rows(small_collection)
    rows[1] = msgspec.structs.replace(rows[1], query=rows[1].query | {"en": rows[0].query["en"]})
    examples = triplets(rows)
    found = mined_negatives(
        load_encoder(str(tiny_model), device="cpu"),
        rows,
        examples,
        anchor_role="query",
        role="document",
        count=3,
        seed=0,
        show_progress=False,
    )
    right = {*rows[0].document.values(), *rows[1].document.values()}
    for column in found.values():
        assert all(text not in right for text, e in zip(column, examples, strict=True) if e.document in right)
    for batch in content_batches([example.group for example in examples], len(rows), 0):
        assert sum(examples[position].document in right for position in batch) <= 1


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("nce", {"hard_negatives": 1}),
        ("nce", {"code_switch": 1.0}),
        ("nce", {"token_weight": 1.0}),
        ("jsd-nce", {"hard_negatives": 2}),
        ("jsd-nce", {"nce_psg": True}),
        ("jsd-nce", {"raw": True}),
        ("jsd-nce", {"code_switch": 1.0, "code_switch_level": "word"}),
        ("jsd-nce", {"token_weight": 1.0, "token_kind": "transport"}),
        ("distill", {"nce_weight": 1.0}),
        ("distill", {"nce_weight": 1.0, "code_switch": 1.0}),
        ("distill", {"nce_weight": 1.0, "token_weight": 1.0}),
    ],
)
def test_each_addition_changes_the_first_loss_of_each_method(
    tiny_model: Path, small_collection: Collection, method: str, options: dict[str, Any]
) -> None:
    rows = training_rows(small_collection)

    def first_loss(**given: Any) -> float:
        encoder = load_encoder(str(tiny_model), device="cpu")
        settings = METHODS[method].options({**SMALL, **given})
        losses = METHODS[method].train(encoder, rows, settings, seed=0, show_progress=False)
        assert all(np.isfinite(entry.loss) for entry in losses)
        return float(losses[0].loss)

    assert first_loss(**options) != pytest.approx(first_loss(), rel=1e-6)


def test_every_kind_of_token_distance_has_a_function() -> None:
    assert tuple(TOKEN_DISTANCES) == TOKEN_KINDS


def test_raw_vectors_leave_the_model_with_its_last_module(tiny_model: Path, small_collection: Collection) -> None:
    encoder = load_encoder(str(tiny_model), device="cpu")
    modules = [type(module) for module in encoder.model]
    jsd_nce.run(encoder, training_rows(small_collection), JsdNceOptions(raw=True, **SMALL), seed=0, show_progress=False)
    assert [type(module) for module in encoder.model] == modules


def test_a_code_switched_query_learns_the_mean_of_both_teachers(tiny_model: Path, small_collection: Collection) -> None:
    seen = {}

    def train(encoder: Any, columns: Any, *args: Any, targets: Any, **kwargs: Any) -> list[StepLoss]:
        seen.update(columns=columns, targets=np.array(targets))
        return []

    rows = training_rows(small_collection, ["en", "de"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distill, "train", train)
        for share in (0.0, 1.0):
            encoder = load_encoder(str(tiny_model), device="cpu")
            options = DistillOptions(code_switch=share, nce_weight=1.0)
            distill.run(encoder, rows, options, seed=0, show_progress=False)
            if not share:
                plain = dict(seen)
    en, de = np.split(plain["targets"], 4, axis=1)[:2]
    mixed = np.split(seen["targets"], 4, axis=1)[0]
    np.testing.assert_allclose(mixed, unit(en + de), atol=1e-6)
    assert seen["columns"]["query"] != plain["columns"]["query"]
    assert seen["columns"]["query_translation"] == plain["columns"]["query_translation"]


def test_what_pairs_languages_needs_rows_in_english_and_another(tiny_model: Path) -> None:
    rows = [Row(str(n), {"de": f"frage {n}"}, {"de": f"text {n}"}) for n in range(4)]
    encoder = load_encoder(str(tiny_model), device="cpu")
    with pytest.raises(IsoglotError, match="both in English and in another language"):
        distill.run(encoder, rows, DistillOptions(nce_weight=1.0), seed=0, show_progress=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"code_switch": 1.5}, "code switch is 1.5"),
        ({"code_switch_level": "letter"}, "unknown code switch level 'letter'"),
        ({"token_kind": "soft"}, "unknown token kind 'soft'"),
    ],
)
def test_wrong_options_say_what_is_allowed(options: dict[str, Any], message: str) -> None:
    with pytest.raises(IsoglotError, match=message):
        AdditionOptions(**options)
