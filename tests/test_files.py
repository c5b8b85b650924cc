"""Files and folders are whole or not there."""

from __future__ import annotations

import errno
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from isoglot import IsoglotError
from isoglot.platform import files
from isoglot.platform.checksums import CHECKSUMS
from isoglot.platform.files import cached_folder, new_folder, write_text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_written_file_has_the_usual_mode_and_replaces_the_old_one(tmp_path: Path) -> None:
    write_text(tmp_path / "sub" / "a.txt", "eins")
    write_text(tmp_path / "sub" / "a.txt", "zwei ä")
    assert (tmp_path / "sub" / "a.txt").read_bytes() == "zwei ä".encode()
    assert names(tmp_path / "sub") == ["a.txt"]
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "sub" / "a.txt").stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes with a name, and links for administrators")
def test_links_stay_and_pipes_are_written_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("sub/real.txt")
    write_text(tmp_path / "link", "one")
    write_text(tmp_path / "link", "two")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "sub" / "real.txt").read_text() == "two"
    os.mkfifo(pipe := tmp_path / "pipe")
    (tmp_path / "to pipe").symlink_to("pipe")
    for path in (pipe, tmp_path / "to pipe"):
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        write_text(path, "three")
        assert os.read(reader, 100) == b"three"
        os.close(reader)
    assert pipe.is_fifo()
    (tmp_path / "folder").symlink_to("real")
    for number in range(2):
        with new_folder(tmp_path / "folder", replaces="mark") as folder:
            (folder / "mark").write_text(str(number))
    assert (tmp_path / "folder").is_symlink()
    assert (tmp_path / "real" / "mark").read_text() == "1"
    assert names(tmp_path) == ["folder", "link", "pipe", "real", "sub", "to pipe"]


@pytest.mark.parametrize("name", [".", "..", "../here", ""])
def test_the_folder_one_is_in_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for replaces in (None, "mark"):
        with (
            pytest.raises(IsoglotError, match="is the folder that you are in, or holds it, and is not replaced"),
            new_folder(Path(name), replaces=replaces),
        ):
            pass


def test_a_full_disk_keeps_the_old_file_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text(tmp_path / "a.txt", "old")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(IsoglotError, match=r"a.txt: cannot write: the disk is full"):
        write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def write_too_much(target: Path) -> None:
    with new_folder(target, replaces="old") as folder:
        (folder / "a").write_text("complete")
        (folder / "b").write_bytes(b"x" * 1_000_000)


WITH_A_LIMIT = """
import resource, sys
from pathlib import Path
from isoglot import IsoglotError
from isoglot.platform.files import write_text
from tests.test_files import write_too_much
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
folder = Path(sys.argv[1])
for write in (lambda: write_text(folder / "a.txt", "x" * 1_000_000), lambda: write_too_much(folder / "out")):
    try:
        write()
    except IsoglotError as error:
        print(error)
"""


