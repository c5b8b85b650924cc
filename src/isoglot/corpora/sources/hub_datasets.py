"""Data sets on the Hugging Face hub."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from isoglot.platform.errors import IsoglotError, first_line
from isoglot.platform.extras import needs
from isoglot.platform.hub import hub_errors, reachable


def configurations(dataset: str, instead: str) -> list[str]:
    """Return the names of the configurations of a data set.

    Args:
        dataset: Its name on the hub, or a folder that the datasets library reads.
        instead: The source of a local copy, e.g. ``xquad:DIR``, for messages.

    Raises:
        IsoglotError: The hub cannot be reached and the data set is not in its cache, or it cannot be read.
    """
    with _explained(dataset, instead):
        from datasets import get_dataset_config_names

        return list(get_dataset_config_names(dataset))


def splits(dataset: str, configuration: str, instead: str) -> list[str]:
    """Return the names of the splits of a configuration; as for `configurations`."""
    with _explained(dataset, instead):
        from datasets import get_dataset_split_names

        return list(get_dataset_split_names(dataset, configuration))


def read_dataset(dataset: str, configuration: str, split: str, instead: str) -> Iterator[dict[str, Any]]:
    """Yield the fields of all lines in one split of a configuration; as for `configurations`."""
    with _explained(dataset, instead):
        from datasets import load_dataset

        yield from load_dataset(dataset, configuration, split=split)


def hub_folder(dataset: str, patterns: Sequence[str], instead: str) -> Path:
    """Return a folder with those files of a data set that match a pattern, fetched into the hub's cache.

    Args:
        dataset: Its name on the hub.
        patterns: Patterns of paths in it, e.g. ``data/*.tsv``.
        instead: As for `configurations`.

    Raises:
        IsoglotError: The hub cannot be reached and the files are not in its cache.
    """
    from huggingface_hub import snapshot_download

    with _explained(dataset, instead):
        return Path(snapshot_download(dataset, repo_type="dataset", allow_patterns=list(patterns)))


def stream_dataset(dataset: str, split: str) -> Iterator[dict[str, Any]]:
    """Yield the fields of the lines in a split, which is not downloaded as a whole.

    Raises:
        IsoglotError: The data set cannot be read.
    """
    with needs(f"hub:{dataset}", "data"):
        from datasets import load_dataset
    try:
        yield from load_dataset(dataset, split=split, streaming=True)
    except _errors() as error:
        raise IsoglotError(f"hub:{dataset}: cannot be read: {first_line(error)}") from error


def _errors() -> tuple[type[Exception], ...]:
    """Return what the libraries raise for a data set that is missing, out of reach or damaged."""
    from datasets.exceptions import DatasetsError

    return (DatasetsError, *hub_errors())


@contextmanager
def _explained(dataset: str, instead: str) -> Iterator[None]:
    """Raise an IsoglotError for what the libraries raise; where the hub cannot be reached, only its cache is asked.

    The datasets library learns that from the environment when it is imported, so that is to be done inside.
    """
    is_local = Path(dataset).is_dir()
    if not is_local and not reachable():
        from huggingface_hub import constants

        os.environ["HF_HUB_OFFLINE"] = "1"  # the hub's libraries retry for long
        constants.HF_HUB_OFFLINE = True
    with needs(dataset, "data"):
        import datasets  # noqa: F401
    try:
        yield
    except _errors() as error:
        if is_local:
            raise IsoglotError(f"{dataset}: the datasets library cannot read it: {first_line(error)}") from error
        reason = first_line(error) if reachable() else "the hub cannot be reached"
        raise IsoglotError(
            f"{dataset} is not in the hub's cache and cannot be fetched: {reason}; use {instead}"
        ) from error
