"""What isoglot and each of its extras take on disk: python -m benchmarks.install_sizes.

The wheel is built and installed into a fresh virtual environment. Each extra is then installed beside it, into a folder
of its own that gets only what the base install lacks. Sizes are those of all files that pip wrote, bytecode included.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import tempfile
import tomllib
import venv
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from benchmarks import measuring

ROOT = Path(__file__).parents[1]
TORCH = ("torch", "triton", "nvidia-", "cuda-")
"""How the names of torch's own packages begin; a build for CUDA takes gigabytes more than one for the CPU."""


def main() -> None:
    """Install, measure, write the record and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        record = measured(Path(folder))
    measuring.write("install_sizes", record)
    print(table(record))


def measured(working: Path) -> dict[str, Any]:
    """Return MB (10^6 bytes) by package, of the base install and of each extra."""
    pip(sys.executable, "wheel", "--no-deps", "--wheel-dir", working, ROOT)
    (wheel,) = working.glob("*.whl")
    venv.create(working / "venv", with_pip=True)
    python = working / "venv" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    tools = sizes(site_packages(working / "venv")).keys()  # pip itself
    pip(python, "install", wheel)
    base = {name: size for name, size in sizes(site_packages(working / "venv")).items() if name not in tools}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = sorted(project["optional-dependencies"].keys() - {"dev", "docs"})
    extras = {extra: added(python, wheel, extra, working / extra) for extra in names}
    system = f"{platform.system()} {platform.machine()}"
    return {"python": platform.python_version(), "system": system, "base": base, "extras": extras}


def added(python: Path, wheel: Path, extra: str, folder: Path) -> dict[str, float]:
    """Return the packages that an extra adds to the base install of `python`, with their sizes."""
    report = json.loads(pip(python, "install", "--dry-run", "--quiet", "--report", "-", f"{wheel}[{extra}]"))
    archives = [entry["download_info"]["url"] for entry in report["install"] if entry["metadata"]["name"] != "isoglot"]
    if archives:
        pip(python, "install", "--no-deps", "--target", folder, *archives)
    return sizes(folder)


def sizes(folder: Path) -> dict[str, float]:
    """Return the MB of each package in a folder."""
    return {found.name: round(size(found) / 1e6, 1) for found in distributions(path=[str(folder)])}


def size(distribution: Distribution) -> int:
    """Return the bytes of the files that pip wrote for a package."""
    paths = (Path(str(file.locate())) for file in distribution.files or [])
    return sum(path.stat().st_size for path in paths if path.is_file())


def site_packages(environment: Path) -> Path:
    return next(environment.glob("**/site-packages"))


def pip(python: Path | str, *arguments: object) -> str:
    """Run pip and return what it printed."""
    command = [str(python), "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def table(record: dict[str, Any]) -> str:
    """Return the record as a table in Markdown; extras that share packages do not add up."""
    base = record["base"]
    torch = sum(size for name, size in base.items() if name.startswith(TORCH))
    lines = ["| install | MB | largest packages |", "|---|---:|---|"]
    lines.append(f"| `isoglot`, without torch | {sum(base.values()) - torch:.0f} | {largest(base)} |")
    lines.append(f"| torch, this machine's build | {torch:.0f} | |")
    for extra, packages in record["extras"].items():
        lines.append(f"| `isoglot[{extra}]` adds | {sum(packages.values()):.0f} | {largest(packages)} |")
    return "\n".join(lines)


def largest(packages: dict[str, float]) -> str:
    own = [name for name in packages if not name.startswith(TORCH) and packages[name] >= 1]
    return ", ".join(sorted(own, key=packages.__getitem__, reverse=True)[:3])


if __name__ == "__main__":
    main()
