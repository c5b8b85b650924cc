"""The commands as a user types them: most in this process, three in processes of their own."""

from __future__ import annotations

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from isoglot import audit
from isoglot.alignment.registry import METHODS
from isoglot.cli import app
from isoglot.cli.align import align
from isoglot.encoders.bundled import e5_small_q4
from isoglot.encoders.cache import VectorCache
from isoglot.platform.checksums import write_checksums
from isoglot.platform.version import __version__
from isoglot.scale.shards import read_vectors
from isoglot.training_data.row import write_rows
from tests.command_line import SETTINGS, isoglot
from tests.parallel import parallel_rows
from tests.test_sources import CORPUS, QUERIES, write


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A BEIR folder in English and Chinese spelled in two ways."""
    return write(tmp_path_factory.mktemp("data") / "mine", CORPUS, QUERIES)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.mark.process
def test_neither_import_nor_help_load_anything_heavy() -> None:
    code = (
        "import sys, isoglot\nfrom isoglot.cli import main\nsys.argv = ['isoglot', '--help']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print([m for m in ('torch', 'pandas', 'numpy', 'transformers', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.process
def test_python_m_isoglot_is_the_command_line() -> None:
    done = subprocess.run([sys.executable, "-m", "isoglot", "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: isoglot [OPTIONS] COMMAND")
    assert "align" in done.stdout


def test_the_version_is_that_of_the_package() -> None:
    assert isoglot("--version").stdout == f"isoglot {__version__}\n"


@pytest.fixture
def shell(tmp_path: Path) -> Callable[[str], str]:
    """Runs lines of bash with ``isoglot`` on the path and a home folder of the test's own; returns what they print."""
    program = tmp_path / "bin" / "isoglot"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nfrom isoglot.__main__ import main\nmain()\n")
    program.chmod(0o755)
    environment = os.environ | {"HOME": str(tmp_path), "PATH": f"{program.parent}:{os.environ['PATH']}"}

    def run(lines: str) -> str:
        command = ["bash", "--norc", "-c", f"{lines}\n:"]  # bash stays the parent of the last line, and is so detected
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=True, timeout=60).stdout

    return run


@pytest.mark.process
@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not here")
@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("isoglot al", "align"),
        ("isoglot data b", "build"),
        ("isoglot align --micro", "--micro-batch"),
        ("isoglot audit x --scaled-", "--scaled-k --scaled-weight"),
    ],
)
def test_bash_completes_commands_and_options(shell: Callable[[str], str], typed: str, expected: str) -> None:
    """As bash does when Tab is pressed."""
    words = len(typed.split()) - 1
    lines = (
        'eval "$(isoglot --show-completion)"',
        f"COMP_WORDS=({typed}) COMP_CWORD={words}",
        "_isoglot_completion isoglot",
        'echo "${COMPREPLY[@]}"',
    )
    assert shell("\n".join(lines)) == f"{expected}\n"


@pytest.mark.process
@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not here")
def test_completion_is_installed_for_the_shell_in_use(shell: Callable[[str], str], tmp_path: Path) -> None:
    assert "bash completion installed" in shell("isoglot --install-completion")
    assert "isoglot.sh" in (tmp_path / ".bashrc").read_text()
    assert "_ISOGLOT_COMPLETE=complete_bash" in (tmp_path / ".bash_completions" / "isoglot.sh").read_text()


@pytest.mark.process
@pytest.mark.slow
def test_an_audit_in_a_process_of_its_own_prints_what_it_prints_in_this_one(
    tiny_model: Path, data: str, cache: Path
) -> None:
    arguments = ["audit", str(tiny_model), "--data", data, "--pool", "en,zho_Hans"]
    command = [sys.executable, "-c", "from isoglot.cli import main; main()", *arguments]
    environment = os.environ | SETTINGS | {"ISOGLOT_CACHE": str(cache)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == isoglot(*arguments, cache=cache).stdout


@pytest.mark.parametrize(
    "command",
    [
        "audit",
        "align",
        "compare",
        "report",
        "reproduce",
        "index",
        "search",
        "export",
        "serve",
        "sources",
        "models",
        "cache",
        "doctor",
    ],
)
def test_every_command_has_help(command: str) -> None:
    done = isoglot(command, "--help")
    assert done.returncode == 0
    assert "Usage" in done.stdout


def test_no_help_text_has_brackets_that_rich_takes_for_markup() -> None:
    def texts(command: Any) -> Iterator[str]:
        yield command.help or ""
        yield from (getattr(parameter, "help", None) or "" for parameter in command.params)
        for subcommand in getattr(command, "commands", {}).values():
            yield from texts(subcommand)

    assert [text for text in texts(typer.main.get_command(app)) if re.search(r"\[[a-z]", text)] == []


def test_audit_writes_its_files_again_and_refuses_anothers_folder(
    tiny_model: Path, data: str, cache: Path, tmp_path: Path
) -> None:
    command = ("audit", tiny_model, "--data", data, "--pool", "en,zho_Hans", "-o", tmp_path / "out")
    done = isoglot(*command, "--runs", cache=cache)
    assert done.returncode == 0, done.stderr
    assert "English questions among 3 documents in en+zho_Hans" in done.stdout
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"audit.json", "audit.md", "ranks.npz", "runs"}
    assert (tmp_path / "out" / "runs" / "multi.en+zho_Hans.en.run").is_file()
    assert isoglot(*command, cache=cache).returncode == 0
    for other in (("--limit", "1"), ("--documents-mode", "per-question")):
        refused = isoglot(*command, *other, cache=cache)
        assert refused.returncode == 2
        assert "holds another audit" in refused.stderr
    assert isoglot(*command, "--limit", "1", "--force", cache=cache).returncode == 0


