"""The models of an index: the signature that shows whether one has changed, and the column of its vectors."""

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
    """Hash everything except the text that decides a document's vector: weights, prompt and length limit."""
    parts = [encoder.fingerprint, encoder.prompts["document"].text, encoder.max_length]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def vector_field(encoder: Encoder, loaded_from: str, number: int, *, ready: bool) -> pa.Field:
    """Define a new column for the vectors of a model that was loaded from a folder, a hub id or a bundled name."""
    path = Path(loaded_from).expanduser()
    metadata = {
        "model": encoder.name,
        "path": str(path.resolve()) if path.is_dir() else loaded_from,
        "signature": signature_of(encoder),
        "prompts": json.dumps(encoder.chosen_prompts),
        "ready": "yes" if ready else "no",
    }
    return pa.field(f"vector_{number}", pa.list_(pa.float32(), encoder.dimension), metadata=metadata)


def next_column_number(models: list[StoredModel]) -> int:
    """Return the number of the next column, above those of all `models`."""
    return 1 + max((int(model.column.removeprefix("vector_")) for model in models), default=-1)
