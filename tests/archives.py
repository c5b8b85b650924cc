"""A Debian archive and an npm registry for tests, each in a folder."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import subprocess
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Archive:
    """A Debian archive in a folder.

    Attributes:
        root: Folder of the archive.
        release: File that names the indices.
    """

    def __init__(self, root: Path, suite: str = "stable") -> None:
        self.root, self.release = root, root / "dists" / suite / "Release"
        self._suite = suite
        self._packages: dict[str, str] = {}
        self._architecture = _output("dpkg", "--print-architecture")
        self.publish()

    def add(self, name: str, version: str, files: Mapping[str, str]) -> None:
        """Build a package and list it in place of its older version."""
        tree = self.root / "build" / name / version
        control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: A <a@example.org>\n"
        for path, text in {"DEBIAN/control": f"{control}Description: a\n b\n", **files}.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_text(text, encoding="utf-8")
        deb = self.root / "pool" / f"{name}_{version.replace(':', '%3a')}_all.deb"
        deb.parent.mkdir(exist_ok=True)
        _output("dpkg-deb", "--root-owner-group", "--build", str(tree), str(deb))
        where = f"Filename: pool/{deb.name}\nSize: {deb.stat().st_size}\nSHA256: {_sha256(deb)}\n"
        self._packages[name] = f"{control}{where}Description: a\n b\n"
        self.publish()

    def remove(self, name: str) -> None:
        """Remove a package from the list."""
        del self._packages[name]
        self.publish()

    def translate(self, component: str, language: str, text: str) -> None:
        """Add an index of package descriptions."""
        self._write(f"{component}/i18n/Translation-{language}", text)
        self.publish()

    def publish(self) -> None:
        """Write the indices."""
        for component in ("main", "non-free"):
            packages = "\n".join(self._packages.values()) if component == "main" else ""
            self._write(f"{component}/binary-{self._architecture}/Packages", packages)
        folder = self.release.parent
        indices = sorted(path for path in folder.glob("*/*/*") if path.is_file())
        lines = [f" {_sha256(path)} {path.stat().st_size} {path.relative_to(folder)}" for path in indices]
        head = f"Suite: {self._suite}\nCodename: {self._suite}\nDate: Tue, 24 Nov 2026 10:00:00 UTC\n"
        self.release.write_text(f"{head}Components: main non-free\nSHA256:\n" + "\n".join(lines) + "\n")

    def _write(self, name: str, text: str) -> None:
        path = self.release.parent / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass
class Registry:
    """An npm registry, which `served` serves.

    Attributes:
        root: Folder of the registry.
        port: Port on 127.0.0.1.
        asked: Paths that were requested.
    """

    root: Path
    port: int = 0
    asked: list[str] = field(default_factory=list)

    def publish(self, name: str, version: str, files: Mapping[str, str]) -> None:
        """Make `version` the newest of a package."""
        written = io.BytesIO()
        with tarfile.open(fileobj=written, mode="w:gz") as tar:
            manifest = json.dumps({"name": name, "version": version})
            for path, text in {"package.json": manifest, **files}.items():
                member = tarfile.TarInfo(f"package/{path}")
                member.size = len(text.encode())
                tar.addfile(member, io.BytesIO(text.encode()))
        tarball = self.root / "tarballs" / f"{name}-{version}.tgz"
        tarball.parent.mkdir(exist_ok=True)
        tarball.write_bytes(written.getvalue())
        integrity = "sha512-" + base64.b64encode(hashlib.sha512(written.getvalue()).digest()).decode()
        dist = {"tarball": f"http://127.0.0.1:{self.port}/tarballs/{tarball.name}", "integrity": integrity}
        versions = {version: {"name": name, "version": version, "dist": dist}}
        packument = {"name": name, "dist-tags": {"latest": version}, "versions": versions}
        (self.root / name).write_text(json.dumps(packument))


@contextmanager
def served(folder: Path, asked: list[str] | None = None) -> Iterator[int]:
    """Serve a folder over HTTP; yields the port."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *arguments: object) -> None:
            if asked is not None:
                asked.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