@pytest.mark.process
@pytest.mark.skipif(sys.platform == "win32", reason="there is no limit of file size on Windows")
def test_writing_that_really_fails_midway_leaves_the_old_and_nothing_beside(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")
    write_text(tmp_path / "out" / "old", "old")
    done = subprocess.run(
        [sys.executable, "-c", WITH_A_LIMIT, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    assert [line.split(": ")[1] for line in done.stdout.splitlines()] == ["cannot write", "cannot write"]
    assert (tmp_path / "a.txt").read_text() == "old"
    assert names(tmp_path / "out") == ["old"]
    assert names(tmp_path) == ["a.txt", "out"]


@pytest.mark.parametrize(
    ("reason", "told"), [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "the file system is read-only")]
)
def test_a_cached_folder_that_cannot_be_built_is_told_and_tried_again_next_time(
    tmp_path: Path, reason: int, told: str
) -> None:
    def fail(folder: Path) -> None:
        (folder / "a").write_text("half")
        raise OSError(reason, os.strerror(reason))

    with pytest.raises(IsoglotError, match=f"model: cannot write: {told}"):
        cached_folder(tmp_path / "model", fail)
    assert not [name for name in names(tmp_path) if not name.endswith(".lock")]
    built = cached_folder(tmp_path / "model", lambda folder: write_text(folder / "a", "whole"))
    assert (built / "a").read_text() == "whole"


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(IsoglotError, match="cannot write"):
        write_text(tmp_path / "file" / "a.txt", "x")
    with pytest.raises(IsoglotError, match="cannot write"), new_folder(tmp_path / "file" / "sub"):
        pass
    with pytest.raises(IsoglotError, match="cannot write"):
        cached_folder(tmp_path / "file" / "model", lambda folder: None)


def interrupted(target: Path) -> None:
    with new_folder(target) as folder:
        (folder / "a").write_text("1")
        raise KeyboardInterrupt


def test_a_folder_appears_when_it_is_complete_and_not_after_a_failure(tmp_path: Path) -> None:
    with new_folder(tmp_path / "out") as folder:
        (folder / "a").write_text("1")
        assert not (tmp_path / "out").exists()
    assert names(tmp_path) == ["out"]
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path / "other")
    assert names(tmp_path) == ["out"]


def test_an_old_folder_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("")
    with pytest.raises(IsoglotError, match="exists already"), new_folder(tmp_path / "out"):
        pass
    with pytest.raises(ValueError, match="broken"), new_folder(tmp_path / "out", replaces="old"):
        raise ValueError("broken")
    assert names(tmp_path / "out") == ["old"]
    with new_folder(tmp_path / "out", replaces="old") as folder:
        (folder / "new").write_text("")
    assert names(tmp_path / "out") == ["new"]
    assert names(tmp_path) == ["out"]


def test_only_a_folder_with_the_mark_or_an_empty_one_is_replaced(tmp_path: Path) -> None:
    for name in ("thesis/thesis.tex", "file"):
        write_text(tmp_path / name, "mine")
    (tmp_path / "empty").mkdir()
    for name, message in (("thesis", "it has no mark"), ("file", "is a file")):
        with pytest.raises(IsoglotError, match=message), new_folder(tmp_path / name, replaces="mark"):
            raise AssertionError("nothing is written before the check")
    assert (tmp_path / "thesis" / "thesis.tex").read_text() == (tmp_path / "file").read_text() == "mine"
    for _ in range(2):
        with new_folder(tmp_path / "empty", replaces="mark") as folder:
            (folder / "mark").touch()
    assert names(tmp_path) == ["empty", "file", "thesis"]


def test_what_another_process_wrote_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    for replaces in (None, "mark"):
        with (
            pytest.raises(IsoglotError, match=r"exists already|has no mark"),
            new_folder(tmp_path / "out", replaces=replaces),
        ):
            write_text(tmp_path / "out" / "theirs", "x")
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["theirs"]


def killed_while_writing(folder: Path, where: str, pid: int | None = None) -> None:
    """End as by SIGKILL in the middle of a file, of a folder, or between the two renames of a folder."""
    replace = Path.replace
    if pid is not None:
        os.getpid = lambda: pid

    def dying(path: Path, target: Path) -> Path:
        if where == "between" and path.name.startswith(".out") and Path(target).name == "out":
            os._exit(9)
        return replace(path, target)

    Path.replace = dying  # type: ignore[assignment,method-assign]
    if where == "file":
        with files.new_file(folder / "a.txt") as unfinished:
            unfinished.write_text("half")
            os._exit(9)
    with new_folder(folder / "out", replaces="mark") as unfinished:
        (unfinished / "mark").write_text("new")
        if where == "folder":
            os._exit(9)


@pytest.mark.process
@pytest.mark.parametrize("where", ["file", "folder", "between"])
def test_what_a_killed_run_left_is_removed_by_the_next_and_an_old_folder_comes_back(tmp_path: Path, where: str) -> None:
    write_text(tmp_path / "out" / "mark", "old")
    process = multiprocessing.get_context("spawn").Process(target=killed_while_writing, args=(tmp_path, where))
    process.start()
    with files.new_file(tmp_path / "a.txt") as unfinished:  # a running process keeps its own
        unfinished.write_text("whole")
        process.join()
        assert process.exitcode == 9
        assert len(names(tmp_path)) >= 3
        write_text(tmp_path / "a.txt", "other")
    with pytest.raises(ValueError, match="broken"), new_folder(tmp_path / "out", replaces="mark"):
        raise ValueError("broken")
    assert names(tmp_path) == ["a.txt", "out"]
    assert (tmp_path / "a.txt").read_text() == "whole"
    assert (tmp_path / "out" / "mark").read_text() == "old"


@pytest.mark.process
def test_what_a_killed_run_of_the_same_process_id_left_is_removed(tmp_path: Path) -> None:
    """In a container the process of every run has the id 1."""
    arguments = (tmp_path, "file", os.getpid())
    process = multiprocessing.get_context("spawn").Process(target=killed_while_writing, args=arguments)
    process.start()
    process.join()
    assert len(names(tmp_path)) == 1
    with files.new_file(tmp_path / "a.txt") as unfinished:
        unfinished.write_text("whole")
        write_text(tmp_path / "a.txt", "other")  # this process keeps its own
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("refused", [1, 2])
def test_a_folder_that_the_system_does_not_let_go_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: int
) -> None:
    """Windows renames no folder in which a file is open: the old one at the first renaming, the new at the second."""
    write_text(tmp_path / "out" / "old", "old")
    replace, renamings = Path.replace, []

    def renaming(path: Path, target: Path) -> Path:
        renamings.append(path)
        if len(renamings) == refused:
            raise PermissionError(errno.EACCES, "Access is denied")
        return replace(path, target)

    def replaced(target: Path) -> None:
        with new_folder(target, replaces="old") as folder:
            (folder / "new").write_text("new")
            monkeypatch.setattr(Path, "replace", renaming)

    with pytest.raises(IsoglotError, match="out: cannot write: Access is denied"):
        replaced(tmp_path / "out")
    assert names(tmp_path / "out") == ["old"]
    assert names(tmp_path) == ["out"]


