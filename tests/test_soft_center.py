"""`soft-center`: the posterior by hand, and the saved model, which asks for no language."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from isoglot import Collection
from isoglot.alignment.methods import center, soft_center
from isoglot.alignment.options import NoOptions
from isoglot.alignment.row_vectors import RowVectors, encode_rows
from isoglot.encoders.language_modules import InferredCentering
from isoglot.encoders.prompts import ROLES
from isoglot.encoders.sentence_transformer import load_encoder
from isoglot.training_data.loading import training_rows

pytestmark = pytest.mark.usefixtures("own_cache")


def test_a_vector_loses_the_posterior_mean() -> None:
    means = torch.tensor([[0.5, 0.0], [0.0, 0.5]])
    module = InferredCentering(torch.tensor([[2.0, 0.0], [0.0, 2.0]]), torch.tensor([0.0, 0.0]), means)
    share = np.exp(1.2) / (np.exp(1.2) + np.exp(1.6))  # of the first class, for (0.6, 0.8)
    expected = np.array([0.6 - 0.5 * share, 0.8 - 0.5 * (1 - share)])
    found = module({"sentence_embedding": torch.tensor([[3.0, 4.0]])})["sentence_embedding"]
    assert found.numpy()[0] == pytest.approx(expected / np.linalg.norm(expected), abs=1e-6)


def clusters(seed: int = 0) -> RowVectors:
    """Two languages far apart in their first two components, 60 texts of each role, which do not differ."""
    generator = np.random.default_rng(seed)
    texts, vectors = {}, {}
    for role in ROLES:
        texts[role] = [(language, f"{role} {n}") for language in ("de", "en") for n in range(60)]
        around = generator.normal(0, 0.3, (120, 16))
        around[:60, 0] += 2
        around[60:, 1] += 2
        vectors[role] = (around / np.linalg.norm(around, axis=1, keepdims=True)).astype(np.float32)
    return RowVectors(texts, vectors)


def test_languages_far_apart_are_centered_as_if_they_had_been_named() -> None:
    row_vectors = clusters()
    soft, told = soft_center.fit(row_vectors), center.fit(row_vectors)
    for role in ROLES:
        vectors = torch.from_numpy(row_vectors.vectors[role])
        languages = [language for language, _ in row_vectors.texts[role]]
        joint = told.transform(vectors, languages, [None] * len(vectors))
        found = soft({"sentence_embedding": vectors})["sentence_embedding"]
        assert torch.nn.functional.cosine_similarity(found, joint).min() > 0.98


def test_the_model_is_saved_loaded_and_audited_like_any_other(
    tiny_model: Path, small_collection: Collection, tmp_path: Path
) -> None:
    encoder = load_encoder(str(tiny_model), device="cpu")
    rows = training_rows(small_collection)
    before = encoder.encode(["snow"], "query", ["en"])
    encoder.append(*soft_center.modules(encode_rows(encoder, rows, show_progress=False), rows, NoOptions()))
    expected = encoder.encode(["snow"], "query", ["en"])
    encoder.model.save_pretrained(str(tmp_path / "model"), create_model_card=False)
    loaded = load_encoder(str(tmp_path / "model"), device="cpu")
    assert not loaded.uses_language
    assert not np.allclose(before, expected)
    np.testing.assert_allclose(loaded.encode(["snow"], "query", ["en"]), expected, atol=1e-4)
    np.testing.assert_allclose(loaded.model.encode_query(["snow"]), expected, atol=1e-4)
