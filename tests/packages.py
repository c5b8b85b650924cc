"""`Downloads` that hands out files a test wrote, for tests of origins."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from isoglot.platform.downloads import Downloads, SourceMissingError


class WrittenDownloads(Downloads):
    """The packages of a test: name -> path in it -> content."""

    def __init__(
        self,
        debian: Mapping[str, Mapping[str, str]] | None = None,
        npm: Mapping[str, Mapping[str, str]] | None = None,
        translations: Mapping[str, Path] | None = None,
    ) -> None:
        super().__init__(folder=Path("/nonexistent"))
        self._written, self._npm_written, self._translations = debian or {}, npm or {}, translations or {}

    def debian_names(self, pattern: str) -> list[str]:
        return sorted(name for name in self._written if re.fullmatch(pattern, name))

    def debian_files(self, name: str, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
        return _files(self._written, name, wanted)

    def debian_translation_languages(self) -> list[str]:
        return sorted(self._translations)

    def debian_translations(self, languages: Sequence[str]) -> dict[str, Path]:
        return {tag: path for tag, path in self._translations.items() if tag in {"en", *languages}}

    def npm_files(self, name: str, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
        return _files(self._npm_written, name, wanted)


def _files(
    packages: Mapping[str, Mapping[str, str]], name: str, wanted: Callable[[str], bool]
) -> Iterator[tuple[str, bytes]]:
    if name not in packages:
        raise SourceMissingError(f"no package {name}")
    return ((path, text.encode()) for path, text in packages[name].items() if wanted(path))
