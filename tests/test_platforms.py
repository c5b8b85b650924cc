"""isoglot on Windows and macOS, as far as that can be seen from here: without what only POSIX has."""

from __future__ import annotations

import ast
import ctypes
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from isoglot.platform.process import peak_memory_mib

SOURCE = Path(__file__).parents[1] / "src" / "isoglot"
POSIX_MODULES = "crypt fcntl grp nis pty pwd readline resource spwd syslog termios tty".split()
POSIX_NAMES = {
    "os": "fork forkpty getuid geteuid getgid getegid setsid killpg getpgid mkfifo mknod uname wait chown nice "
    "sched_getaffinity sched_setaffinity getloadavg pread pwrite O_DIRECTORY O_NOFOLLOW openpty sysconf".split(),
    "signal": "SIGKILL SIGHUP SIGQUIT SIGUSR1 SIGUSR2 SIGALRM SIGCHLD SIGPIPE alarm pause setitimer sigwait "
    "pthread_kill pthread_sigmask".split(),
    "socket": "AF_UNIX socketpair SO_REUSEPORT".split(),
    "time": ["tzset"],
}


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, json.dumps(POSIX_MODULES), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


EVERY_HELP = """
import json, sys
sys.modules.update(dict.fromkeys(json.loads(sys.argv[1])))  # None: importing it fails
import typer
from isoglot.cli import app, main

def paths(command, path):
    yield path
    for name, subcommand in getattr(command, "commands", {}).items():
        yield from paths(subcommand, [*path, name])

for path in paths(typer.main.get_command(app), []):
    try:
        main([*path, "--help"])
    except SystemExit as exit:
        print("EXIT", exit.code, *path)
"""


@pytest.mark.process
def test_every_command_starts_where_no_module_of_posix_is() -> None:
    done = run(EVERY_HELP)
    assert done.returncode == 0, done.stderr
    exits = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("EXIT")]
    assert len(exits) > 20
    assert {code for code, *_ in exits} == {"0"}
    assert {path[0] for _, *path in exits if path} >= {"audit", "align", "index", "serve", "data", "doctor"}


EVERY_MODULE = """
import builtins, importlib, json, pkgutil, sys
hidden, importing = json.loads(sys.argv[1]), builtins.__import__

def without_posix(name, globals=None, locals=None, fromlist=(), level=0):
    if name in hidden and (globals or {}).get("__name__", "").partition(".")[0] == "isoglot":
        raise ImportError(f"{globals['__name__']} imports {name}", name=name)
    return importing(name, globals, locals, fromlist, level)

builtins.__import__ = without_posix  # other packages have their own ways on other systems
import isoglot
from isoglot.platform.process import peak_memory_mib

names = [module.name for module in pkgutil.walk_packages(isoglot.__path__, "isoglot.") if "__main__" not in module.name]
for name in names:
    importlib.import_module(name)
print(len(names), peak_memory_mib())
"""


@pytest.mark.process
@pytest.mark.slow
def test_no_module_of_isoglot_needs_one_of_posix() -> None:
    done = run(EVERY_MODULE)
    assert done.returncode == 0, done.stderr
    modules, peak = done.stdout.split()[-2:]
    assert int(modules) > 150
    assert peak == "None"


@pytest.fixture(scope="module")
def nodes() -> list[tuple[str, ast.AST]]:
    """The syntax tree of each module, with the place of each node."""
    return [
        (f"{path.relative_to(SOURCE)}:{getattr(node, 'lineno', 0)}", node)
        for path in sorted(SOURCE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    ]


def test_no_name_of_posix_is_used(nodes: list[tuple[str, ast.AST]]) -> None:
    used = []
    for place, node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module, names = node.value.id, {node.attr}
        elif isinstance(node, ast.ImportFrom):
            module, names = node.module or "", {alias.name for alias in node.names}
        else:
            continue
        used += [f"{place} {module}.{name}" for name in names & set(POSIX_NAMES.get(module, []))]
    assert used == []


def test_text_is_read_and_written_in_utf_8_and_with_the_same_line_ends_everywhere(
    nodes: list[tuple[str, ast.AST]],
) -> None:
    """Windows has another encoding where none is named, and writes a carriage return before each line feed."""
    wrong = []
    for place, node in nodes:
        if not isinstance(node, ast.Call) or ast.unparse(node.func) in ("tarfile.open", "gzip.open", "os.open"):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        first = node.args[0] if node.args else ast.Constant("r")
        mode = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
        opens_text = name == "open" and mode is not None and "b" not in mode
        reads, writes = opens_text and "r" in str(mode), opens_text and "r" not in str(mode)
        keywords = {keyword.arg for keyword in node.keywords}
        needed = set()
        if name == "read_text" or reads or (name in ("run", "Popen") and "text" in keywords):
            needed = {"encoding"}
        if (name == "write_text" and len(node.args) == 1) or writes:  # isoglot's own write_text has two
            needed = {"encoding", "newline"}
        wrong += [f"{place} {name} without {keyword}" for keyword in needed - keywords]
    assert wrong == []


def test_peak_memory_is_plausible_here() -> None:
    peak = peak_memory_mib()
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text()
        stated = int(status.split("VmHWM:")[1].split()[0]) / 1024
        assert peak == pytest.approx(stated, rel=0.2)
    assert peak is None or 10 < peak < 100_000


@pytest.mark.parametrize("answers", [True, False])
def test_peak_memory_on_windows_is_what_its_kernel_says(monkeypatch: pytest.MonkeyPatch, answers: bool) -> None:
    class Call:
        def __init__(self, function: Any) -> None:
            self.function = function

        def __call__(self, *arguments: Any) -> Any:
            return self.function(*arguments)

    def memory_info(process: int, counters: Any, size: int) -> bool:
        assert (process, size) == (-1, ctypes.sizeof(counters._obj))
        counters._obj.PeakWorkingSetSize = 300 * 2**20
        return answers

    kernel32 = SimpleNamespace(GetCurrentProcess=Call(lambda: -1), K32GetProcessMemoryInfo=Call(memory_info))
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(kernel32=kernel32), raising=False)
    assert peak_memory_mib() == (300 if answers else None)
