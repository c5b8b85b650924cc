"""Check what `python -m build` made: python deploy/check_dist.py [dist]."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
MAX_WHEEL = 8_000_000
"""Bytes: a model and a collection come in the wheel, and everybody who installs isoglot fetches them."""
NOT_IN_SDIST = (".ci/", ".github/")


def main() -> None:
    """Exit with what is wrong, if anything is."""
    dist = Path(sys.argv[1] if len(sys.argv) > 1 else "dist")
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    git = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]  # new files too, but what is ignored
    files = subprocess.run(git, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = {name for name in archive.namelist() if ".dist-info/" not in name}
    with tarfile.open(sdist) as archive:
        in_sdist = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()} - {"PKG-INFO"}
    faults = [
        *differences("wheel", in_wheel, {name.removeprefix("src/") for name in files if name.startswith("src/")}),
        *differences("sdist", in_sdist, {name for name in files if not name.startswith(NOT_IN_SDIST)}),
    ]
    if (size := wheel.stat().st_size) > MAX_WHEEL:
        faults.append(f"{wheel.name} has {size:,} bytes; at most {MAX_WHEEL:,} are allowed")
    if faults:
        sys.exit("\n".join(faults))
    print(f"{wheel.name}: {size / 1e6:.1f} MB, {len(in_wheel)} files; {sdist.name}: {len(in_sdist)} files")


def differences(kind: str, held: set[str], expected: set[str]) -> list[str]:
    """Say which files an archive lacks, and which it should not hold."""
    missing = [f"{kind} lacks {name}" for name in sorted(expected - held)]
    return missing + [f"{kind} holds {name}, which is not in the repository" for name in sorted(held - expected)]


if __name__ == "__main__":
    main()
