"""`Downloads` with the real apt, dpkg-deb and npm, on an archive and a registry of the tests' own."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from isoglot.platform import downloads
from isoglot.platform.downloads import Downloads, Package, SourceMissingError
from tests.archives import Archive, Registry, served

pytestmark = pytest.mark.process

needs_apt = pytest.mark.skipif(
    not all(map(shutil.which, ("apt-get", "apt-cache", "dpkg", "dpkg-deb"))), reason="needs apt and dpkg-deb"
)
needs_npm = pytest.mark.skipif(not shutil.which("npm"), reason="needs npm")


def _all(files: Iterator[tuple[str, bytes]]) -> dict[str, str]:
    return {path: content.decode() for path, content in files}


def _everything(path: str) -> bool:
    return True


HELP = {"usr/share/help/de/index.html": "Hilfe", "usr/share/help/de/logo.svg": "bild", "usr/share/doc/copyright": "MPL"}


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Archive:
    """An archive that the machine's apt is pointed at. By `copy:`, since apt only links to the lists of `file:`."""
    made = Archive(tmp_path / "archive")
    made.add("help-de", "1:1.0-1", HELP)
    made.add("help-fr", "2.0", {"usr/share/help/fr/index.html": "aide"})
    _point_apt_at(f"copy:{made.root} stable main non-free", tmp_path, monkeypatch)
    return made


def _point_apt_at(source: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "sources.list").write_text(f"deb [trusted=yes] {source}\n")
    (folder / "apt.conf").write_text(
        f"""
        Dir::Etc::sourcelist "{folder}/sources.list";
        Dir::Etc::sourceparts "/dev/null";
        Acquire::Languages "none";
        Acquire::http::Proxy "DIRECT";
        APT::Update::Post-Invoke {{ "touch {folder}/hook"; }};
        APT::Update::Post-Invoke-Success {{ "touch {folder}/hook"; }};
        """
    )
    monkeypatch.setenv("APT_CONFIG", str(folder / "apt.conf"))


# apt


@needs_apt
def test_names_are_those_that_the_pattern_matches_whole(archive: Archive, tmp_path: Path) -> None:
    fetched = Downloads(tmp_path / "private")
    assert fetched.debian_names("help-..") == ["help-de", "help-fr"]
    assert fetched.debian_names("help") == []


@needs_apt
def test_the_wanted_files_of_a_package_are_read(archive: Archive, tmp_path: Path) -> None:
    fetched = Downloads(tmp_path / "private")
    wanted = _all(fetched.debian_files("help-de", lambda path: path.endswith((".html", "copyright"))))
    assert wanted == {"usr/share/help/de/index.html": "Hilfe", "usr/share/doc/copyright": "MPL"}
    size = (archive.root / "pool" / "help-de_1%3a1.0-1_all.deb").stat().st_size
    assert fetched.used == {Package("apt:help-de", "1:1.0-1", size)}
    assert fetched.fetched >= size


@needs_apt
def test_files_need_not_be_read_to_the_end(archive: Archive, tmp_path: Path) -> None:
    archive.add("big", "1", {f"usr/{number}": f"{number}" * 200_000 for number in range(5)})
    files = Downloads(tmp_path / "private").debian_files("big", _everything)
    assert next(files)[1].decode() == "0" * 200_000
    files.close()  # type: ignore[attr-defined]


@needs_apt
def test_a_second_use_fetches_nothing(archive: Archive, tmp_path: Path) -> None:
    first = Downloads(tmp_path / "private")
    files = _all(first.debian_files("help-de", _everything))
    shutil.rmtree(archive.root / "pool")
    second = Downloads(tmp_path / "private")
    assert _all(second.debian_files("help-de", _everything)) == files
    assert second.fetched <= archive.release.stat().st_size, "`copy:` does not know that it has not changed"
    assert second.used == first.used


@needs_apt
@pytest.mark.parametrize("kept", [0, 100])
def test_a_package_that_was_cut_off_is_fetched_anew(archive: Archive, tmp_path: Path, kept: int) -> None:
    _all(Downloads(tmp_path / "private").debian_files("help-de", _everything))
    deb = next((tmp_path / "private").rglob("help-de_*.deb"))
    deb.write_bytes(deb.read_bytes()[:kept])
    again = Downloads(tmp_path / "private")
    assert _all(again.debian_files("help-de", _everything)) == HELP
    assert again.fetched >= deb.stat().st_size


@needs_apt
def test_a_damaged_package_is_told_and_the_next_run_fetches_it(archive: Archive, tmp_path: Path) -> None:
    _all(Downloads(tmp_path / "private").debian_files("help-de", _everything))
    deb = next((tmp_path / "private").rglob("help-de_*.deb"))
    deb.write_bytes(b"\0" * deb.stat().st_size)
    with pytest.raises(SourceMissingError, match=r"help-de_.*\.deb: damaged; run again"):
        _all(Downloads(tmp_path / "private").debian_files("help-de", _everything))
    assert _all(Downloads(tmp_path / "private").debian_files("help-de", _everything)) == HELP