def test_balanced_audits_have_folders_of_their_own_and_compare_with_plain_ones(
    tiny_model: Path, data: str, cache: Path, tmp_path: Path
) -> None:
    plain, balanced = tmp_path / "plain", tmp_path / "balanced"
    command = ("audit", tiny_model, "--data", data, "--pool", "en,zho_Hans", "--scenarios", "multi")
    audit(str(tiny_model), data, pools=[["en", "zho_Hans"]], scenarios=["multi"]).save(plain)
    refused = isoglot(*command, "--balance", "equal", "-o", plain, cache=cache)
    assert refused.returncode == 2
    assert "plain: holds another audit, of " in refused.stderr
    done = isoglot(*command, "--balance", "equal", "-o", balanced, cache=cache)
    assert done.returncode == 0, done.stderr
    assert "documents in en+zho_Hans, equal balance: median rank" in done.stdout
    assert json.loads((balanced / "audit.json").read_text())["balance"] == "equal"
    done = isoglot("compare", plain, balanced, "--details")
    assert done.returncode == 0, done.stderr
    assert "tiny, equal balance" in done.stdout


def test_scaling_takes_its_options(tiny_model: Path, data: str, cache: Path, tmp_path: Path) -> None:
    command = ("audit", tiny_model, "--data", data, "--pool", "en,zho_Hans", "--scenarios", "multi")
    for given, stated in (
        ((), "scaled"),
        (("--scaled-k", "2"), "scaled(k=2, weight=0.7)"),
        (("--scaled-weight", "1"), "scaled(k=5, weight=1)"),
    ):
        done = isoglot(*command, "--balance", "scaled", *given, "--json", cache=cache)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["balance"] == stated
    refused = isoglot(*command, "--balance", "equal", "--scaled-k", "2", cache=cache)
    assert refused.returncode == 2
    assert (
        refused.stderr == "isoglot: --scaled-k, --scaled-weight and --prefer-query-language go with --balance scaled\n"
    )


def test_every_command_that_ends_by_itself_can_print_json() -> None:
    top = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    commands = {name: found for name, found in top.items() if name not in ("data", "serve")} | top["data"].commands
    assert len(commands) >= 14
    assert [name for name, found in commands.items() if "--json" not in [o for p in found.params for o in p.opts]] == []


def test_json_is_alone_on_standard_output(tiny_model: Path, data: str, cache: Path, tmp_path: Path) -> None:
    audits = [tmp_path / name for name in ("a", "b")]
    for folder in audits:
        audit(str(tiny_model), data).save(folder)
    write_rows(tmp_path / "rows.jsonl", parallel_rows(20))
    align = ("align", tiny_model, "--method", "center", "--data", tmp_path / "rows.jsonl", "-o", tmp_path / "aligned")
    export = ("data", "export", tmp_path / "rows.jsonl", "--to", "beir", "-o", tmp_path / "beir")
    done = isoglot("audit", tiny_model, "--data", data, "--json", cache=cache)
    assert json.loads(done.stdout)["schema"] == "isoglot.audit/1"
    for command, key, expected in (
        (("compare", *audits), "schema", "isoglot.comparison/1"),
        (("report", audits[0], "-o", tmp_path / "r.md"), "report", str(tmp_path / "r.md")),
        (align, "schema", "isoglot.alignment/1"),
        (export, "rows", 20),
    ):
        found = isoglot(*command, "--json")
        assert found.returncode == 0, found.stderr
        assert json.loads(found.stdout)[key] == expected
    for listed in (["sources"], ["models"], ["data", "origins"]):
        assert json.loads(isoglot(*listed, "--json").stdout)


