"""Data sets on the Hugging Face hub."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from isoglot.platform.errors import IsoglotError, first_line
from isoglot.platform.hub import hub_errors, reachable


def configurations(dataset: str) -> list[str]:
    """Return the names of the configurations of a data set, which for isoglot's sources are languages.

    Raises:
        IsoglotError: The hub cannot be reached and the data set is not in its cache.
    """
    _go_offline_if_unreachable()
    from datasets import get_dataset_config_names

    try:
        return list(get_dataset_config_names(dataset))
    except _errors() as error:
        raise _unavailable(dataset, error) from error


def read_dataset(dataset: str, configuration: str, split: str) -> list[dict[str, Any]]:
    """Return the fields of all lines in one split of a configuration.

    Raises:
        IsoglotError: The hub cannot be reached and the data set is not in its cache.
    """
    _go_offline_if_unreachable()
    from datasets import load_dataset

    try:
        return list(load_dataset(dataset, configuration, split=split))
    except _errors() as error:
        raise _unavailable(dataset, error) from error


def stream_dataset(dataset: str, split: str) -> Iterator[dict[str, Any]]:
    """Yield the fields of the lines in a split, which is not downloaded as a whole.

    Raises:
        IsoglotError: The data set cannot be read.
    """
    from datasets import load_dataset

    try:
        yield from load_dataset(dataset, split=split, streaming=True)
    except _errors() as error:
        raise IsoglotError(f"hub:{dataset}: cannot be read: {first_line(error)}") from error


def _errors() -> tuple[type[Exception], ...]:
    """Return what the libraries raise for a data set that is missing, out of reach or damaged."""
    from datasets.exceptions import DatasetsError

    return (DatasetsError, *hub_errors())


def _go_offline_if_unreachable() -> None:
    """Keep the hub's libraries from retrying for long where the hub cannot be reached."""
    if not reachable():
        from huggingface_hub import constants

        os.environ["HF_HUB_OFFLINE"] = "1"
        constants.HF_HUB_OFFLINE = True


def _unavailable(dataset: str, error: Exception) -> IsoglotError:
    name = dataset.rsplit("/", 1)[-1]
    return IsoglotError(
        f"{dataset} is not in the hub's cache and cannot be fetched ({first_line(error)}); use {name}:DIR"
    )
