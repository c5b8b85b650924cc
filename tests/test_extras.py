"""Every optional package is tested missing, and what the base install promises works without all of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from packaging.requirements import Requirement

import isoglot
from isoglot import Collection, Document
from isoglot.alignment.training.tokens import transport_distance
from isoglot.corpora.stress import _romaniser
from isoglot.platform.errors import IsoglotError
from isoglot.platform.extras import FOR_DEVELOPERS, missing_packages, needs
from isoglot.report.html import spaces
from tests.command_line import SETTINGS
from tests.command_line import isoglot as run
from tests.parallel import parallel_rows

EXTRAS: dict[str, list[str]] = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"][
    "optional-dependencies"
]
FOR_USERS = EXTRAS.keys() - {"all", *FOR_DEVELOPERS}
STORE = ("--language-field", "lang")
COMMANDS = {
    # extra, package without its version, module: a command that needs it
    ("api", "httpx2", "httpx2"): ("audit", "cohere:embed-v4.0", "--data", "mini@demo"),
    ("api", "tenacity", "tenacity"): ("audit", "cohere-rerank:rerank-v3.5", "--data", "mini@demo"),
    ("bm25", "bm25s", "bm25s"): ("audit", "bm25", "--data", "mini@demo"),
    ("data", "datasets", "datasets"): ("audit", "model", "--data", "xquad"),
    ("data", "datasketch", "datasketch"): ("data", "build", "mini", "-o", "out.jsonl"),
    ("data", "lxml", "lxml"): ("data", "build", "libreoffice-help", "-o", "out.jsonl"),
    ("elasticsearch", "httpx2", "httpx2"): ("audit", "elasticsearch:http://127.0.0.1:9/docs", *STORE),
    ("faiss", "faiss-cpu", "faiss"): ("audit", "faiss:docs.faiss"),
    ("files", "lxml", "lxml"): ("encode", "page.html", "-m", "model", "-o", "out"),
    ("files", "markdown-it-py", "markdown_it"): ("encode", "page.md", "-m", "model", "-o", "out"),
    ("files", "pyarrow", "pyarrow"): ("encode", "corpus.jsonl", "-m", "model", "-o", "out"),
    ("files", "pypdf", "pypdf"): ("encode", "page.pdf", "-m", "model", "-o", "out"),
    ("index", "lancedb", "lancedb"): ("index", "corpus.jsonl", "-m", "model", "-o", "out"),
    ("lancedb", "lancedb", "lancedb"): ("audit", "lancedb:folder/docs", *STORE),
    ("llm", "openai", "openai"): ("data", "translate", "rows.jsonl", "--to", "fr", "--model", "m", "-o", "out.jsonl"),
    ("pgvector", "psycopg", "psycopg"): ("audit", "pgvector:postgresql://127.0.0.1/docs/passages", *STORE),
    ("qdrant", "qdrant-client", "qdrant_client"): ("audit", "qdrant:http://127.0.0.1:9/docs", *STORE),
    ("ray", "ray", "ray"): ("encode", "corpus.jsonl", "-m", "model", "--engine", "ray", "-o", "out"),
    ("report", "vl-convert-python", "vl_convert"): ("report", "audit", "-o", "out.html"),
    ("serve", "fastapi", "fastapi"): ("serve", "index"),
    ("serve", "prometheus-client", "prometheus_client"): ("serve", "index"),
    ("serve", "uvicorn", "uvicorn"): ("serve", "index"),
    ("stress", "uroman", "uroman"): ("audit", "model", "--data", "mini@demo", "--stress", "romanised"),
    ("train", "peft", "peft"): ("align", "model", "--method", "nce", "--data", "rows.jsonl", "-o", "out"),
}


def import_anew(module: str) -> Callable[[pytest.MonkeyPatch], object]:
    """What imports a module of isoglot again, though a test before may have imported it."""

    def use(monkeypatch: pytest.MonkeyPatch) -> object:
        monkeypatch.delitem(sys.modules, module, raising=False)
        return import_module(module)

    return use


def transport(_: pytest.MonkeyPatch) -> object:
    return transport_distance(torch.ones(1, 2, 4), torch.ones(1, 2), torch.ones(1, 2, 4), torch.ones(1, 2))


def umap(_: pytest.MonkeyPatch) -> object:
    documents = [Document("a", tag, "t") for tag in ("de", "en")]
    return spaces.maps(["m"], [np.eye(2, dtype=np.float32)], documents, "umap")


PYTHON: dict[tuple[str, str, str], Callable[[pytest.MonkeyPatch], object]] = {
    ("langchain", "langchain-core", "langchain_core"): import_anew("isoglot.integrations.langchain"),
    ("llama-index", "llama-index-core", "llama_index"): import_anew("isoglot.integrations.llama_index"),
    ("mteb", "mteb", "mteb"): import_anew("isoglot.integrations.mteb_tasks"),
    ("token", "POT", "ot"): transport,
    ("train", "datasets", "datasets"): import_anew("isoglot.integrations.losses"),
    ("umap", "umap-learn", "umap"): umap,
}


def hide(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """Let an import of a module fail as if it were not installed, until the test ends."""
    for loaded in [name for name in sys.modules if name.startswith(f"{module}.")]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, module, None)


@pytest.fixture(scope="module")
def folder(tiny_model: Path, small_collection: Collection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the commands name."""
    place = tmp_path_factory.mktemp("folder")
    (place / "model").symlink_to(tiny_model)
    (place / "corpus.jsonl").write_text('{"_id": "1", "lang": "en", "text": "a loaf of bread"}\n')
    for name in ("page.html", "page.md", "page.pdf"):
        (place / name).write_text("a loaf of bread")
    isoglot.write_rows(place / "rows.jsonl", parallel_rows(4))
    isoglot.audit(str(tiny_model), small_collection, show_progress=False).save(place / "audit")
    return place


