"""Batches that hold a content once, and what training changes and what not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from isoglot import Collection, IsoglotError
from isoglot.alignment import jsd_nce
from isoglot.alignment.training import ContentBatchSampler, TrainingOptions, content_batches, train, triplets
from isoglot.encoders.sentence_transformer import Encoder, load_encoder
from isoglot.rows.loading import training_rows
from isoglot.rows.row import Row

OPTIONS = jsd_nce.Options(epochs=4, batch_size=6, learning_rate=3e-3)


def trained(model: Path, collection: Collection, options: jsd_nce.Options = OPTIONS, seed: int = 0) -> Encoder:
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
    assert [(t.content_id, t.query, t.document, t.translation) for t in triplets(rows)] == [
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
    ],
)
def test_options_out_of_range_are_told(name: str, value: float) -> None:
    with pytest.raises(IsoglotError, match=name.replace("_", " ")):
        jsd_nce.Options(**{name: value})  # type: ignore[arg-type]


def test_training_lowers_the_loss_and_leaves_the_model_as_it_found_it(
    tiny_model: Path, small_collection: Collection, own_cache: Path
) -> None:
    encoder = trained(tiny_model, small_collection)
    losses = [entry["loss"] for entry in encoder.losses]  # type: ignore[attr-defined]
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
    options = jsd_nce.Options(epochs=9, batch_size=6, learning_rate=1e30, max_length=16)
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
    changed = differing(base, trained(tiny_model, small_collection))
    assert changed
    assert not any(words in name for name in changed)
    options = jsd_nce.Options(epochs=1, batch_size=6, learning_rate=3e-3, train_embeddings=True)
    assert any(words in name for name in differing(base, trained(tiny_model, small_collection, options)))


def test_the_same_seed_gives_the_same_weights_and_another_does_not(
    tiny_model: Path, small_collection: Collection, own_cache: Path
) -> None:
    one = trained(tiny_model, small_collection)
    assert not differing(one, trained(tiny_model, small_collection))
    assert differing(one, trained(tiny_model, small_collection, seed=1))


def test_dropout_is_off_unless_asked_for(tiny_model: Path, small_collection: Collection, own_cache: Path) -> None:
    first = trained(tiny_model, small_collection).losses[0]["loss"]  # type: ignore[attr-defined]
    options = jsd_nce.Options(epochs=4, batch_size=6, learning_rate=3e-3, dropout=True)
    dropped = trained(tiny_model, small_collection, options).losses[0]["loss"]  # type: ignore[attr-defined]
    assert first != dropped
    quiet = [trained(tiny_model, small_collection, seed=0).losses[0]["loss"] for _ in range(2)]  # type: ignore[attr-defined]
    assert quiet == [first, first]


def test_a_loss_that_is_no_number_stops_with_one_line(
    tiny_model: Path, small_collection: Collection, own_cache: Path
) -> None:
    with pytest.raises(IsoglotError, match=r"the loss became (nan|inf) at step"):
        trained(tiny_model, small_collection, jsd_nce.Options(epochs=9, batch_size=6, learning_rate=1e30))


def test_one_content_is_too_few(tiny_model: Path, own_cache: Path) -> None:
    rows = [Row("a", {"en": "q"}, {"en": "d", "de": "D", "ru": "д"})]
    with pytest.raises(IsoglotError, match="at least two contents"):
        jsd_nce.run(load_encoder(str(tiny_model)), rows, OPTIONS, seed=0, show_progress=False)


def test_defaults_are_stated() -> None:
    assert (TrainingOptions().dropout, TrainingOptions().train_embeddings) == (False, False)