@needs_apt
def test_a_new_version_is_picked_up(archive: Archive, tmp_path: Path) -> None:
    _all(Downloads(tmp_path / "private").debian_files("help-de", _everything))
    archive.add("help-de", "1:1.1-1", {"usr/share/help/de/index.html": "Neue Hilfe"})
    fetched = Downloads(tmp_path / "private")
    assert _all(fetched.debian_files("help-de", _everything)) == {"usr/share/help/de/index.html": "Neue Hilfe"}
    assert [package.version for package in fetched.used] == ["1:1.1-1"]


@needs_apt
def test_a_package_that_vanished_is_missing(archive: Archive, tmp_path: Path) -> None:
    _all(Downloads(tmp_path / "private").debian_files("help-de", _everything))
    archive.remove("help-de")
    with pytest.raises(SourceMissingError, match="has no package help-de"):
        _all(Downloads(tmp_path / "private").debian_files("help-de", _everything))


@needs_apt
def test_a_package_that_cannot_be_fetched_is_missing(archive: Archive, tmp_path: Path) -> None:
    shutil.rmtree(archive.root / "pool")
    with pytest.raises(SourceMissingError, match=r"^apt-get: Failed to fetch .*help-de"):
        _all(Downloads(tmp_path / "private").debian_files("help-de", _everything))


@needs_apt
def test_without_the_archive_the_cache_is_used_with_a_warning(
    archive: Archive, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    archive.translate("main", "de", "Package: help-de\n")
    first = Downloads(tmp_path / "private")
    files, indices = _all(first.debian_files("help-de", _everything)), first.debian_translations(["de"])
    archive.root.rename(tmp_path / "gone")
    with caplog.at_level(logging.WARNING):
        second = Downloads(tmp_path / "private")
        assert _all(second.debian_files("help-de", _everything)) == files
        assert second.debian_translations(["de"]) == indices
    assert "the package lists in the cache are used" in caplog.text
    with pytest.raises(SourceMissingError, match="Failed to fetch"):
        _all(second.debian_files("help-fr", _everything))
    with pytest.raises(SourceMissingError, match="Failed to fetch"):
        Downloads(tmp_path / "other").debian_names(".*")


@needs_apt
def test_a_server_that_does_not_answer_is_an_error(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """apt-get update itself calls it a success."""
    monkeypatch.setattr(downloads, "RETRIES", 0)
    with served(archive.root) as port:
        _point_apt_at(f"http://127.0.0.1:{port} stable main", tmp_path, monkeypatch)
        fetched = Downloads(tmp_path / "private")
        assert fetched.debian_names("help-de") == ["help-de"]
        assert fetched.fetched > 0
    with caplog.at_level(logging.WARNING):
        assert Downloads(tmp_path / "private").debian_names("help-de") == ["help-de"]
    assert "the package lists in the cache are used" in caplog.text
    with pytest.raises(SourceMissingError, match="Failed to fetch"):
        Downloads(tmp_path / "other").debian_names(".*")


@needs_apt
def test_translations_are_those_languages_that_exist(archive: Archive, tmp_path: Path) -> None:
    for language in ("en", "de", "pt_BR", "fr"):
        archive.translate("main", language, f"Package: help-{language}\n")
    fetched = Downloads(tmp_path / "private")
    assert fetched.debian_translation_languages() == ["de", "en", "fr", "pt_BR"]
    found = fetched.debian_translations(["pt_BR", "de", "xx"])
    assert {language: path.read_text() for language, path in found.items()} == {
        "de": "Package: help-de\n",
        "en": "Package: help-en\n",
        "pt_BR": "Package: help-pt_BR\n",
    }
    assert Package("apt:Translation-de", "Tue, 24 Nov 2026 10:00:00 UTC", 17) in fetched.used


@needs_apt
def test_of_several_indices_of_a_language_the_largest_is_taken(archive: Archive, tmp_path: Path) -> None:
    archive.translate("non-free", "de", "Package: small\n")
    archive.translate("main", "de", "Package: one\n\nPackage: two\n")
    assert Downloads(tmp_path / "private").debian_translations(["de"])["de"].read_text().count("Package") == 2


@needs_apt
def test_indices_of_a_release_that_the_machine_has_left_are_not_used(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.translate("main", "de", "Package: old\n" * 9)
    Downloads(tmp_path / "private").debian_translations(["de"])
    newer = Archive(archive.root, "forky")
    newer.translate("main", "de", "Package: new\n")
    _point_apt_at(f"copy:{newer.root} forky main", tmp_path, monkeypatch)
    assert Downloads(tmp_path / "private").debian_translations(["de"])["de"].read_text() == "Package: new\n"


@needs_apt
def test_nothing_outside_the_private_folder_changes(archive: Archive, tmp_path: Path) -> None:
    def state() -> dict[Path, float]:
        folders = [tmp_path, Path("/var/lib/apt"), Path("/var/cache/apt")]
        paths = [path for folder in folders for path in folder.rglob("*")]
        return {path: path.stat().st_mtime for path in paths if private not in (path, *path.parents)}

    private = tmp_path / "private"
    before = state()
    fetched = Downloads(private)
    _all(fetched.debian_files("help-de", _everything))
    fetched.debian_translations(["de"])
    assert state() == before, "the machine's own update hooks count, too"


@needs_apt
def test_two_processes_at_once_do_not_break_each_other(archive: Archive, tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\nfrom isoglot.platform.downloads import Downloads\n"
        "d = Downloads(pathlib.Path(sys.argv[1]))\n"
        "for name in ('help-de', 'help-fr', 'help-de'): print([*d.debian_files(name, lambda path: 'index' in path)])"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "private")]
    pipe = subprocess.PIPE
    running = [subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) for _ in range(3)]
    told = {process.communicate() for process in running}
    assert len(told) == 1, told
    assert next(iter(told))[0].count("Hilfe") == 2


def test_a_machine_without_apt_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceMissingError, match="needs apt-get, which is not on this machine"):
        Downloads(tmp_path / "private").debian_names(".*")
    with pytest.raises(SourceMissingError, match="needs apt-get, which is not on this machine"):
        Downloads(tmp_path / "private").debian_translations(["de"])


