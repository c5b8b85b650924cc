"""The models of an index: the signature that shows whether one has changed, and the column of its vectors."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from isoglot.indexing.snapshot import stored_models
from isoglot.platform.files import expanded
from isoglot.transforms.files import split_transform

if TYPE_CHECKING:
    import pyarrow as pa

    from isoglot.indexing.encoders import TextEncoder

log = logging.getLogger("isoglot")


def vector_field(encoder: TextEncoder, loaded_from: str, number: int, *, ready: bool) -> pa.Field:
    """Define a new column for the vectors of a model that was loaded as by `load_text_encoder`."""
    import pyarrow as pa

    base, transform = split_transform(loaded_from)
    metadata = {
        "model": encoder.name,
        "path": "+".join(map(_absolute, (base, transform) if transform else (base,))),
        "signature": encoder.signature("document"),
        "prompts": json.dumps(encoder.chosen_prompts),
        "ready": "yes" if ready else "no",
    }
    return pa.field(f"vector_{number}", pa.list_(pa.float32(), encoder.dimension), metadata=metadata)


def _absolute(name: str) -> str:
    """A folder's absolute path; another name as it is."""
    path = expanded(name)
    return str(path.resolve()) if path.is_dir() else name


def column_of(table: Any, encoder: TextEncoder, path: str) -> str:
    """Return the column of a model's vectors; add one where there is none, or where the model has changed.

    A new column is added before that of the changed model is dropped, so a killed run may leave both. Then the one
    whose signature is the model's stays.

    Args:
        table: LanceDB's table.
        encoder: The model's encoder.
        path: Where the model is loaded from.
    """
    stored = stored_models(table.schema)
    columns = [model for model in stored if model.name == encoder.name]
    fitting = next((model for model in columns if model.signature == encoder.signature("document")), None)
    if fitting is None:
        if columns:
            log.warning("%s has changed since it was indexed: all passages are encoded again", encoder.name)
        number = 1 + max((int(model.column.removeprefix("vector_")) for model in stored), default=-1)
        field = vector_field(encoder, path, number, ready=False)
        table.add_columns(field)
    elif fitting.prompts != encoder.chosen_prompts:  # of questions: they are encoded at search
        metadata = {"prompts": json.dumps(encoder.chosen_prompts)}
        table.update_field_metadata({"path": fitting.column, "metadata": metadata})
    column = field.name if fitting is None else fitting.column
    if outdated := [model.column for model in columns if model.column != column]:
        table.drop_columns(outdated)
    return column
