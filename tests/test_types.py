"""The types that users get: a small program against the package as it is installed from a wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAM = Path(__file__).parent / "data" / "user_program.py"
NOT_FOLLOWED = ["datasets", "huggingface_hub", "lancedb", "mteb", "peft", "PIL", "pyarrow", "sklearn", "torch"]
NOT_FOLLOWED += ["sentence_transformers", "transformers"]
SETTINGS = f"""
[mypy]
strict = true
[mypy-{",".join(f"{name}.*" for name in NOT_FOLLOWED)}]
follow_imports = skip
"""
"""What mypy's user sets, but for packages that would cost a minute and decide nothing here."""

pytestmark = [pytest.mark.process, pytest.mark.slow]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site-packages of a new environment: isoglot from a wheel, and a way to all else that is installed here."""
    folder = tmp_path_factory.mktemp("user")
    python = [sys.executable, "-m"]
    run(*python, "hatchling", "build", "--target", "wheel", "--directory", str(folder), cwd=ROOT)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "environment", with_pip=False, symlinks=os.name != "nt")
    (found,) = (folder / "environment").rglob("site-packages")
    run(*python, "pip", "install", "--no-index", "--no-deps", "--target", str(found), str(wheel))
    here = [path for path in sys.path if path.endswith("site-packages")]
    (found / "here.pth").write_text("\n".join(here), encoding="utf-8")
    (folder / "mypy.ini").write_text(SETTINGS, encoding="utf-8")
    return found


def run(*command: str, cwd: Path | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def mypy(program: Path, site: Path) -> list[str]:
    """What ``mypy --strict`` says of a program, which sees nothing of this repository."""
    folder = next(path for path in site.parents if path.name == "environment").parent
    python = next(path for path in (folder / "environment").glob("*/python*") if path.stem == "python")
    command = [sys.executable, "-m", "mypy", "--config-file", str(folder / "mypy.ini"), "--no-error-summary"]
    command += ["--python-executable", str(python), "--cache-dir", str(folder / "cache"), program.name]
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "MYPYPATH")}
    done = subprocess.run(command, cwd=program.parent, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout.splitlines()


def test_a_users_program_has_no_type_error(site: Path, tmp_path: Path) -> None:
    assert (site / "isoglot" / "py.typed").is_file()
    assert mypy(Path(shutil.copy(PROGRAM, tmp_path)), site) == []


def test_a_misspelt_name_and_a_wrong_type_are_errors(site: Path, tmp_path: Path) -> None:
    program = tmp_path / "wrong.py"
    lines = ["import isoglot", 'isoglot.adit("m", "mini@test")', 'number: int = isoglot.audit("m", "mini@test")']
    program.write_text("\n".join(lines))
    errors = mypy(program, site)
    assert errors[0] == 'wrong.py:2: error: Module has no attribute "adit"; maybe "audit"?  [attr-defined]'
    assert errors[1].startswith("wrong.py:3: error: Incompatible types in assignment")
    assert len(errors) == 2


def test_it_is_the_installed_package_and_its_marker_that_bring_the_types(site: Path, tmp_path: Path) -> None:
    program = tmp_path / "untyped.py"
    program.write_text("import isoglot\n")
    marker = site / "isoglot" / "py.typed"
    marker.rename(marker.with_name("hidden"))
    try:
        errors = mypy(program, site)
    finally:
        marker.with_name("hidden").rename(marker)
    assert "missing library stubs or py.typed marker" in errors[0]
