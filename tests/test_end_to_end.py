"""The main job with the real model on real texts: it fails in a mixed pool, and is mended."""

from __future__ import annotations

from pathlib import Path

import pytest

import isoglot
from isoglot import Audit
from isoglot.encoders.sentence_transformer import load_encoder

pytestmark = pytest.mark.slow

MODEL = "e5-small-q4"


@pytest.fixture(scope="module")
def centered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("aligned") / "center"
    return isoglot.align(MODEL, "center", "mini@demo-train", folder, languages=["en", "zh"])


def chinese(audit: Audit) -> dict[str, float]:
    return {name: found.mean for name, found in audit.find("multi", ["en", "zh"], "zh").measures.items()}


def mono(audit: Audit, language: str) -> float:
    return audit.find("mono-same", [language], language).measures["ndcg@10"].mean


def test_chinese_questions_bury_the_english_twin_until_the_model_is_centered(centered: Path) -> None:
    before, after = (isoglot.audit(model, "mini@demo", pools=[["en", "zh"]]) for model in (MODEL, str(centered)))
    assert chinese(before)["complete@10"] < 10
    assert chinese(before)["lpr"] == 100
    assert chinese(after)["complete@10"] > 90
    for language in ("en", "zh"):
        assert mono(after, language) > mono(before, language) - 3
    text = isoglot.to_markdown(isoglot.compare(before, after))
    assert "en+zh" in text


def test_xquad_shows_the_same(centered: Path, shared_data: Path) -> None:
    options = {"pools": [["en", "zh"]], "scenarios": ["multi"], "limit": 80}
    source = f"xquad:{shared_data / 'xquad'}"
    before, after = (isoglot.audit(model, source, **options) for model in (MODEL, str(centered)))  # type: ignore[arg-type]
    assert chinese(before)["complete@10"] < 10
    assert chinese(after)["complete@10"] > 75


def test_the_embedded_model_wants_its_prompts_and_length() -> None:
    encoder = load_encoder(MODEL, device="cpu")
    assert {role: prompt.text for role, prompt in encoder.prompts.items()} == {
        "query": "query: ",
        "document": "passage: ",
    }
    assert (encoder.dimension, encoder.max_length) == (384, 512)
