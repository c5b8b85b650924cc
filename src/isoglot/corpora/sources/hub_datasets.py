"""Rows of a data set on the Hugging Face hub."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from isoglot.platform.errors import IsoglotError
from isoglot.platform.hub import reachable


def configurations(dataset: str) -> list[str]:
    """The names of a data set's configurations (here: its languages).

    Raises:
        IsoglotError: The hub cannot be reached and the data set is not in its cache.
    """
    _settle_offline()
    from datasets import get_dataset_config_names

    try:
        return list(get_dataset_config_names(dataset))
    except Exception as error:  # the hub's client raises many kinds
        raise _unreachable(dataset, error) from error


def rows(dataset: str, configuration: str, split: str) -> Iterable[dict[str, Any]]:
    """All rows of one configuration's split.

    Raises:
        IsoglotError: The hub cannot be reached and the data set is not in its cache.
    """
    _settle_offline()
    from datasets import load_dataset

    try:
        return list(load_dataset(dataset, configuration, split=split))
    except Exception as error:  # the hub's client raises many kinds
        raise _unreachable(dataset, error) from error


def _settle_offline() -> None:
    """Where the hub cannot be reached, tell its libraries not to try: they would retry for long in vain."""
    if not reachable():
        from huggingface_hub import constants

        os.environ["HF_HUB_OFFLINE"] = "1"
        constants.HF_HUB_OFFLINE = True


def _unreachable(dataset: str, error: Exception) -> IsoglotError:
    name = dataset.rsplit("/", 1)[-1]
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return IsoglotError(f"{dataset} is not in the hub's cache and cannot be fetched ({reason}); use {name}:DIR")