def build_slowly(target: Path, log: Path) -> None:
    def build(folder: Path) -> None:
        with log.open("a") as file:
            file.write("built\n")
        time.sleep(0.5)
        (folder / "a").write_text("x")

    cached_folder(target, build)


@pytest.mark.process
def test_two_processes_build_a_cached_folder_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=build_slowly, args=(tmp_path / "c", tmp_path / "log")) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert (tmp_path / "log").read_text() == "built\n"
    assert names(tmp_path / "c") == ["a", CHECKSUMS]


@pytest.mark.parametrize("damage", ["zeros", "cut", "gone", "record", "no record"])
def test_a_damaged_folder_of_the_cache_is_told_and_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    def build(folder: Path) -> None:
        (folder / "sub").mkdir()
        (folder / "sub" / "weights").write_bytes(bytes(range(256)) * 4096)

    target = tmp_path / "model"
    cached_folder(target, build)
    whole = (target / "sub" / "weights").read_bytes()
    if damage in ("record", "no record"):
        (target / CHECKSUMS).write_text("{") if damage == "record" else (target / CHECKSUMS).unlink()
    else:
        broken = {"zeros": whole[:1000] + bytes(2**18) + whole[1000 + 2**18 :], "cut": whole[:-1], "gone": b""}[damage]
        (target / "sub" / "weights").write_bytes(broken)
    monkeypatch.setattr(files, "_sound_folders", set())  # as in the next process
    cached_folder(target, build)
    assert "model: is made again, since " in caplog.text
    assert (target / "sub" / "weights").read_bytes() == whole
    assert names(tmp_path) == ["model", "model.lock"]
    caplog.clear()
    monkeypatch.setattr(files, "_sound_folders", set())
    cached_folder(target, build)
    assert not caplog.text


def test_the_cache_is_where_the_variable_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOGLOT_CACHE", "~/somewhere")
    assert files.cache_dir() == Path.home() / "somewhere"
    monkeypatch.delenv("ISOGLOT_CACHE")
    assert files.cache_dir().name == "isoglot"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows looks up no homes")
def test_a_home_that_the_system_does_not_know_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs under a user id without an entry in /etc/passwd."""
    import pwd

    def unknown(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setenv("ISOGLOT_CACHE", "~nobody-of-this-name/x")
    with pytest.raises(IsoglotError, match=r"ISOGLOT_CACHE is '~nobody-of-this-name/x', and .*; set ISOGLOT_CACHE"):
        files.cache_dir()
    assert files.expanded("~nobody-of-this-name/x") == Path("~nobody-of-this-name/x")
    for name in ("ISOGLOT_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(IsoglotError, match="the cache lies in the home folder, and the system knows no such home; set"):
        files.cache_dir()
    assert files.expanded("~/x") == Path("~/x")
