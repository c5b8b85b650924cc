"""Files of a data set on the Hugging Face hub, kept in the hub's own cache."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from isoglot.platform.downloads import Downloads, Package, SourceMissingError
from isoglot.platform.errors import first_line
from isoglot.platform.hub import hub_errors, reachable


def hub_folder(dataset: str, patterns: Sequence[str], downloads: Downloads, origin: str) -> Path:
    """Return a folder with the newest files of `dataset` that match `patterns`; without the hub, those in its cache.

    Args:
        dataset: Name of the data set at the hub, e.g. ``miracl/miracl``.
        patterns: Shell patterns of paths in the data set.
        downloads: Record of the packages used, to which the data set is added; its version is the hub's commit.
        origin: Name of the origin, for messages.

    Raises:
        SourceMissingError: The hub cannot be reached and the files are not all in its cache.
    """
    from huggingface_hub import snapshot_download

    started = time.time()
    offline = not reachable()
    try:
        path = snapshot_download(dataset, repo_type="dataset", allow_patterns=list(patterns), local_files_only=offline)
    except hub_errors() as error:
        raise SourceMissingError(
            f"{dataset} is not in the hub's cache and cannot be fetched ({first_line(error)}); "
            f"use {origin}:DIR with a local copy of its files"
        ) from error
    folder = Path(path)
    stats = [path.stat() for pattern in patterns for path in folder.glob(pattern)]
    downloads.used.add(Package(f"hub:{dataset}", folder.name, sum(stat.st_size for stat in stats)))
    downloads.fetched += sum(stat.st_size for stat in stats if stat.st_mtime >= started)
    return folder


def find_file(folder: Path, name: str, origin: str) -> Path:
    """Return the path of the file `name` in `folder` or in a folder below it, the first in order of paths.

    Raises:
        SourceMissingError: There is no such file, which `origin` needs.
    """
    path = min((path for path in folder.rglob(name) if path.is_file()), default=None)
    if path is None:
        raise SourceMissingError(f"{folder}: has no file {name}, here or in a folder below; {origin} needs it")
    return path
