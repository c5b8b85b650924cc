"""What `make build` makes and checks: the wheel, the sdist, and the version that they carry."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from isoglot import __version__

ROOT = Path(__file__).parents[1]


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "deploy/check_dist.py", str(folder)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a clone, so the files of the repository are not known")
def test_wheel_and_sdist_hold_the_repository_and_stay_small(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, capture_output=True, check=True)
    done = check(tmp_path)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("isoglot/stray.bin", bytes(8_000_001))
    done = check(tmp_path)
    assert done.returncode == 1
    assert "wheel holds isoglot/stray.bin, which is not in the repository" in done.stderr
    assert "at most 8,000,000 are allowed" in done.stderr


def test_one_version_everywhere() -> None:
    citation, changelog = ((ROOT / name).read_text(encoding="utf-8") for name in ("CITATION.cff", "CHANGELOG.md"))
    assert re.findall(r"^version: (.+)$", citation, re.MULTILINE) == [__version__]
    (date,) = re.findall(r"^date-released: (.+)$", citation, re.MULTILINE)
    assert f"\n## [{__version__}] - {date}\n" in changelog
    assert f"\n[{__version__}]: " in changelog
