"""Low-rank training changes linear layers by low-rank matrices, and an adapter file holds the change."""

from __future__ import annotations

import types
from pathlib import Path

import pytest
import torch
import transformers
from safetensors import safe_open
from sentence_transformers import SentenceTransformer

from isoglot import Collection, IsoglotError
from isoglot.alignment.methods import jsd_nce
from isoglot.alignment.options import JsdNceOptions
from isoglot.encoders.adapters import apply_adapter, top_layers, write_adapter
from isoglot.encoders.encoder import Encoder
from isoglot.encoders.sentence_transformer import load_encoder
from isoglot.training_data.loading import training_rows

LINEAR = ("query", "key", "value", "dense")
TEXTS = ["bread", "снег покрыл горную дорогу", "das alte klavier"]


def trained(model: Path, collection: Collection, **options: int) -> Encoder:
    encoder = load_encoder(str(model), device="cpu")
    settings = JsdNceOptions(epochs=2, batch_size=6, learning_rate=1e-1 if "lora" in options else 1e-2, **options)  # type: ignore[arg-type]
    jsd_nce.run(encoder, training_rows(collection), settings, seed=0, show_progress=False)
    return encoder


@pytest.fixture(scope="module")
def base(tiny_model: Path) -> Encoder:
    return load_encoder(str(tiny_model), device="cpu")


@pytest.fixture(scope="module")
def aligned(tiny_model: Path, small_collection: Collection) -> Encoder:
    return trained(tiny_model, small_collection, lora=2)


def changes(base: Encoder, aligned: Encoder) -> dict[str, torch.Tensor]:
    other = base.model.state_dict()
    found = aligned.model.state_dict()
    assert found.keys() == other.keys()
    return {name: weight - other[name] for name, weight in found.items() if not torch.equal(weight, other[name])}


@pytest.mark.slow
def test_only_linear_layers_change_and_by_the_rank(base: Encoder, aligned: Encoder, tmp_path: Path) -> None:
    changed = changes(base, aligned)
    assert len(changed) == 2 * 6
    for name, difference in changed.items():
        assert ".encoder.layer." in name
        assert name.rsplit(".", 2)[1] in LINEAR
        assert name.endswith(".weight")
        assert torch.linalg.matrix_rank(difference, rtol=1e-3) == 2
    assert all(parameter.requires_grad for parameter in aligned.model.parameters())
    aligned.model.save_pretrained(str(tmp_path / "saved"), create_model_card=False)
    plain = SentenceTransformer(str(tmp_path / "saved"), device="cpu").encode(TEXTS)
    assert plain == pytest.approx(aligned.model.encode(TEXTS), abs=1e-6)


@pytest.mark.parametrize(("dtype", "near"), [(torch.float32, 1e-5), (torch.float16, 1e-3)])
def test_an_adapter_makes_the_aligned_model_of_its_base(
    base: Encoder, aligned: Encoder, tiny_model: Path, tmp_path: Path, dtype: torch.dtype, near: float
) -> None:
    path = tmp_path / "adapter.safetensors"
    write_adapter(base, aligned, path, rank=2, dtype=dtype)
    with safe_open(path, "pt") as file:
        assert file.metadata()["rank"] == "2"
        shapes = {name: tuple(file.get_tensor(name).shape) for name in file.keys()}  # noqa: SIM118
    assert shapes["encoder.layer.1.intermediate.dense.lora_A"] == (2, 32)
    assert shapes["encoder.layer.1.intermediate.dense.lora_B"] == (64, 2)
    restored = load_encoder(str(tiny_model), device="cpu")
    before = restored.fingerprint
    apply_adapter(restored, path)
    assert restored.fingerprint != before
    assert restored.model.encode(TEXTS) == pytest.approx(aligned.model.encode(TEXTS), abs=near)
    assert abs(base.model.encode(TEXTS) - aligned.model.encode(TEXTS)).max() > 20 * near
    with pytest.raises(IsoglotError, match="an adapter for another model"):
        apply_adapter(restored, path)


def test_what_is_no_adapter_or_has_too_many_changes_is_told(
    base: Encoder, aligned: Encoder, tiny_model: Path, small_collection: Collection, tmp_path: Path
) -> None:
    path = tmp_path / "adapter.safetensors"
    with pytest.raises(IsoglotError, match=r"cannot read"):
        apply_adapter(base, path)
    path.write_bytes(b"something else")
    with pytest.raises(IsoglotError, match="not a safetensors file"):
        apply_adapter(base, path)
    with pytest.raises(IsoglotError, match="not an adapter of isoglot"):
        apply_adapter(base, tiny_model / "model.safetensors")
    with pytest.raises(IsoglotError, match="changed by more than rank 1"):
        write_adapter(base, aligned, path, rank=1)
    with pytest.raises(IsoglotError, match="changed"):
        write_adapter(base, trained(tiny_model, small_collection), path, rank=2)


@pytest.mark.slow
def test_layers_below_the_trained_ones_keep_their_weights_and_run_without_gradient(
    tiny_model: Path, small_collection: Collection, base: Encoder
) -> None:
    encoder = load_encoder(str(tiny_model), device="cpu")
    tracked: list[bool] = []
    top = encoder.model[0].model.encoder.layer[1]
    hook = top.register_forward_pre_hook(lambda module, inputs: tracked.append(inputs[0].requires_grad))
    options = JsdNceOptions(epochs=1, batch_size=6, learning_rate=1e-2, layers=1)
    jsd_nce.run(encoder, training_rows(small_collection), options, seed=0, show_progress=False)
    hook.remove()
    assert tracked
    assert not any(tracked)
    assert all(".encoder.layer.1." in name for name in changes(base, encoder))
    both = changes(base, trained(tiny_model, small_collection, layers=1, lora=1))
    assert len(both) == 6
    with pytest.raises(IsoglotError, match="layers is 3; the model has 2"):
        trained(tiny_model, small_collection, layers=3)


@pytest.mark.parametrize(
    ("kind", "first"),
    [
        ("XLMRoberta", "encoder.layer.1"),
        ("DistilBert", "transformer.layer.1"),
        ("ModernBert", "layers.1"),
        ("T5", "encoder.block.1"),
    ],
)
def test_the_layers_of_other_encoders_are_found(kind: str, first: str) -> None:
    settings = {"vocab_size": 8, "hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 3, "pad_token_id": 0}
    config = getattr(transformers, f"{kind}Config")(**settings)
    model = transformers.T5EncoderModel if kind == "T5" else getattr(transformers, f"{kind}Model")
    with torch.device("meta"):
        wrapped = types.SimpleNamespace(transformers_model=model(config), modules=list)
        found = top_layers(wrapped, 2)  # type: ignore[arg-type]
    assert list(found) == [first, first[:-1] + "2"]


def test_a_model_without_a_list_of_layers_is_told() -> None:
    with pytest.raises(IsoglotError, match="no list of its layers"):
        top_layers(types.SimpleNamespace(transformers_model=None, modules=list))  # type: ignore[arg-type]
