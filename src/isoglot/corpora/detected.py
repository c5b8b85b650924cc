"""Languages that are detected in texts that come without one: counted, and said, since numbers depend on them."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

from isoglot.platform.languages import detect

log = logging.getLogger("isoglot")


class DetectedLanguages:
    """Detects the languages of texts of one kind, and counts them.

    Args:
        texts: What the texts are, in the plural, as a note says it: ``documents``, ``queries``.
        advice: Where a user names the language instead, for the note.
    """

    def __init__(self, texts: str, advice: str) -> None:
        self._texts, self._advice = texts, advice
        self._counts: Counter[str] = Counter()

    def of(self, text: str) -> str | None:
        """Return the canonical tag of the language of a text; None where it cannot be told."""
        tag = detect([text])[0]
        if tag is not None:
            self._counts[tag] += 1
        return tag

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence with all counts; none if no language was detected."""
        if not self._counts:
            return ()
        found = ", ".join(f"{tag} {count}" for tag, count in self._counts.most_common())
        return (f"the language of {self._counts.total()} {self._texts} was detected: {found}; {self._advice}",)

    def warn(self, path: Path) -> None:
        """Say the note on standard error, of the file or folder `path`."""
        for note in self.notes:
            log.warning("%s: %s", path, note)