def test_the_doctor_says_what_is_wrong_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = isoglot("doctor", "--json", cache=tmp_path / "file")
    assert done.returncode == 1
    checks = json.loads(done.stdout)["checks"]
    assert ("ok", "torch") in [(check["state"], check["what"].split()[0]) for check in checks]
    failed = [check["what"] for check in checks if check["state"] == "FAIL"]
    assert any(what.endswith("set ISOGLOT_CACHE to a folder you can write to") for what in failed)
    assert "\nFAIL cache" in isoglot("doctor", cache=tmp_path / "file").stdout


def test_the_doctor_looks_deep_into_the_cache_and_into_folders_that_are_named(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(e5_small_q4, "model_folder", lambda: tmp_path)  # converting it would take half a minute
    cache, corpus = tmp_path / "cache", tmp_path / "corpus.jsonl"
    corpus.write_text("".join(f'{{"_id": "{n}", "lang": "en", "text": "loaf {n}"}}\n' for n in range(3)))
    for command in ("index", "encode"):
        made = isoglot(command, corpus, "-m", tiny_model, "-o", tmp_path / command, "--device", "cpu", cache=cache)
        assert made.returncode == 0, made.stderr
    (model := cache / "models" / "m").mkdir(parents=True)
    (model / "weights").write_bytes(bytes(100))
    write_checksums(model)
    check = ("doctor", "--deep", tmp_path / "index", tmp_path / "encode")
    whole = isoglot(*check, cache=cache).stdout
    for expected in ("ok   model m: all files", "ok   kept vectors", "index: an index,", "encode: 3 texts in 1"):
        assert expected in whole, whole
    (kept,) = (cache / "vectors").glob("*.sqlite")
    for path in (
        model / "weights",
        kept,
        *(tmp_path / "index").glob("*/data/*"),
        *(tmp_path / "encode").glob("*.par*"),
    ):
        data = bytearray(path.read_bytes())
        of_vectors = path.suffix == ".parquet"  # most of the file is what Parquet says of its columns
        data[data.index(read_vectors(path).tobytes()[:16]) if of_vectors else len(data) // 2] ^= 1
        path.write_bytes(data)
    done = isoglot(*check, tmp_path / "none", cache=cache)
    assert done.returncode == 1
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
    for expected in (
        "model m: weights is damaged",
        kept.name,
        ": is damaged: its checksum",
        "documents-000000",
        "none: ",
    ):
        assert sum(expected in line for line in failed) == 1, done.stdout
    (shard,) = (tmp_path / "encode").glob("*.parquet")
    shard.unlink()
    assert "encode: holds 0 documents and was made of 3" in isoglot(*check, cache=cache).stdout


def test_the_cache_is_shown_by_model_pruned_and_cleared(tmp_path: Path, tiny_model: Path) -> None:
    cache, corpus = tmp_path / "cache", tmp_path / "corpus.jsonl"
    corpus.write_text('{"_id": "1", "lang": "en", "text": "loaf"}\n')
    assert isoglot("index", corpus, "-m", tiny_model, "-o", tmp_path / "index", cache=cache).returncode == 0
    VectorCache({"role": "query"}, cache / "vectors", model="other").put(["a", "b"], np.zeros((2, 4), dtype=np.float32))
    (cache / "vectors" / "x.damaged").write_bytes(bytes(9))

    def shown(*arguments: object) -> list[tuple[str, str, int | None]]:
        kept = json.loads(isoglot("cache", "--json", *arguments, cache=cache).stdout)["kept"]
        return sorted(("+".join(entry["models"]), entry["role"], entry["texts"]) for entry in kept)

    assert shown() == [("", "", None), (str(tiny_model), "document", 1), ("other", "query", 2)]
    assert str(tiny_model) in isoglot("cache", cache=cache).stdout
    (other,) = (path for path in (cache / "vectors").glob("*.sqlite") if b"other" in path.read_bytes())
    os.utime(other, (0, 0))
    assert isoglot("index", corpus, "-m", tiny_model, "-o", tmp_path / "again", cache=cache).returncode == 0
    assert shown("--older-than", 30) == [("", "", None), (str(tiny_model), "document", 1)]
    assert shown("--max-size", 1) == shown()
    assert shown("--model", tiny_model, "--clear") == []
    assert shown() == [("", "", None)]
    assert isoglot("cache", "--clear", cache=cache).stdout.endswith("removed 0.0 MiB in 1 files\n")
    assert list((cache / "vectors").iterdir()) == []
    assert isoglot("cache", "--clear", "--max-size", 1, cache=cache).returncode == 2


@pytest.mark.slow
def test_align_audit_and_compare(tiny_model: Path, cache: Path, tmp_path: Path) -> None:
    aligned, training = tmp_path / "aligned", ("--method", "jsd-nce", "--epochs", "0.1", "--batch-size", "4")
    done = isoglot(
        "align", tiny_model, *training, "--data", "mini@demo-train", "--languages", "en,de", "-o", aligned, cache=cache
    )
    assert done.returncode == 0, done.stderr
    pool = ("--data", "mini@demo", "--pool", "en,de", "--scenarios", "multi,mono-same")
    assert isoglot("audit", tiny_model, *pool, "-o", tmp_path / "before", cache=cache).returncode == 0
    assert isoglot("audit", aligned, *pool, "-o", tmp_path / "after", cache=cache).returncode == 0
    done = isoglot("compare", tmp_path / "before", tmp_path / "after", "--details", "-o", tmp_path / "both")
    assert done.returncode == 0, done.stderr
    assert "mini@demo: before and after" in done.stdout
    assert json.loads((tmp_path / "both" / "comparison.json").read_text())["schema"] == "isoglot.comparison/1"
    assert (tmp_path / "both" / "comparison.md").is_file()


@pytest.mark.slow
def test_an_alignment_that_lost_too_much_prints_its_table_and_exits_with_3(
    tiny_model: Path, cache: Path, tmp_path: Path
) -> None:
    write_rows(tmp_path / "rows.jsonl", parallel_rows(40))
    collapse = ("--method", "jsd-nce", "--no-nce", "--learning-rate", "0.1", "--batch-size", "16")
    done = isoglot(
        "align", tiny_model, *collapse, "--data", tmp_path / "rows.jsonl", "-o", tmp_path / "out", cache=cache
    )
    assert done.returncode == 3, done.stderr
    assert "before and after" in done.stdout
    assert done.stderr.splitlines()[-1].startswith("isoglot: mono-same ndcg@10 changed by -")
    assert not (tmp_path / "out").exists()
    record = json.loads((tmp_path / "out.lossy" / "isoglot.json").read_text())
    assert (record["options"]["jsd_weight"], record["options"]["nce_weight"]) == (1.0, 0.0)


def test_every_option_of_a_method_is_one_of_the_command() -> None:
    known = inspect.signature(align).parameters
    for method in METHODS.values():
        assert set(method.option_names) <= set(known), method.name


def test_sources_and_models_are_listed() -> None:
    assert "folder:DIR[@SPLIT]" in isoglot("sources").stdout
    assert "e5-small-q4" in isoglot("models").stdout


def test_what_the_user_did_wrong_is_one_line_and_exit_code_2(
    tiny_model: Path, data: str, cache: Path, tmp_path: Path
) -> None:
    broken = write(tmp_path / "broken", b'{"_id": "d1", "lang": "en"}\n')
    out = tmp_path / "out"
    for arguments, message in (
        (("audit", tiny_model, "--data", "nope"), "unknown source 'nope'"),
        (
            ("audit", tiny_model, "--data", broken, "-o", out),
            "left out: documents without text (field 'text' or 'title'): 1, first in corpus.jsonl:1",
        ),
        (("audit", tiny_model, "--data", data, "--pool", "en,ja", "-o", out), "no text in 'ja'"),
        (("audit", tiny_model, "--data", data, "--runs"), "--runs needs -o DIR"),
        (("audit", tmp_path / "nope", "--data", data, "-o", out), "no such model folder"),
        (("align", tiny_model, "--method", "magic", "--data", data, "-o", out), "unknown method 'magic'"),
        (
            ("align", tiny_model, "--method", "center", "--epochs", "2", "--data", data, "-o", out),
            "has no option 'epochs'",
        ),
        (("compare", tmp_path), "at least two"),
    ):
        done = isoglot(*arguments, cache=cache)
        assert done.returncode == 2, arguments
        assert message in done.stderr
        assert done.stderr.startswith("isoglot: ")
        assert done.stderr.count("\n") == 1
        assert not done.stdout
        assert not out.exists()


def test_a_missing_option_is_a_usage_error(tiny_model: Path) -> None:
    done = isoglot("audit", tiny_model)
    assert done.returncode == 2
    assert "--data" in done.stderr
