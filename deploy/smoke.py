"""Install a wheel alone and use it: python deploy/smoke.py dist/*.whl [--venv FOLDER].

Needs a registry of packages, and no hub of models.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

CORPUS = """
import json, sys, isoglot
documents = isoglot.load_collection("mini@demo").documents
texts = [(document.language, document.text) for document in documents if document.language in ("en", "zh")]
lines = [json.dumps({"lang": language, "text": text}) for language, text in texts]
open(sys.argv[1], "w", encoding="utf-8").write("\\n".join(lines))
"""
NAMES = "import isoglot; [getattr(isoglot, name) for name in isoglot.__all__ if name not in ('losses', 'mteb_tasks')]"
"""Losses need the extra train, mteb_tasks the extra mteb."""


def main() -> None:
    """Exit with 1 at the first command that does not do what it should."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--venv", type=Path, help="virtual environment to install into; made if it is not there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environment = arguments.venv or Path(folder) / "venv"
        python = made(environment.resolve(), arguments.wheel.resolve())
        smoke(python, Path(folder))
    print(f"smoke: {arguments.wheel.name} works")


def made(environment: Path, wheel: Path) -> Path:
    """Install the wheel, and return the Python of its environment."""
    if not environment.exists():
        venv.create(environment, with_pip=True)
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel], check=True)
    return python


def smoke(python: Path, folder: Path) -> None:
    """Run what a new user runs, without any extra."""

    def run(*command: str, code: int = 0) -> str:
        print("$", *(word if "\n" not in word else "..." for word in command), flush=True)
        called = [str(python), *command]
        done = subprocess.run(called, cwd=folder, env=environ, capture_output=True, text=True, encoding="utf-8")
        if done.returncode != code:
            sys.exit(f"exit code {done.returncode}, not {code}\n{done.stdout}\n{done.stderr}")
        return done.stdout + done.stderr

    def isoglot(*command: str, code: int = 0) -> str:
        return run("-m", "isoglot", *command, code=code)

    environ = os.environ | {"ISOGLOT_CACHE": str(folder / "cache"), "HF_HUB_OFFLINE": "1", "PYTHONUTF8": "1"}
    environ.pop("PYTHONPATH", None)
    audit = ("--data", "mini@demo", "--pool", "en,zh", "--quiet")
    print(isoglot("--version"), end="")
    program = python.with_name("isoglot.exe" if os.name == "nt" else "isoglot")
    if subprocess.run([program, "--version"], env=environ).returncode:
        sys.exit(f"{program} does not start")
    isoglot("--help")
    print(isoglot("doctor"), end="")
    run("-c", NAMES)
    run("-c", CORPUS, "corpus.jsonl")
    isoglot("audit", "e5-small-q4", *audit, "-o", "before")
    isoglot("audit", "e5-small-q4+aligned", *audit, "-o", "aligned")
    for method in ("center", "soft-center", "lir", "leace"):
        isoglot("align", "e5-small-q4", "--method", method, "--data", "corpus.jsonl", "-o", method)
    isoglot("align", "e5-small-q4", "--method", "wccn", "--data", "mini@train", "--languages", "en,zh", "-o", "wccn")
    isoglot("audit", "center", *audit, "-o", "after")
    print(isoglot("compare", "before", "after", "aligned"), end="")
    lacks = isoglot("report", "before", "-o", "report.html", code=2)
    if "pip install 'isoglot[report]'" not in lacks:
        sys.exit(f"a missing package is not explained: {lacks}")


if __name__ == "__main__":
    main()
