"""An encoder that needs no model, and a corpus, for the tests of the index."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from isoglot.encoders.prompts import Prompt
from isoglot.indexing import writer

DIMENSION = 16


class HashEncoder:
    """A text's vector is drawn from a generator that the text seeds: equal texts, equal vectors."""

    max_length = 64
    dimension = DIMENSION
    uses_language = False

    def __init__(self, name: str, fingerprint: str = "first") -> None:
        self.name, self.fingerprint = name, fingerprint
        self.prompts = {role: Prompt("", role, "none") for role in ("query", "document")}
        self.chosen_prompts: dict[str, str] = {}
        self.encoded: list[str] = []

    def tokenizer(self, role: str) -> None:
        """Passages are counted in characters."""

    def signature(self, role: str) -> str:
        return self.fingerprint

    def encode(
        self, texts: Sequence[str], role: str, languages: Sequence[str], *, keep: bool = True, allow_zero: bool = False
    ) -> NDArray[np.float32]:
        self.encoded += texts
        return np.stack([vector_of(f"{self.name} {self.fingerprint} {text}") for text in texts])


def vector_of(text: str) -> NDArray[np.float32]:
    seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
    vector = np.random.default_rng(seed).standard_normal(DIMENSION).astype(np.float32)
    return vector / np.linalg.norm(vector)


def use_hash_encoders(monkeypatch: pytest.MonkeyPatch, fingerprint: str = "first") -> list[HashEncoder]:
    """Have the writer load hash encoders, which are then in the returned list."""
    loaded: list[HashEncoder] = []

    def load(paths: Mapping[str, str], prompts: object, device: str, trust_remote_code: bool) -> list[Any]:
        loaded[:] = [HashEncoder(name, fingerprint) for name in paths]
        return loaded

    monkeypatch.setattr(writer, "load_encoders", load)
    return loaded


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def numbered(count: int, start: int = 0) -> list[dict[str, str]]:
    """Documents in German, English and Chinese by turns, each three a content."""
    tags = ("de", "en", "zh")
    return [
        {"_id": f"d{n}", "lang": tags[n % 3], "content_id": f"c{n // 3}", "text": f"document number {n}"}
        for n in range(start, start + count)
    ]
