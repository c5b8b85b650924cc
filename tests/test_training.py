"""Batches that hold a content once, and what training changes and what not."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
from transformers import TrainerCallback
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

from isoglot import Collection, IsoglotError
from isoglot.alignment.methods import jsd_nce
from isoglot.alignment.options import JsdNceOptions, TrainingOptions
from isoglot.alignment.training.embedding_loss import TokenTerm
from isoglot.alignment.training.examples import ContentBatchSampler, content_batches, triplets
from isoglot.alignment.training.objectives import info_nce
from isoglot.alignment.training.trainer import train
from isoglot.encoders.encoder import Encoder
from isoglot.encoders.sentence_transformer import load_encoder
from isoglot.training_data.loading import training_rows
from isoglot.training_data.row import Row

pytestmark = pytest.mark.slow

OPTIONS = JsdNceOptions(epochs=4, batch_size=6, learning_rate=3e-3)


class Reduced(torch.nn.Module):
    """A pooling of another kind, of which sentence-transformers knows nothing."""

    def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {**features, "sentence_embedding": features["token_embeddings"][:, -1]}


def trained(model: Path, collection: Collection, options: JsdNceOptions = OPTIONS, seed: int = 0) -> Encoder:
    encoder = load_encoder(str(model), device="cpu")
    encoder.losses = jsd_nce.run(  # type: ignore[attr-defined]
        encoder, training_rows(collection), options, seed=seed, show_progress=False
    )
    return encoder


def weights(encoder: Encoder) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in encoder.model.state_dict().items()}


def differing(a: Encoder, b: Encoder) -> set[str]:
    other = weights(b)
    return {name for name, tensor in weights(a).items() if not torch.equal(tensor, other[name])}


@given(st.lists(st.integers(0, 8), min_size=1, max_size=40), st.integers(2, 7), st.integers(0, 9))
def test_no_batch_holds_a_content_twice_and_every_item_comes_once(ids: list[int], size: int, seed: int) -> None:
    contents = [str(identity) for identity in ids]
    batches = content_batches(contents, size, seed)
    for batch in batches:
        found = [contents[position] for position in batch]
        assert 2 <= len(found) <= size
        assert len(set(found)) == len(found)
    used = Counter(position for batch in batches for position in batch)
    assert set(used.values()) <= {1}
    expected = []
    for taken in range(max(Counter(contents).values())):
        left = sum(count > taken for count in Counter(contents).values())
        parts = -(-left // size)
        expected += [left // parts + (part < left % parts) for part in range(parts)]
    assert [len(batch) for batch in batches] == [length for length in expected if length > 1]
    assert batches == content_batches(contents, size, seed)


def test_the_seed_changes_the_batches_and_a_round_is_cut_evenly() -> None:
    contents = [str(n % 10) for n in range(30)]
    assert content_batches(contents, 8, 0) != content_batches(contents, 8, 1)
    assert [len(batch) for batch in content_batches(contents, 8, 0)] == [5, 5] * 3


def test_each_epoch_has_an_order_of_its_own_and_the_steps_that_were_announced() -> None:
    sampler = ContentBatchSampler([str(n % 7) for n in range(25)], 3, seed=0)
    epochs = []
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        epochs.append(list(sampler))
    assert epochs[0] != epochs[1]
    assert [len(epoch) for epoch in epochs] == [len(sampler)] * 2


def test_triplets_are_english_query_english_document_and_each_translation() -> None:
    rows = [Row("a", {"en": "q", "de": "f"}, {"en": "d", "de": "D", "zh": "文"}), Row("b", {"de": "f"}, {"de": "D"})]
    assert [(t.group, t.query, t.document, t.translation) for t in triplets(rows)] == [
        ("a", "q", "d", "D"),
        ("a", "q", "d", "文"),
    ]
    with pytest.raises(IsoglotError, match="no row has an English query"):
        triplets(rows[1:])


def test_rows_keep_the_languages_asked_for(small_collection: Collection) -> None:
    rows = training_rows(small_collection, ["en", "deu_Latn"])
    assert len(rows) == 6
    assert all(set(row.query) == set(row.document) == {"en", "de"} for row in rows)
    with pytest.raises(IsoglotError, match="no text in 'ja'"):
        training_rows(small_collection, ["ja"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", 1),
        ("epochs", 0),
        ("epochs", float("inf")),
        ("learning_rate", -1.0),
        ("learning_rate", float("nan")),
        ("max_length", 0),
        ("max_length", 2),
        ("temperature", 0),
        ("softmax_temperature", -1.0),
        ("eps", 0.0),
        ("layers", -1),
        ("lora", -8),
        ("micro_batch", -1),
    ],
)
def test_options_out_of_range_are_told(name: str, value: float) -> None:
    with pytest.raises(IsoglotError, match=name.replace("_", " ")):
        JsdNceOptions(**{name: value})  # type: ignore[arg-type]


def test_frozen_layers_and_trained_word_embeddings_exclude_each_other() -> None:
    for name in ("layers", "lora"):
        with pytest.raises(IsoglotError, match="train embeddings goes neither with layers nor with lora"):
            TrainingOptions(train_embeddings=True, **{name: 1})  # type: ignore[arg-type]


def test_languages_that_no_row_trains_are_told(caplog: pytest.LogCaptureFixture) -> None:
    rows = [Row("a", {"en": "q", "ja": "問"}, {"en": "d", "de": "D"}), Row("b", {"zh": "問"}, {"zh": "文"})]
    assert len(triplets(rows)) == 1
    assert "ja, zh: not trained, since no row has an English query and document beside its text" in caplog.text


@pytest.mark.slow
def test_training_lowers_the_loss_and_leaves_the_model_as_it_found_it(
    tiny_model: Path, small_collection: Collection, own_cache: Path
) -> None:
    encoder = trained(tiny_model, small_collection)
    losses = [entry.loss for entry in encoder.losses]  # type: ignore[attr-defined]
    assert losses[-1] < losses[0] - 0.1
    base = load_encoder(str(tiny_model), device="cpu")
    assert encoder.model.max_seq_length == base.model.max_seq_length
    assert not encoder.model.training
    assert all(parameter.requires_grad for parameter in encoder.model.parameters())
    assert encoder.model[0].config.hidden_dropout_prob == base.model[0].config.hidden_dropout_prob > 0


def test_the_forward_pass_of_training_is_that_of_use(
    tiny_model: Path, small_collection: Collection, own_cache: Path
) -> None:
    encoder = load_encoder(str(tiny_model), device="cpu")
    rows = training_rows(small_collection)
    columns = {"query": [row.query["ru"] for row in rows], "document": [row.document["en"] for row in rows]}
    roles = {name: name for name in columns}
    expected = {name: encoder.encode(texts, name, ["en"] * len(texts)) for name, texts in columns.items()}
    seen: list[tuple[torch.Tensor, ...]] = []

    def loss(query: torch.Tensor, document: torch.Tensor, number: torch.Tensor) -> torch.Tensor:
        seen.append((query.detach().clone(), document.detach().clone(), number.long().flatten()))
        return (query * document).sum()

    train(
        encoder,
        columns,
        roles,
        [row.content_id for row in rows],
        loss,
        TrainingOptions(batch_size=6),
        seed=0,
        show_progress=False,
        targets=[[float(number)] for number in range(len(rows))],
    )
    ((query, document, numbers),) = seen
    assert sorted(numbers.tolist()) == list(range(6))
    assert query.numpy() == pytest.approx(expected["query"][numbers], abs=1e-6)
    assert document.numpy() == pytest.approx(expected["document"][numbers], abs=1e-6)


def test_training_that_stops_early_leaves_no_frozen_shortened_or_stale_model(
    tiny_model: Path, small_collection: Collection, own_cache: Path
) -> None:
    encoder = load_encoder(str(tiny_model), device="cpu")
    rows = training_rows(small_collection)
    frozen = encoder.model[0].model.embeddings.LayerNorm.weight.requires_grad_(False)
    before = encoder.fingerprint
    options = JsdNceOptions(epochs=9, batch_size=6, learning_rate=1e30, max_length=16)
    with pytest.raises(IsoglotError, match="the loss became"):
        jsd_nce.run(encoder, rows, options, seed=0, show_progress=False)
    assert encoder.fingerprint != before
    assert encoder.model.max_seq_length == encoder.max_length == 128
    assert not encoder.model.training
    assert {id(p) for p in encoder.model.parameters() if not p.requires_grad} == {id(frozen)}


def test_word_embeddings_are_frozen_unless_asked_for(
    tiny_model: Path, small_collection: Collection, own_cache: Path
) -> None:
    base = load_encoder(str(tiny_model), device="cpu")
    words = "word_embeddings"
    encoder = trained(tiny_model, small_collection)
    assert encoder.model.transformers_model.get_input_embeddings().weight.grad is None
    changed = differing(base, encoder)
    assert changed
    assert not any(words in name for name in changed)
    options = JsdNceOptions(epochs=1, batch_size=6, learning_rate=3e-3, train_embeddings=True)
    assert any(words in name for name in differing(base, trained(tiny_model, small_collection, options)))


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights_and_another_does_not(
    tiny_model: Path, small_collection: Collection, own_cache: Path
) -> None:
    one = trained(tiny_model, small_collection)
    assert not differing(one, trained(tiny_model, small_collection))
    assert differing(one, trained(tiny_model, small_collection, seed=1))


@pytest.mark.slow
def test_dropout_is_off_unless_asked_for(tiny_model: Path, small_collection: Collection, own_cache: Path) -> None:
    first = trained(tiny_model, small_collection).losses[0].loss  # type: ignore[attr-defined]
    options = JsdNceOptions(epochs=4, batch_size=6, learning_rate=3e-3, dropout=True)
    dropped = trained(tiny_model, small_collection, options).losses[0].loss  # type: ignore[attr-defined]
    assert first != dropped
    quiet = [trained(tiny_model, small_collection, seed=0).losses[0].loss for _ in range(2)]  # type: ignore[attr-defined]
    assert quiet == [first, first]


def test_a_loss_that_is_no_number_stops_with_one_line(
    tiny_model: Path, small_collection: Collection, own_cache: Path
) -> None:
    with pytest.raises(IsoglotError, match=r"the loss became (nan|inf) at step"):
        trained(tiny_model, small_collection, JsdNceOptions(epochs=9, batch_size=6, learning_rate=1e30))


def test_one_content_is_too_few(tiny_model: Path, own_cache: Path) -> None:
    rows = [Row("a", {"en": "q"}, {"en": "d", "de": "D", "ru": "д"})]
    with pytest.raises(IsoglotError, match="at least two contents"):
        jsd_nce.run(load_encoder(str(tiny_model)), rows, OPTIONS, seed=0, show_progress=False)


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ([Pooling(32, "max"), Normalize()], "pools by max; training needs a model that pools by mean or CLS"),
        ([Pooling(32, ("cls", "max"))], r"pools by cls\+max"),
        ([Reduced()], "has no pooling"),
    ],
)
def test_a_model_that_pools_otherwise_is_refused(
    modules: list[torch.nn.Module], message: str, tiny_model: Path, small_collection: Collection
) -> None:
    base = load_encoder(str(tiny_model), device="cpu").model
    encoder = Encoder(SentenceTransformer(modules=[base[0], *modules], device="cpu"), "other")
    with pytest.raises(IsoglotError, match=message):
        jsd_nce.run(encoder, training_rows(small_collection), OPTIONS, seed=0, show_progress=False)


def test_a_tracker_gets_the_loss_curve(
    tiny_model: Path, small_collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    curve: list[float] = []

    class Tracker(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **kwargs: Any) -> None:
            curve.extend(value for name, value in logs.items() if name == "loss")

    monkeypatch.setitem(INTEGRATION_TO_CALLBACK, "own", Tracker)
    encoder = trained(tiny_model, small_collection, dataclasses.replace(OPTIONS, epochs=1, report_to="own"))
    assert curve == [entry.loss for entry in encoder.losses]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("name", "message"), [("abacus", "abacus is not supported"), ("comet_ml", "comet")])
def test_a_tracker_that_is_not_there_is_told(
    name: str, message: str, tiny_model: Path, small_collection: Collection
) -> None:
    with pytest.raises(IsoglotError, match=f"report to '{name}': .*{message}"):
        trained(tiny_model, small_collection, dataclasses.replace(OPTIONS, report_to=name))


def test_after_each_epoch_the_model_is_as_for_use(tiny_model: Path, small_collection: Collection) -> None:
    found = triplets(training_rows(small_collection))
    seen: list[tuple[int, int | None, bool, str]] = []
    runs = []
    for watched in (True, False):
        encoder = load_encoder(str(tiny_model), device="cpu")

        def look(epoch: int, encoder: Encoder = encoder) -> None:
            torch.rand(7)  # an audit may draw numbers, and training goes on as without it
            seen.append((epoch, encoder.model.max_seq_length, encoder.model.training, encoder.fingerprint))

        train(
            encoder,
            {"query": [t.query for t in found], "translation": [t.translation for t in found]},
            {"query": "query", "translation": "document"},
            [t.group for t in found],
            info_nce,
            TrainingOptions(epochs=1.5, batch_size=6, learning_rate=3e-3, max_length=16, dropout=True),
            seed=0,
            show_progress=False,
            on_epoch=look if watched else None,
        )
        runs.append(encoder)
    assert [entry[:3] for entry in seen] == [(1, 128, False), (2, 128, False)]
    assert len({fingerprint for *_, fingerprint in seen}) == 2
    assert seen[-1][3] == runs[0].fingerprint
    assert not differing(*runs)


def test_a_token_level_term_does_not_go_with_micro_batches(tiny_model: Path) -> None:
    with pytest.raises(IsoglotError, match="a token-level term and micro batch do not go together"):
        train(
            load_encoder(str(tiny_model)),
            {"query": ["a", "b"], "document": ["c", "d"]},
            {"query": "query", "document": "document"},
            ["x", "y"],
            info_nce,
            TrainingOptions(micro_batch=1),
            seed=0,
            show_progress=False,
            token_term=TokenTerm(lambda *parts: parts[0].sum(), ("query", "document")),
        )


def test_defaults_are_stated() -> None:
    options = TrainingOptions()
    assert (options.dropout, options.train_embeddings, options.report_to) == (False, False, "none")
    assert (options.layers, options.lora, options.micro_batch) == (0, 0, 0)
