"""The models of an index: what tells that one has changed, and the column of its vectors."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from isoglot.indexing.snapshot import StoredModel

if TYPE_CHECKING:
    from isoglot.encoders.encoder import Encoder


def signature_of(encoder: Encoder) -> str:
    """A hash of all that decides a document's vector but its text."""
    parts = [encoder.fingerprint, encoder.prompts["document"].text, encoder.max_length]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def column_of(encoder: Encoder, number: int, *, ready: bool) -> pa.Field:
    """A new column for the vectors of a model."""
    path = Path(encoder.name).expanduser()
    about = {
        "model": encoder.name,
        "path": str(path.resolve()) if path.is_dir() else encoder.name,
        "signature": signature_of(encoder),
        "ready": "yes" if ready else "no",
    }
    return pa.field(f"vector_{number}", pa.list_(pa.float32(), encoder.dimension), metadata=about)


def next_number(stored: list[StoredModel]) -> int:
    """Of the next column; none is used again."""
    return 1 + max((int(model.column.removeprefix("vector_")) for model in stored), default=-1)
