"""What a model's card says: its licence, and its own name or that of its base on the hub."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isoglot.encoders.models import BUNDLED, KIND, looks_local
from isoglot.platform.files import expanded

CARD = "README.md"


@dataclass(frozen=True, kw_only=True)
class ModelCardFacts:
    """What is known of a model without loading it.

    Attributes:
        licence: SPDX id, or the hub's name of the licence; None where none is known.
        licence_name: Name of a licence for which the hub has no name of its own.
        licence_link: Address of its text.
        hub_name: Name on the hub of the model, or of its nearest base that has one; None where none is known.
    """

    licence: str | None = None
    licence_name: str | None = None
    licence_link: str | None = None
    hub_name: str | None = None


def card_facts(name: str) -> ModelCardFacts:
    """Return what the card of a model says: of a bundled one, in a folder, or in the hub's cache.

    Nothing is downloaded.

    Args:
        name: Name of the model, also behind a kind of retriever, e.g. ``cross-encoder:MODEL``.
    """
    base = KIND.sub("", name, count=1) if KIND.match(name) else name
    if base in BUNDLED:
        return ModelCardFacts(licence=BUNDLED[base].licence, hub_name=BUNDLED[base].hub_base)
    folder = expanded(base)
    is_hub_id = not folder.is_dir() and not looks_local(base)
    metadata = _metadata(_cached_card(base) if is_hub_id else folder / CARD)
    return ModelCardFacts(
        licence=_text(metadata.get("license")),
        licence_name=_text(metadata.get("license_name")),
        licence_link=_text(metadata.get("license_link")),
        hub_name=_hub_id(base if is_hub_id and base == name else _text(metadata.get("base_model"))),
    )


def _cached_card(name: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    try:
        found = try_to_load_from_cache(name, CARD)
    except ValueError:  # no hub id
        return None
    return Path(found) if isinstance(found, str) else None


def _metadata(card: Path | None) -> dict[str, Any]:
    """Return the metadata at the top of a card; none where there is no card or its metadata is damaged."""
    if card is None or not card.is_file():
        return {}
    import yaml  # type: ignore[import-untyped]
    from huggingface_hub.repocard import metadata_load

    try:
        return metadata_load(card) or {}
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return {}


def _hub_id(name: str | None) -> str | None:
    """Return a name that may be one on the hub; None for any other text."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError:
        return None
    return name


def _text(value: Any) -> str | None:
    """Return a text of a card's metadata, or the first of several; None for anything else."""
    first = value[0] if isinstance(value, list) and value else value
    return first if isinstance(first, str) and first else None