@pytest.mark.parametrize(("extra", "package", "module"), COMMANDS)
def test_a_command_names_the_package_that_it_lacks_and_its_extra(
    extra: str, package: str, module: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COHERE_API_KEY", "key")
    for cached in ("isoglot.training_data.origins.libreoffice_help",):
        monkeypatch.delitem(sys.modules, cached, raising=False)
    _romaniser.cache_clear()
    hide(monkeypatch, module)
    done = run(*(tmp_path / word if word.startswith("out") else word for word in COMMANDS[extra, package, module]))
    assert done.returncode == 2
    assert done.stderr.endswith(f"needs the package {package}: pip install 'isoglot[{extra}]'\n"), done.stderr


@pytest.mark.parametrize(("extra", "package", "module"), PYTHON)
def test_a_function_names_the_package_that_it_lacks_and_its_extra(
    extra: str, package: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide(monkeypatch, module)
    with pytest.raises(IsoglotError) as raised:
        PYTHON[extra, package, module](monkeypatch)
    assert str(raised.value).endswith(f"needs the package {package}: pip install 'isoglot[{extra}]'")


def test_every_extra_is_tested_missing_and_is_in_all() -> None:
    assert {extra for extra, _, _ in (*COMMANDS, *PYTHON)} == FOR_USERS
    (everything,) = map(Requirement, EXTRAS["all"])
    assert everything.extras == FOR_USERS


def test_a_package_that_cannot_be_loaded_is_told_with_the_reason() -> None:
    with (
        pytest.raises(IsoglotError, match=r"^an index: a package cannot be loaded: cannot import name 'none'"),
        needs("an index", "index"),
    ):
        from json import none  # type: ignore[attr-defined]  # noqa: F401


def test_the_doctor_knows_the_extras() -> None:
    missing = missing_packages()
    assert missing["bm25"] == []  # what the tests need is here
    said = run("doctor").stdout
    for extra, packages in missing.items():
        assert f"{extra} ({', '.join(packages)})" in said if packages else f"{extra}" in said


BASE = """
import json, sys
from importlib.machinery import PathFinder

hidden = json.loads(sys.argv[1])  # module -> package

class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in hidden else super().find_spec(name, path, target)

    @classmethod
    def find_distributions(cls, *arguments, **named):
        found = super().find_distributions(*arguments, **named)
        return (distribution for distribution in found if distribution.name not in hidden.values())

sys.meta_path[:] = [Finder if finder is PathFinder else finder for finder in sys.meta_path]

import isoglot
from isoglot.cli import main

def run(*command):
    try:
        main(command)
    except SystemExit as ended:
        assert not ended.code, (command, ended.code)

pools = ["--pool", "en,zh", "--device", "cpu", "--quiet"]
run("audit", "model", "--data", "mini@demo", *pools, "-o", "before")
for method in ("center", "soft-center", "lir", "leace", "wccn", "shift"):
    data = "mini@train" if method in ("wccn", "shift") else "corpus.jsonl"
    run("align", "model", "--method", method, "--data", data, "--languages", "en,zh", "--dev", "none", "-o", method)
run("audit", "center", "--data", "mini@demo", *pools, "-o", "after")
run("compare", "before", "after", "--details")
run("report", "before", "after", "-o", "report.md")
print("loaded:", sorted(hidden.keys() & {name.partition(".")[0] for name in sys.modules}))
"""
"""Audits, calibrates and compares where no optional package can be found."""


@pytest.mark.process
@pytest.mark.slow
def test_auditing_calibrating_and_comparing_need_no_optional_package(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "model").symlink_to(tiny_model)
    documents = [
        {"lang": tag, "text": f"{text} {n}"} for tag, text in (("en", "loaf"), ("zh", "面包")) for n in range(9)
    ]
    lines = [json.dumps({"_id": str(number), **document}) for number, document in enumerate(documents)]
    (tmp_path / "corpus.jsonl").write_text("\n".join(lines))
    in_base = {"httpx2", "markdown-it-py"}  # huggingface_hub and rich bring them
    hidden = {module: package for _, package, module in (*COMMANDS, *PYTHON) if package not in in_base}
    hidden |= {"accelerate": "accelerate", "pandas": "pandas"}  # come with peft and datasets
    environment = os.environ | SETTINGS | {"ISOGLOT_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", BASE, json.dumps(hidden)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded: []"
