"""`e5-small-q4+aligned`: a small adapter, an ordinary folder, and it ranks by meaning where its base does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import isoglot
from isoglot.encoders.bundled.e5_small_q4_aligned import ADAPTER, NAME
from isoglot.encoders.sentence_transformer import load_encoder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder() -> Path:
    return Path(isoglot.model_path(NAME))


def test_the_adapter_is_small_and_the_only_difference_to_the_base(folder: Path) -> None:
    assert ADAPTER.stat().st_size <= 6_000_000
    base, aligned = (load_encoder(name, device="cpu").model.state_dict() for name in ("e5-small-q4", NAME))
    changed = {name for name, weights in base.items() if not np.array_equal(weights, aligned[name])}
    assert changed
    assert all("encoder.layer" in name and name.endswith("weight") for name in changed)


def test_plain_sentence_transformers_loads_it_with_the_prompts_of_its_base(folder: Path) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")
    assert model.prompts["query"] == "query: "
    assert model.prompts["document"] == "passage: "
    vectors = model.encode_query(["Wo wächst Reis?", "Where does rice grow?", "Wo liegt Rom?"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2


def test_chinese_questions_find_the_english_document_beside_the_chinese_one() -> None:
    asked = {"pools": [["en", "zh"]], "query_languages": ["zh"], "scenarios": ["multi"], "limit": 20}
    before, after = (
        isoglot.audit(name, "mini@demo", **asked).scenarios[0].measures["complete@10"].mean  # type: ignore[arg-type]
        for name in ("e5-small-q4", NAME)
    )
    assert after >= before + 50
