"""Fused layers and 8-bit products: equal to the model's own up to rounding, or near, and never mistaken for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from transformers import AutoConfig, AutoModel

from isoglot import load_collection
from isoglot.encoders import int8
from isoglot.encoders.devices import has_bfloat16
from isoglot.encoders.encoder import Encoder
from isoglot.encoders.fused import fused_layers
from isoglot.encoders.int8 import Int8Linear, to_int8
from isoglot.encoders.sentence_transformer import load_encoder, load_model
from isoglot.evaluation.results import Audit
from isoglot.platform.errors import IsoglotError
from tests.command_line import isoglot
from tests.tiny_models import static

pytestmark = pytest.mark.slow


class Wrapped:
    """As much of a sentence-transformers model as `fused_layers` looks at."""

    device = torch.device("cpu")

    def __init__(self, kind: str, **config: Any) -> None:
        torch.manual_seed(0)
        sizes = {"hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48}
        self.transformers_model = AutoModel.from_config(
            AutoConfig.for_model(kind, vocab_size=50, **sizes, **config)
        ).eval()

    def modules(self) -> list[torch.nn.Module]:
        return []

    def states(self) -> torch.Tensor:
        ids = torch.arange(2, 26).reshape(3, 8)
        mask = (torch.arange(8) < torch.tensor([[8], [5], [1]])).long()
        with torch.inference_mode():
            found: torch.Tensor = self.transformers_model(input_ids=ids, attention_mask=mask).last_hidden_state
        return found[mask.bool()]


@pytest.mark.parametrize("kind", ["bert", "roberta", "xlm-roberta", "camembert"])
def test_fused_layers_give_the_models_own_states_and_leave_it_as_it_was(kind: str) -> None:
    model = Wrapped(kind)
    expected = model.states()
    with fused_layers(model):  # type: ignore[arg-type]
        assert "forward" in vars(model.transformers_model.encoder)
        assert torch.allclose(model.states(), expected, atol=1e-5)
    assert "forward" not in vars(model.transformers_model.encoder)
    assert torch.equal(model.states(), expected)


@pytest.mark.parametrize(("kind", "config"), [("bert", {"hidden_act": "relu"}), ("distilbert", {})])
def test_layers_of_another_kind_run_as_they_are(kind: str, config: dict[str, Any]) -> None:
    model = Wrapped(kind, **config)
    with fused_layers(model):  # type: ignore[arg-type]
        assert "forward" not in vars(getattr(model.transformers_model, "encoder", model.transformers_model))


def test_an_int8_map_is_near_the_float_one_whatever_the_scale_of_its_outputs() -> None:
    torch.manual_seed(0)
    linear = torch.nn.Linear(64, 32)
    with torch.no_grad():
        linear.weight *= 10.0 ** torch.linspace(-3, 3, 32)[:, None]  # one scale for all would lose the small rows
        linear.weight[3] = 0
    inputs = torch.randn(50, 64)
    expected, found = linear(inputs), Int8Linear(linear)(inputs)
    errors = (found - expected).norm(dim=0) / expected.norm(dim=0)
    assert errors.max() < 0.02


@pytest.fixture(scope="module")
def encoders() -> tuple[Encoder, Encoder]:
    return load_encoder("e5-small-q4"), load_encoder("e5-small-q4", precision="int8")


@pytest.mark.slow
def test_the_bundled_model_in_int8_keeps_what_8_bits_would_distort_and_is_near_itself(
    encoders: tuple[Encoder, Encoder],
) -> None:
    documents = load_collection("mini@demo").documents[::6]
    texts, languages = [d.text for d in documents], [d.language for d in documents]
    plain, int8 = (encoder.encode(texts, "document", languages, keep=False) for encoder in encoders)
    cosines = (plain * int8).sum(axis=1)
    assert cosines.mean() > 0.997
    assert cosines.min() > 0.99
    modules = list(encoders[1].model.transformers_model.encoder.modules())
    kept = sum(type(module) is torch.nn.Linear for module in modules)
    assert 0 < kept < 8 < sum(isinstance(module, Int8Linear) for module in modules)


def test_maps_that_8_bits_distort_more_than_the_limit_and_no_others_stay_in_float32(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["flour water and salt become bread", "der zug fährt um neun ab", "в саду растут помидоры"]
    errors = sorted(to_int8(load_model(str(tiny_model), device="cpu"), texts).values())
    limit = errors[len(errors) // 2]
    monkeypatch.setattr(int8, "MOST_ERROR", limit)
    model = load_model(str(tiny_model), device="cpu")
    distorted = {name for name, error in to_int8(model, texts).items() if error > limit}
    assert 0 < len(distorted) < len(errors)
    modules = dict(model.named_modules())
    assert {name for name, module in modules.items() if type(module) is torch.nn.Linear} == distorted


def test_int8_vectors_are_kept_apart_from_others(own_cache: Path, encoders: tuple[Encoder, Encoder]) -> None:
    texts = ["Rye bread keeps long.", "Roggenbrot hält lange."]
    vectors = [encoder.encode(texts, "document", ["en", "de"]) for encoder in encoders]
    assert not np.array_equal(*vectors)
    assert len(list(own_cache.rglob("*.sqlite"))) == 2
    assert encoders[0].fingerprint != encoders[1].fingerprint


def test_int8_of_a_model_without_a_transformer_is_refused() -> None:
    with pytest.raises(IsoglotError, match="precision int8 is for transformers; this model has none"):
        to_int8(SentenceTransformer(modules=[static()], device="cpu"), ["a"])


@pytest.mark.parametrize("precision", ["float64", "int8 "])
def test_an_unknown_precision_is_named_with_the_choice(precision: str) -> None:
    with pytest.raises(IsoglotError, match="auto, float32, bfloat16, int8"):
        load_encoder("e5-small-q4", precision=precision)


def test_bfloat16_is_refused_where_it_would_be_emulated(tiny_model: Path) -> None:
    if has_bfloat16(torch.device("cpu")):
        assert load_encoder(str(tiny_model), device="cpu", precision="bfloat16").precision == "bfloat16"
    else:
        with pytest.raises(IsoglotError, match="does not compute in bfloat16"):
            load_encoder(str(tiny_model), device="cpu", precision="bfloat16")


@pytest.mark.slow
def test_an_audit_says_its_precision(tmp_path: Path, own_cache: Path, tiny_model: Path) -> None:
    options = ["--data", "mini@demo", "--pool", "en,de", "--precision", "int8", "-o", str(tmp_path / "audit"), "-q"]
    done = isoglot("audit", tiny_model, *options)
    assert done.returncode == 0, done.stderr
    assert Audit.load(tmp_path / "audit").environment["precision"] == "int8"
