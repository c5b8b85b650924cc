"""Names of models: which of them are bundled, and where each one is."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path, PureWindowsPath

from isoglot.platform.files import expanded

ALIGNMENT_RECORD = "isoglot.json"
"""The file in a model's folder by which one knows that `align` wrote it."""


@dataclass(frozen=True)
class BundledModel:
    """A model that comes with isoglot.

    Attributes:
        name: Its name, wherever a model is named.
        summary: The line that ``isoglot models`` prints.
        licence: SPDX id.
        module: The module whose ``model_folder()`` makes and returns its folder.
        hub_base: The hub's name of the model that it was made from.
    """

    name: str
    summary: str
    licence: str
    module: str
    hub_base: str


BUNDLED = {
    model.name: model
    for model in (
        BundledModel(
            "e5-small-q4",
            "multilingual-e5-small from 4-bit weights: 118M parameters, 384 dimensions, 512 tokens, ~100 languages",
            "MIT",
            "isoglot.encoders.bundled.e5_small_q4",
            "intfloat/multilingual-e5-small",
        ),
        BundledModel(
            "e5-small-q4+aligned",
            "the same, aligned by isoglot on texts that people translated: ranks by meaning, asks for no language",
            "MIT",
            "isoglot.encoders.bundled.e5_small_q4_aligned",
            "intfloat/multilingual-e5-small",
        ),
    )
}

KIND = re.compile(r"[a-z][a-z0-9-]+:")
"""How kinds of retrievers begin, such as ``openai:MODEL``; no hub id does, and drives of Windows have one letter."""


def looks_local(name: str) -> bool:
    """Return whether a name can only be that of a folder; a hub id is ``NAME`` or ``OWNER/NAME``."""
    return name.startswith((".", "/", "~")) or name.count("/") > 1 or "\\" in name or bool(PureWindowsPath(name).drive)


def model_path(name: str) -> str:
    """Return the folder or hub id by which sentence-transformers loads a model.

    The folder of a bundled model is made in the cache on first use. In a folder ``~`` is expanded. Any other name is
    taken for a hub id and returned as it is.

    Args:
        name: Name of a bundled model, a folder, or a hub id.

    Returns:
        A folder or a hub id.

    Raises:
        IsoglotError: The bundled model cannot be made; the message says why.
    """
    if name in BUNDLED:
        model_folder: Callable[[], Path] = import_module(BUNDLED[name].module).model_folder
        return str(model_folder())
    return str(expanded(name)) if name.startswith("~") else name
