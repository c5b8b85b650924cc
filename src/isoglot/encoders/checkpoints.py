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

_OTHER_KINDS = r"ForSequenceClassification$|ColBERT"
"""The transformers architectures of rerankers and of models that give a text many vectors."""
_LOADING = threading.Lock()
"""Held while a class of transformers is changed for one model."""


def check_kind(path: str, name: str, *, local_files_only: bool) -> None:
    """Refuse a model whose files say that it is a reranker, a sparse or a multi-vector model.

    Args:
        path: A folder or a hub id.
        name: The name of the model in the error.
        local_files_only: Whether the hub is not asked.

    Raises:
        IsoglotError: The model does not give each text one dense vector.
    """
    from sentence_transformers.util import load_file_path

    def read(file_name: str) -> dict[str, Any]:
        file = load_file_path(path, file_name, local_files_only=local_files_only)
        content = json.loads(Path(file).read_bytes()) if file else {}
        return content if isinstance(content, dict) else {}

    if load_file_path(path, "modules.json", local_files_only=local_files_only):
        kinds = [read("config_sentence_transformers.json").get("model_type", "SentenceTransformer")]
        other = [kind for kind in kinds if kind != "SentenceTransformer"]
    else:
        other = [kind for kind in read("config.json").get("architectures") or [] if re.search(_OTHER_KINDS, str(kind))]
    if other:
        raise IsoglotError(f"{name}: is a {other[0]}; isoglot needs a model that gives each text one dense vector")


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
