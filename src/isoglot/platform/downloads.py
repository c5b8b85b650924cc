"""Packages of Debian's archive and of npm, fetched by the machine's own clients into isoglot's cache.

Fetching needs no root and changes nothing on the system: apt works in a private folder with the machine's own sources
and keys, and packages are read from their files and never installed. The machine's settings say where packages come
from; this module names no host.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import cache_dir, os_errors_explained, write_text

log = logging.getLogger(__name__)

RETRIES = 3
"""The number of times that apt asks an archive again."""

_NO_HOOKS = "".join(f"#clear APT::Update::{hook};\n" for hook in ("Pre-Invoke", "Post-Invoke", "Post-Invoke-Success"))
"""Settings that turn off the machine's update hooks, which would clean and write the caches of the system."""


class SourceMissingError(IsoglotError):
    """A package or a client is not available here; a build of several sources goes on without it."""


@dataclass(frozen=True, order=True)
class Package:
    """A package that was read.

    Attributes:
        name: The client and the package's name, e.g. ``apt:debian-faq-de``.
        version: The version as the archive states it.
        size: The size of the file in bytes.
    """

    name: str
    version: str
    size: int


@dataclass
class Downloads:
    """A private folder of packages, into which each version of a package is fetched once.

    Attributes:
        folder: The folder of packages and package lists; by default ``packages`` in isoglot's cache.
        used: The packages read so far, in any order.
        fetched: The number of bytes that came over the network, package lists included as far as apt states them.
    """

    folder: Path = field(default_factory=lambda: cache_dir() / "packages")
    used: set[Package] = field(default_factory=set)
    fetched: int = 0

    def debian_names(self, pattern: str) -> list[str]:
        """Return the sorted names of the Debian packages that the regular expression `pattern` matches as a whole.

        Raises:
            SourceMissingError: There is no apt here, or it cannot reach the archive.
        """
        return sorted(name for name in self._debian_packages if re.fullmatch(pattern, name))

    def debian_files(self, name: str, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
        """Yield (path, content) of the wanted regular files of a Debian package; paths are like ``usr/share/...``.

        Args:
            name: The name of the package.
            wanted: Whether the file at a path is wanted.

        Raises:
            SourceMissingError: The archive has no such package, or it cannot be fetched.
        """
        path = self._debian_package(name)
        command = [_client("dpkg-deb"), "--fsys-tarfile", str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            try:
                with tarfile.open(fileobj=process.stdout, mode="r|") as tar:
                    yield from _wanted(tar, wanted)
            except tarfile.TarError as error:
                raise _damaged(path) from error
            finally:
                process.kill()

    def debian_translation_languages(self) -> list[str]:
        """Return the sorted languages that the archive has package descriptions in, in Debian's spelling (``pt_BR``).

        Raises:
            SourceMissingError: There is no apt here, or it cannot reach the archive.
        """
        self._update(["none"])
        index = re.compile(r" main/i18n/Translation-([\w@]+)(?:\.\w+)?$", re.MULTILINE)
        releases = (path.read_text(encoding="utf-8", errors="replace") for path in self._lists.glob("*Release"))
        return sorted({name for release in releases for name in index.findall(release)})

    def debian_translations(self, languages: Sequence[str]) -> dict[str, Path]:
        """Return the uncompressed indices of package descriptions by language, that of ``en`` always among them.

        Languages without an index are left out.

        Args:
            languages: Languages in Debian's spelling (``pt_BR``).

        Raises:
            SourceMissingError: There is no apt here, or it cannot reach the archive.
        """
        asked = sorted({"en", *languages})
        self._update(asked)
        wanted = ("--format", "$(LANGUAGE) $(FILENAME)", "Created-By: Translations")
        targets = self._apt("apt-get", "indextargets", *wanted, languages=asked)
        paths: dict[str, list[Path]] = defaultdict(list)
        for line in targets.splitlines():
            language, _, path = line.partition(" ")
            paths[language].append(Path(path))
        # Suites of updates and components of non-free packages have small indices of their own.
        largest = {language: max(paths[language], key=lambda path: path.stat().st_size) for language in sorted(paths)}
        for language, index in largest.items():
            self._use(f"apt:Translation-{language}", _release(index), index.stat().st_size)
        return largest

    def npm_files(self, name: str, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
        """Yield (path, content) of the wanted files of the newest version of an npm package.

        Args:
            name: The name of the package.
            wanted: Whether the file at a path, e.g. ``package/README.md``, is wanted.

        Raises:
            SourceMissingError: There is no npm here, or it cannot fetch the package.
        """
        folder = self.folder / "npm"
        try:
            version = json.loads(self._npm("view", name, "version", "--json"))
            path = folder / f"{name}-{version}.tgz"
            if not path.is_file():
                with tempfile.TemporaryDirectory(dir=folder) as beside:
                    self._npm("pack", f"{name}@{version}", "--pack-destination", beside, "--ignore-scripts")
                    packed = next(Path(beside).glob("*.tgz"))
                    self.fetched += packed.stat().st_size
                    packed.replace(path)
        except SourceMissingError as error:
            kept = sorted(folder.glob(f"{name}-[0-9]*.tgz"), key=lambda file: file.stat().st_mtime)
            if not kept:
                raise
            path = kept[-1]
            log.warning("%s; %s from the cache is used", error, path.name)
        self._use(f"npm:{name}", path.stem.removeprefix(f"{name}-"), path.stat().st_size)
        try:
            with tarfile.open(path, mode="r:gz") as tar:
                yield from _wanted(tar, wanted)
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise _damaged(path) from error

    def _npm(self, command: str, *arguments: str) -> str:
        with os_errors_explained(self.folder):
            (self.folder / "npm").mkdir(parents=True, exist_ok=True)
        settings = ("--cache", str(self.folder / "npm" / "cache"), "--fetch-retries=1", "--fetch-retry-mintimeout=1000")
        return _run([_client("npm"), command, *arguments, *settings], cwd=self.folder)

    # apt

    @property
    def _lists(self) -> Path:
        return self.folder / "apt" / "lists"

    def _apt(self, command: str, *arguments: str, languages: Sequence[str] = ("none",), cwd: Path | None = None) -> str:
        with os_errors_explained(self.folder):
            for folder in (self._lists / "partial", self.folder / "apt" / "cache" / "archives" / "partial"):
                folder.mkdir(parents=True, exist_ok=True)
        settings = {
            "Dir::State::lists": self._lists,
            "Dir::Cache": self.folder / "apt" / "cache",
            "Dir::Cache::pkgcache": "pkgcache.bin",  # a container's settings may have turned it off
            "Dir::Cache::srcpkgcache": "srcpkgcache.bin",
            "Dir::State::status": "/dev/null",
            "APT::Sandbox::User": "root",
            "Acquire::GzipIndexes": "false",
            "Acquire::Languages": ",".join(languages),
            "Acquire::Retries": RETRIES,
            "APT::Get::List-Cleanup": "false",  # another call may have asked for other languages
            "APT::Update::Error-Mode": "any",  # else an archive out of reach is no error
            "quiet": 1,
        }
        quiet = self.folder / "apt" / "no-hooks.conf"
        write_text(quiet, _NO_HOOKS)
        options = ["-c", str(quiet), *(part for name, value in settings.items() for part in ("-o", f"{name}={value}"))]
        with self._alone():  # apt refuses to work beside another apt
            return _run([_client(command), *options, *arguments], cwd=cwd or self._debs)

    def _alone(self) -> AbstractContextManager[object]:
        """Return a lock that keeps other processes of isoglot from fetching into the folder meanwhile."""
        from filelock import FileLock

        with os_errors_explained(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / "lock")

    @property
    def _debs(self) -> Path:
        folder = self.folder / "apt" / "debs"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _update(self, languages: Sequence[str]) -> None:
        try:
            output = self._apt("apt-get", "update", languages=languages)
        except SourceMissingError as error:
            if not list(self._lists.glob("*_Packages")):
                raise
            log.warning("%s; the package lists in the cache are used", error)
            return
        amount = re.search(r"Fetched ([\d.,]+) ([kM]?)B", output)
        if amount:
            self.fetched += int(float(amount[1].replace(",", "")) * {"": 1, "k": 1e3, "M": 1e6}[amount[2]])

    @cached_property
    def _debian_packages(self) -> frozenset[str]:
        self._update(["none"])
        return frozenset(self._apt("apt-cache", "pkgnames").split())

    def _debian_package(self, name: str) -> Path:
        if name not in self._debian_packages:
            raise SourceMissingError(f"Debian's archive, as this machine reaches it, has no package {name}")
        # In the folder of lists, since apt prints nothing where the file is already.
        uris = self._apt("apt-get", "--print-uris", "download", name, cwd=self._lists)
        uri = re.search(r"^'[^']*' (\S+) (\d+)", uris, re.MULTILINE)
        if uri is None:
            raise SourceMissingError(f"apt does not say where {name} is")
        path, size = self._debs / uri[1], int(uri[2])
        if not path.is_file() or path.stat().st_size != size:
            self._apt("apt-get", "download", name)  # into the working folder; apt checks the hash and then renames
            self.fetched += size
        self._use(f"apt:{name}", unquote(path.name.split("_")[1]), size)
        return path

    def _use(self, name: str, version: str, size: int) -> None:
        self.used.add(Package(name, version, size))


def _wanted(tar: tarfile.TarFile, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    for member in tar:
        name = member.name.removeprefix("./")
        if member.isfile() and wanted(name):
            file = tar.extractfile(member)
            assert file is not None
            yield name, file.read()


def _damaged(path: Path) -> SourceMissingError:
    path.unlink(missing_ok=True)
    return SourceMissingError(f"{path.name}: damaged; run again to fetch it anew")


def _release(index: Path) -> str:
    """Return the date of the release that an index belongs to, as its InRelease or Release file states it."""
    suite = re.sub(r"_[^_]+_i18n_Translation-[^_]+$", "", index.name)
    for name in (f"{suite}_InRelease", f"{suite}_Release"):
        release = index.with_name(name)
        if release.is_file():
            date = re.search(r"^Date: (.+)$", release.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
            return date[1] if date else "unknown"
    return "unknown"


def _client(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise SourceMissingError(f"this needs {name}, which is not on this machine")
    return path


def _run(command: Sequence[str], cwd: Path | None = None) -> str:
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": ""}
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, encoding="utf-8", errors="replace", env=environment, check=False
    )
    if done.returncode:
        reason = re.search(r"^(?:E: |npm (?:error|ERR!) (?!code |errno |syscall ))(.*\S)", done.stderr, re.MULTILINE)
        message = reason[1] if reason else (done.stderr.splitlines() or ["failed"])[-1].strip()
        raise SourceMissingError(f"{Path(command[0]).name}: {message}")
    return done.stdout
