"""Encoding with a real, tiny model: order, cache, fingerprint, faults."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from tokenizers import normalizers

import isoglot
from isoglot import Collection, IsoglotError
from isoglot.alignment.methods import jsd_nce
from isoglot.alignment.options import JsdNceOptions
from isoglot.encoders import encoder as module
from isoglot.encoders import language_modules
from isoglot.encoders.encoder import Encoder
from isoglot.encoders.sentence_transformer import load_encoder, load_model
from isoglot.training_data.loading import training_rows
from tests import command_line

TEXTS = ["the old piano", "снег", "der brief", "the old piano", "x" * 300]


def load(model: Path) -> Encoder:
    return load_encoder(str(model), device="cpu")


def encode(encoder: Encoder, texts: list[str] = TEXTS, role: str = "document") -> np.ndarray:
    return encoder.encode(texts, role, ["en"] * len(texts))


@contextmanager
def counted(encoder: Encoder, limit: float = float("inf")) -> Iterator[list[int]]:
    """How many texts pass through the model; KeyboardInterrupt after `limit`."""
    counts: list[int] = []

    def count(part: torch.nn.Module, arguments: tuple[dict[str, torch.Tensor]]) -> None:
        if sum(counts) >= limit:
            raise KeyboardInterrupt
        counts.append(len(arguments[0]["input_ids"]))

    handle = encoder.model[0].register_forward_pre_hook(count)
    yield counts
    handle.remove()


def test_vectors_are_unit_float32_in_the_order_of_the_texts(tiny_model: Path, own_cache: Path) -> None:
    vectors = encode(load(tiny_model))
    assert vectors.dtype == np.float32
    assert vectors.flags.c_contiguous
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(5), abs=1e-5)
    assert (vectors[0] == vectors[3]).all()
    plain = load_model(str(tiny_model), device="cpu").encode(TEXTS, prompt="d: ", normalize_embeddings=True)
    assert vectors == pytest.approx(plain, abs=1e-5)


def test_no_texts_give_no_vectors(tiny_model: Path, own_cache: Path) -> None:
    assert encode(load(tiny_model), []).shape == (0, 32)


def test_identical_texts_are_encoded_once_and_known_ones_not_again(tiny_model: Path, own_cache: Path) -> None:
    encoder = load(tiny_model)
    with counted(encoder) as counts:
        first = encode(encoder)
        assert sum(counts) == 4
        assert (encode(encoder, [*TEXTS, "new"])[:5] == first).all()
        assert sum(counts) == 5
    again = load(tiny_model)
    with counted(again) as counts:
        assert (encode(again) == first).all()
        assert not counts


def shorter(encoder: Encoder) -> None:
    encoder.model.max_seq_length = 8


def other_prompt(encoder: Encoder) -> None:
    encoder.prompts["document"] = encoder.prompts["query"]


def other_weight(encoder: Encoder) -> None:
    with torch.no_grad():
        next(iter(encoder.model.parameters()))[0, 0] += 1


@pytest.mark.parametrize("change", [shorter, other_prompt, other_weight])
def test_another_length_prompt_or_weight_is_encoded_anew(
    tiny_model: Path, own_cache: Path, change: Callable[[Encoder], None]
) -> None:
    encode(load(tiny_model))
    encoder = load(tiny_model)
    change(encoder)
    with counted(encoder) as counts:
        encode(encoder)
        assert sum(counts) == 4


def test_query_and_document_of_one_text_differ(tiny_model: Path, own_cache: Path) -> None:
    encoder = load(tiny_model)
    assert not (encode(encoder, role="query") == encode(encoder)).all()


def test_the_fingerprint_knows_the_model_not_its_folder_or_what_it_did(
    tiny_model: Path, own_cache: Path, tmp_path: Path
) -> None:
    encoder = load(tiny_model)
    encode(encoder)
    encoder.model.save_pretrained(str(tmp_path / "copy"), create_model_card=False)
    assert load(tmp_path / "copy").fingerprint == encoder.fingerprint == load(tiny_model).fingerprint
    changed = load(tiny_model)
    other_weight(changed)
    assert changed.fingerprint != encoder.fingerprint


def test_the_fingerprint_knows_the_tokenizer_not_how_it_last_padded(tiny_model: Path) -> None:
    encoder = load(tiny_model)
    tokenizer = encoder.model.tokenizer.backend_tokenizer
    tokenizer.enable_padding(length=77)
    tokenizer.enable_truncation(5)
    assert encoder.fingerprint == load(tiny_model).fingerprint
    tokenizer.normalizer = normalizers.Lowercase()
    encoder.model_changed()
    assert encoder.fingerprint != load(tiny_model).fingerprint


def test_a_copy_elsewhere_uses_the_same_kept_vectors(tiny_model: Path, own_cache: Path, tmp_path: Path) -> None:
    vectors = encode(load(tiny_model))
    copy = load(Path(shutil.copytree(tiny_model, tmp_path / "elsewhere")))
    with counted(copy) as counts:
        assert (encode(copy) == vectors).all()
        assert not counts


def test_a_centered_model_uses_the_vectors_of_its_base(
    tiny_model: Path, small_collection: Collection, own_cache: Path
) -> None:
    centered = load(isoglot.align(str(tiny_model), "center", small_collection, own_cache / "center"))
    texts = [document.text for document in small_collection.documents]
    with counted(centered) as counts:
        assert not (encode(centered, texts) == encode(load(tiny_model), texts)).all()
        assert not counts
    assert centered.uses_language
    assert centered.fingerprint != load(tiny_model).fingerprint


@pytest.mark.slow
def test_a_model_changed_in_place_keeps_no_vector_under_its_old_name(
    tiny_model: Path, small_collection: Collection, own_cache: Path
) -> None:
    encoder = load(tiny_model)
    before = encode(encoder)
    options = JsdNceOptions(batch_size=4, learning_rate=1e-2)
    jsd_nce.run(encoder, training_rows(small_collection), options, seed=0, show_progress=False)
    assert not (encode(encoder) == before).all()
    assert (encode(load(tiny_model)) == before).all()


def test_what_was_encoded_before_an_interruption_is_kept(
    tiny_model: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GROUP_SIZE", 32)
    texts = [f"text {number:03}" for number in range(100)]
    encoder = load(tiny_model)
    with counted(encoder, limit=64), pytest.raises(KeyboardInterrupt):
        encode(encoder, texts)
    encoder = load(tiny_model)
    with counted(encoder) as counts:
        encode(encoder, texts)
        assert sum(counts) == 36


def test_a_model_that_gives_no_numbers_is_told_with_a_text(tiny_model: Path, own_cache: Path) -> None:
    encoder = load(tiny_model)
    with torch.no_grad():
        next(iter(encoder.model.parameters())).fill_(float("nan"))
    with pytest.raises(IsoglotError, match=r"vectors that are not finite, e.g. for the document") as error:
        encode(encoder)
    assert "\n" not in str(error.value)


def test_a_vector_of_zeros_is_told_each_time(tiny_model: Path, own_cache: Path) -> None:
    encoder = load(tiny_model)
    with torch.no_grad():
        for parameter in encoder.model[0].model.encoder.layer[-1].output.LayerNorm.parameters():
            parameter.zero_()
    for _ in range(2):
        with pytest.raises(
            IsoglotError, match=r"gave 5 of 5 vectors that are zero \(it may know no word of the text\), e.g."
        ):
            encode(encoder)


def test_what_is_no_model_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name, message in (
        (str(tmp_path / "nope"), "no such model folder"),
        ("./nope", "no such model folder"),
        (str(tmp_path / "empty"), "is not a model folder that sentence-transformers can load"),
    ):
        with pytest.raises(IsoglotError, match=message) as error:
            load_encoder(name)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("modules.json", "[{}]"),
        ("modules.json", "[1]"),
        ("modules.json", '{"a": '),
        ("config.json", "[]"),
        ("config.json", '{"model_type": "bert", "vocab_size": []}'),
        ("config.json", '{"model_type": "bert", "num_attention_heads": 0}'),
        ("config_sentence_transformers.json", "7"),
        ("1_Pooling/config.json", "null"),
        ("tokenizer_config.json", "null"),
        ("model.safetensors", "x" * 100),
    ],
)
def test_whatever_a_damaged_model_makes_its_libraries_raise_is_told_in_one_line(
    tiny_model: Path, tmp_path: Path, file: str, content: str
) -> None:
    """A KeyError, a TypeError, an AttributeError ... among them."""
    damaged = Path(shutil.copytree(tiny_model, tmp_path / "damaged"))
    (damaged / file).write_text(content)
    with pytest.raises(IsoglotError, match=r"is not a model folder that sentence-transformers can load: .") as error:
        load(damaged)
    assert "\n" not in str(error.value)


def test_a_damaged_module_of_isoglots_own_is_told_and_a_mistake_in_it_is_not_hidden(
    tiny_model: Path, small_collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    centered = isoglot.align(str(tiny_model), "center", small_collection, tmp_path / "center")
    with monkeypatch.context() as patched:
        patched.setattr(language_modules, "_hub", lambda: {})
        with pytest.raises(TypeError):
            load(centered)
    config = next(centered.glob("*_LanguageCentering/config.json"))
    for content in ('{"languages": ["en"]}', "{}"):
        config.write_text(content)
        with pytest.raises(IsoglotError, match=r"_LanguageCentering: .* is damaged: 'table' has to have an entry"):
            load(centered)


@pytest.mark.parametrize("name", [r"C:\models\nope", r"models\nope", "C:nope"])
def test_a_path_of_windows_is_never_asked_of_the_hub(name: str) -> None:
    with pytest.raises(IsoglotError, match="no such model folder"):
        load_encoder(name)


def test_what_an_api_gives_is_no_model_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text('{"_id": "1", "lang": "en", "text": "bread"}')
    for command, name in (
        ("encode", "cohere:embed-v4.0"),
        ("encode", "tei:http://localhost:1"),
        ("encode", "nothing:known"),
        ("index", "nothing:known"),
    ):
        done = command_line.isoglot(command, tmp_path / "corpus.jsonl", "-m", name, "-o", tmp_path / "out")
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert f"{name}: is no model of this machine" in done.stderr


def test_a_device_that_is_not_there_is_told(tiny_model: Path) -> None:
    for device in ("cuda:99", "nonsense", "meta"):
        with pytest.raises(IsoglotError, match=f"device '{device}' cannot be used here"):
            load_encoder(str(tiny_model), device=device)


def test_a_hub_model_without_the_hub_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    done = command_line.isoglot("audit", "nobody/nothing", "--data", "mini@demo")
    assert done.returncode == 2
    assert "neither bundled, a folder here, nor in the hub's cache" in done.stderr
    assert done.stderr.count("\n") == 1
