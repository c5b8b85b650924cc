"""`e5-small-q4+aligned`: the bundled model with the bundled adapter (docs/reference/methods.md has its recipe)."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from isoglot.encoders.bundled import e5_small_q4
from isoglot.platform import files

log = logging.getLogger(__name__)

NAME = "e5-small-q4+aligned"
ADAPTER = files.PACKAGE_DATA / "aligned" / "e5-small-q4.safetensors"


def model_folder() -> Path:
    """Return the folder of the adapted model in the user's cache, which is made on first use.

    Raises:
        IsoglotError: The base cannot be made (see `e5_small_q4.model_folder`), or the cache cannot be written.
    """
    base = e5_small_q4.model_folder()
    digest = hashlib.sha256(ADAPTER.read_bytes() + base.name.encode()).hexdigest()[:12]
    folder = files.cache_dir() / "models" / f"{NAME}-{digest}"
    if not folder.is_dir():
        log.info("adapting %s once, into %s", e5_small_q4.NAME, folder)
    return files.cached_folder(folder, _adapt)


def _adapt(folder: Path) -> None:
    from isoglot.encoders.adapters import apply_adapter
    from isoglot.encoders.sentence_transformer import load_encoder

    encoder = load_encoder(e5_small_q4.NAME, device="cpu")
    apply_adapter(encoder, ADAPTER)
    encoder.model.save_pretrained(str(folder), create_model_card=False)