@needs_apt
def test_a_machine_without_dpkg_deb_is_told(archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("apt-get", "apt-cache", "dpkg"):
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(SourceMissingError, match="needs dpkg-deb"):
        _all(Downloads(tmp_path / "private").debian_files("help-de", _everything))


# npm


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    made = Registry(tmp_path / "registry")
    made.root.mkdir()
    with served(made.root, made.asked) as made.port:
        monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{made.port}/")
        monkeypatch.setenv("npm_config_noproxy", "127.0.0.1")
        made.publish("docs", "1.0.0", {"README.md": "read me", "ja/README.md": "読んで"})
        yield made


def _readmes(fetched: Downloads) -> dict[str, str]:
    return _all(fetched.npm_files("docs", lambda path: path.endswith("README.md")))


def _keep(registry: Registry, tarball: str, private: Path) -> Path:
    """Put a package where an earlier run would have left it."""
    (private / "npm").mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(registry.root / "tarballs" / tarball, private / "npm"))


@needs_npm
def test_an_npm_package_is_fetched_once(registry: Registry, tmp_path: Path) -> None:
    first = Downloads(tmp_path / "private")
    assert _readmes(first) == {"package/README.md": "read me", "package/ja/README.md": "読んで"}
    size = (registry.root / "tarballs" / "docs-1.0.0.tgz").stat().st_size
    assert (first.used, first.fetched) == ({Package("npm:docs", "1.0.0", size)}, size)
    registry.asked.clear()
    again = Downloads(tmp_path / "private")
    assert len(_readmes(again)) == 2
    assert (registry.asked, again.fetched) == (["/docs"], 0)


@needs_npm
def test_a_new_version_of_an_npm_package_is_picked_up(registry: Registry, tmp_path: Path) -> None:
    _keep(registry, "docs-1.0.0.tgz", tmp_path / "private")
    registry.publish("docs", "1.1.0", {"README.md": "read this"})
    assert _readmes(Downloads(tmp_path / "private")) == {"package/README.md": "read this"}


@needs_npm
def test_without_the_registry_the_npm_package_of_the_cache_is_used(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _keep(registry, "docs-1.0.0.tgz", tmp_path / "private")
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    fetched = Downloads(tmp_path / "private")
    with caplog.at_level(logging.WARNING):
        assert _readmes(fetched)["package/README.md"] == "read me"
    assert "docs-1.0.0.tgz from the cache is used" in caplog.text
    assert [package.version for package in fetched.used] == ["1.0.0"]


@needs_npm
def test_an_npm_package_that_does_not_exist_is_missing(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError, match=r"^npm: .*404"):
        _all(Downloads(tmp_path / "private").npm_files("nowhere", _everything))


@needs_npm
def test_a_damaged_npm_package_is_told_and_the_next_run_fetches_it(registry: Registry, tmp_path: Path) -> None:
    kept = _keep(registry, "docs-1.0.0.tgz", tmp_path / "private")
    kept.write_bytes(kept.read_bytes()[:60])
    with pytest.raises(SourceMissingError, match=r"docs-1\.0\.0\.tgz: damaged; run again"):
        _readmes(Downloads(tmp_path / "private"))
    assert len(_readmes(Downloads(tmp_path / "private"))) == 2


def test_a_machine_without_npm_uses_the_cache_or_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceMissingError, match="needs npm, which is not on this machine"):
        _readmes(Downloads(tmp_path / "private"))
    registry = Registry(tmp_path)
    registry.publish("docs", "1.0.0", {"README.md": "read me"})
    _keep(registry, "docs-1.0.0.tgz", tmp_path / "private")
    assert _readmes(Downloads(tmp_path / "private")) == {"package/README.md": "read me"}
