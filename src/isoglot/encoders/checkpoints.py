"""Checkpoints that sentence-transformers would load as a model they are not: of another kind, or incomplete."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoglot.platform.errors import IsoglotError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

KINDS = {
    "SentenceTransformer": "a model that gives each text one dense vector",
    "CrossEncoder": "a reranker, which scores pairs of texts",
    "SparseEncoder": "a model that gives each text a sparse vector",
    "MultiVectorEncoder": "a model that gives each text many vectors",
}
"""The classes of sentence-transformers -> what such a model is."""
_ARCHITECTURES = {
    "SentenceTransformer": r"^(?!.*(ForSequenceClassification|ForRetrieval)$)(?!.*ColBERT)",
    "CrossEncoder": r"ForSequenceClassification$|ForCausalLM$",
    "SparseEncoder": r"ForMaskedLM$",
    "MultiVectorEncoder": r"ColBERT|ForRetrieval$",
}
"""Class -> the transformers architectures of which sentence-transformers makes such a model without training it."""
_LOADING = threading.Lock()
"""Held while a class of transformers is changed for one model."""


def check_kind(path: str, name: str, kind: str, *, local_files_only: bool) -> None:
    """Refuse a model whose files say that it is of another kind.

    Args:
        path: A folder or a hub id.
        name: The name of the model in the error.
        kind: The class that it is to be loaded as, one of `KINDS`.
        local_files_only: Whether the hub is not asked.

    Raises:
        IsoglotError: The model is of another kind.
    """
    from sentence_transformers.util import load_file_path

    def read(file_name: str) -> dict[str, Any]:
        file = load_file_path(path, file_name, local_files_only=local_files_only)
        content = json.loads(Path(file).read_bytes()) if file else {}
        return content if isinstance(content, dict) else {}

    if load_file_path(path, "modules.json", local_files_only=local_files_only):
        stated = read("config_sentence_transformers.json").get("model_type", "SentenceTransformer")
        found = "MultiVectorEncoder" if stated == "ColBERT" else stated  # of PyLate
        is_other = found != kind
    else:
        found = next(iter(read("config.json").get("architectures") or []), "")
        is_other = bool(found) and not re.search(_ARCHITECTURES[kind], str(found))
    if is_other:
        raise IsoglotError(
            f"{name}: is a {found}; this needs {KINDS[kind]}. `isoglot audit` takes a reranker as cross-encoder:MODEL, "
            "and other models as sparse:MODEL and multi-vector:MODEL"
        )


@contextmanager
def complete_weights(name: str) -> Iterator[None]:
    """Refuse a checkpoint of transformers that lacks weights, of all that are loaded within the block.

    Transformers draws such weights at random and prints a report. A pooler's may be absent: no pooling of
    sentence-transformers reads it.

    Args:
        name: The name of the model in the error.

    Raises:
        IsoglotError: Weights are absent.
    """
    from transformers import PreTrainedModel

    plain = vars(PreTrainedModel)["from_pretrained"]

    def from_pretrained(cls: type[PreTrainedModel], *args: Any, **settings: Any) -> Any:
        model, info = plain.__func__(cls, *args, **{**settings, "output_loading_info": True})
        missing = sorted(key for key in info["missing_keys"] if "pooler" not in key.split("."))
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise IsoglotError(f"{name}: its weights lack {missing[0]}{more}; the model is incomplete, copy it again")
        return (model, info) if settings.get("output_loading_info") else model

    log = logging.getLogger("transformers.modeling_utils")
    with _LOADING:
        log.addFilter(_is_no_report)
        PreTrainedModel.from_pretrained = classmethod(from_pretrained)
        try:
            yield
        finally:
            PreTrainedModel.from_pretrained = plain
            log.removeFilter(_is_no_report)


def _is_no_report(record: logging.LogRecord) -> bool:
    return "LOAD REPORT" not in str(record.msg)
