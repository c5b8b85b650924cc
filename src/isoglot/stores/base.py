"""What a store is: vectors of documents with their languages, and a place beside them for changed vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import numpy as np

from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.platform.languages import known

BLOCK = 256
"""Documents that are read, changed and written at once: of 3,072 dimensions 16 MB of JSON; Qdrant takes 32 MB."""


@dataclass(frozen=True)
class Fields:
    """Which fields of a store's documents hold what.

    Attributes:
        language: The field of the language.
        content: The field of the id that translations share; None: the store's own ids.
        vector: The field, column or name of the vector; None: the only one.
    """

    language: str | None = None
    content: str | None = None
    vector: str | None = None


@dataclass(frozen=True)
class Block:
    """Some documents of a store.

    Attributes:
        keys: How the store calls each of the n documents.
        contents: Content id of each; its key as text where no field holds one.
        languages: Canonical tag of each; None where the field is missing or is no language.
        vectors: (n, d) float32.
        rows: What the store needs to write them again; the store's own.
    """

    keys: Sequence[Any]
    contents: Sequence[str]
    languages: Sequence[str | None]
    vectors: Vectors
    rows: Sequence[Any] | None = None


class Store(Protocol):
    """A store of documents' vectors, which is only read; changed vectors go to a *target* beside them.

    A target is what the kind of store allows: a second column, or a second collection or file. It carries a mark, by
    which isoglot knows its own. Every method raises an IsoglotError of one line, without secrets, where the store is
    gone, refuses the user, or lacks what was named.

    Attributes:
        name: What the user named it, with the kind.
        target: Name of a target where the user names none.
        target_kind: What a target is, in words: ``the column``.
    """

    name: str
    target: str
    target_kind: str

    def count(self) -> int:
        """Number of documents."""

    def blocks(self, lacking: str | None = None) -> Iterator[Block]:
        """Yield all documents that have a vector; only those without a changed one in the target `lacking`, if named.

        Blocks may be written to that target while they are read.
        """

    def nearest(self, vectors: Vectors, limit: int) -> list[list[tuple[str, float]]]:
        """The store's own search: for each of the vectors the keys, as text, and the scores of the nearest.

        The best comes first, with the highest score.
        """

    def mark(self, target: str) -> str | None:
        """What a target is marked with, by isoglot or by somebody else; None where there is no target."""

    def create(self, target: str, mark: str) -> None:
        """Make an empty target and its mark, both or neither."""

    def write(self, target: str, block: Block, vectors: Vectors) -> None:
        """Put changed vectors, (n, d), into a target; the same block may be written twice."""

    def done(self, target: str) -> int:
        """Number of changed vectors in a target."""

    def finish(self, target: str) -> None:
        """Make what was written durable and searchable."""

    def drop(self, target: str) -> None:
        """Remove a target, and all that was made for it."""

    def close(self) -> None:
        """End the connection."""


def language_of(value: object) -> str | None:
    """The canonical tag of what a language field holds; None where it is missing or is no language."""
    return known(value) if isinstance(value, str) else None


def field_of(document: Any, path: str | None) -> Any:
    """What stands in a document under a path of names with dots between them; None where there is nothing."""
    for part in (path or "").split("."):
        document = document.get(part) if isinstance(document, dict) else None
    return document


def key_text(key: Any) -> str:
    """A key as text; one of several columns has slashes between them."""
    return "/".join(map(str, key)) if isinstance(key, tuple) else str(key)


def make_block(
    keys: Sequence[Any], contents: Sequence[Any], languages: Sequence[Any], vectors: Any, rows: Any = None
) -> Block:
    """Make a block of what a store's client returned, without vectors that are zero or not finite.

    Args:
        keys: How the store calls each document.
        contents: What the content field holds; None: its key.
        languages: What the language field holds.
        vectors: n rows of d numbers.
        rows: As `Block.rows`.
    """
    named = [key_text(key) if content is None else str(content) for key, content in zip(keys, contents, strict=True)]
    numbers = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(numbers, axis=1)
    sound = [int(place) for place in np.flatnonzero(np.isfinite(lengths) & (lengths > 0))]
    return Block(
        keys=[keys[place] for place in sound],
        contents=[named[place] for place in sound],
        languages=[language_of(languages[place]) for place in sound],
        vectors=numbers[sound],
        rows=None if rows is None else [rows[place] for place in sound],
    )


def last_part(argument: str, form: str) -> tuple[str, str]:
    """Split ``PLACE/NAME`` at the last slash.

    Raises:
        IsoglotError: There is no name or no place, or it holds a password.
    """
    place, _, name = argument.rstrip("/").rpartition("/")
    if not place or not name:
        raise IsoglotError(f"name a store as {form}")
    refuse_password(argument, form)
    return place, name


def refuse_password(address: str, form: str) -> None:
    """Refuse an address with a password in it, since commands are seen and kept.

    Raises:
        IsoglotError: There is one; the message does not repeat it.
    """
    try:
        found = urlsplit(address)
        secret = found.password is not None or "password=" in found.query or "api_key=" in found.query
    except ValueError as error:
        raise IsoglotError(f"name a store as {form}; this is no address") from error
    if secret:
        raise IsoglotError(
            f"{form}: leave the password out of the address and set its environment variable: "
            "https://isoglot.github.io/isoglot/how-to/your-index/"
        )
