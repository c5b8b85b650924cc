"""A transform: what a training-free method learned, as arrays that numpy applies to vectors from anywhere."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from isoglot.encoders.means import centers
from isoglot.encoders.prompts import ROLES
from isoglot.platform.arrays import Ints, Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.platform.languages import canonical, closest
from isoglot.platform.version import __version__
from isoglot.transforms.shares import SHARES

log = logging.getLogger("isoglot")

SCHEMA = "isoglot.transform/1"
LEAST_LIKENESS = 0.3
"""The least correlation of two samples' mean vectors that are taken for one model's. Between e5-small-q4's vectors of
four collections in English and Chinese it is 0.86 to 0.99, between those and its aligned model's at most 0.19."""


class TransformRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The record of a transform, as transform.json holds it.

    Attributes:
        schema: Schema of transform.json.
        isoglot: Version of isoglot that made it.
        method: Name of the method.
        options: Options of the method.
        model: Source of the vectors: a model, an API, a folder or a store.
        data: Texts that were encoded: a corpus or training rows; empty where only vectors were given.
        dimension: Number d of components of a vector.
        languages: Canonical tags of the L languages.
        needs_language: Whether the change depends on a vector's language.
        counts: Role -> language -> number of vectors that it was fitted on.
        lift: Language -> language lift of its documents before and after.
        reads: Roles whose language is read from the vectors, by the arrays ``reader`` and ``means``.
        sha256: Digest of arrays and languages, by which damage is recognised.
    """

    schema: str
    isoglot: str
    method: str
    options: dict[str, Any]
    model: str
    data: str
    dimension: int
    languages: tuple[str, ...]
    needs_language: bool
    counts: dict[str, dict[str, int]]
    lift: dict[str, tuple[float, float]] = {}
    reads: tuple[str, ...] = ()
    sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class Transform:
    """A map of vectors to vectors of unit length, by role and language.

    For a vector z in a role and a language: y = unit(z); y = M y; y = y - offset(role, language); y = y - y B^T B with
    the language's directions B; y = unit(y). Steps that a method does not have are left out. Where `record.reads` names
    the role, the offset is the mean of `means` under softmax(R y + b), so that no language is needed.

    Attributes:
        record: Record of the transform.
        offsets: Offsets (2, L + 1, d), float32: for queries and documents, each language's and last that of any other.
        sample: Mean (d,), float32, of the unit document vectors that it was fitted on, by which vectors of another
            model are recognised.
        matrix: Matrix M (d, d), float32; None: the method has none.
        directions: Orthonormal directions B of each language and of any other, (L + 1, r, d), float32; None: none.
        reader: R and b side by side, (c, d + 1), float32; None: none.
        means: Means (c, d), float32; None: none.
    """

    record: TransformRecord
    offsets: NDArray[np.float32]
    sample: NDArray[np.float32]
    matrix: NDArray[np.float32] | None = None
    directions: NDArray[np.float32] | None = None
    reader: NDArray[np.float32] | None = None
    means: NDArray[np.float32] | None = None
    _warned: set[str] = field(default_factory=set, compare=False, repr=False)

    @classmethod
    def fit(
        cls,
        documents: Vectors,
        languages: Sequence[str],
        queries: Vectors | None = None,
        query_languages: Sequence[str] | None = None,
        *,
        query_share: float | None = None,
        model: str = "vectors",
        data: str = "",
    ) -> Transform:
        """Fit `center` on vectors of a corpus (calibration); `isoglot.align` also fits the other methods.

        Args:
            documents: Vectors (n, d) of documents of the corpus that will be searched; a few hundred for each language
                are enough.
            languages: Language of each document.
            queries: Vectors (m, d) of queries; 30 for each language are enough. None: documents stand in for them.
            query_languages: Language of each query.
            query_share: Share of the queries' mean to subtract, 0 to 1; None: 0.75 with queries, 0.5 without.
            model: Name of what made the vectors, for the record.
            data: Name of the texts, for the record.

        Returns:
            The transform.

        Raises:
            IsoglotError: Numbers of vectors and languages differ, a vector is not finite, a language is no tag, or no
                document has a vector.
        """
        groups = {
            "query": {} if queries is None else _by_language(queries, query_languages or ()),
            "document": _by_language(documents, languages),
        }
        if not groups["document"]:
            raise IsoglotError("there is no document whose vector is not zero")
        of_queries, of_documents = centers(groups["document"], groups["query"])
        share = SHARES["questions" if groups["query"] else "spans"] if query_share is None else query_share
        tags = sorted(of_documents)
        table = np.array([[share * of_queries[tag] for tag in tags], [of_documents[tag] for tag in tags]])
        return cls(
            record=TransformRecord(
                schema=SCHEMA,
                isoglot=__version__,
                method="center",
                options={"query_share": share},
                model=model,
                data=data,
                dimension=table.shape[-1],
                languages=tuple(tags),
                needs_language=True,
                counts={role: {tag: len(found) for tag, found in group.items()} for role, group in groups.items()},
            ),
            offsets=with_common(table),
            sample=sample_of(np.concatenate(list(groups["document"].values()))),
        )

    @classmethod
    def load(cls, folder: str | Path) -> Transform:
        """Read a transform from its folder.

        Args:
            folder: Folder that `save` or `isoglot align` wrote.

        Raises:
            IsoglotError: The folder holds no transform, or it is damaged or of another schema.
        """
        from isoglot.transforms.files import load_transform

        return load_transform(folder)

    def save(self, folder: str | Path, *, force: bool = False) -> Path:
        """Write the transform to a folder: transform.json, transform.safetensors and README.md.

        Args:
            folder: Folder to write; it must not exist.
            force: Whether a folder that holds a transform is replaced.

        Returns:
            The folder.

        Raises:
            IsoglotError: The folder is taken or cannot be written.
        """
        from isoglot.transforms.files import save_transform

        return save_transform(self, folder, force=force)

    def with_lift(self, lift: dict[str, tuple[float, float]]) -> Transform:
        """Return the transform with a language lift, before and after, in its record."""
        return dataclasses.replace(self, record=msgspec.structs.replace(self.record, lift=lift))

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of arrays and languages: transforms of equal digests change vectors alike."""
        record = self.record
        what = (record.dimension, record.languages, record.needs_language, record.reads)
        digest = hashlib.sha256(repr(what).encode())
        for name, array in self.tensors.items():
            digest.update(f"{name} {array.shape}".encode() + array.tobytes())
        return digest.hexdigest()

    @property
    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Name -> array, of the arrays that it has."""
        named = {name: getattr(self, name) for name in TENSORS}
        return {name: np.ascontiguousarray(array) for name, array in named.items() if array is not None}

    def queries(self, vectors: Vectors, languages: str | Sequence[str | None] | None = None) -> Vectors:
        """Change vectors of queries.

        Args:
            vectors: Vectors (n, d), or one vector (d,), of finite numbers.
            languages: Language of all vectors, or of each; None: unknown, so that what all languages share is
                subtracted.

        Returns:
            Changed vectors of the same shape, in float32 and of unit length. A vector of zeros stays zero.

        Raises:
            IsoglotError: The vectors have another number of components, one is not finite, or a tag is unknown.
        """
        return self._apply("query", vectors, languages)

    def documents(self, vectors: Vectors, languages: str | Sequence[str | None] | None = None) -> Vectors:
        """Change vectors of documents.

        Args:
            vectors: As in `queries`.
            languages: As in `queries`.

        Returns:
            As `queries`.

        Raises:
            IsoglotError: As `queries`.
        """
        return self._apply("document", vectors, languages)

    def change(self, role: str, vectors: Vectors, languages: str | Sequence[str | None] | None = None) -> Vectors:
        """Change vectors of a role by `queries` or `documents`.

        Args:
            role: ``query`` or ``document``.
            vectors: As in `queries`.
            languages: As in `queries`.
        """
        return (self.queries if role == "query" else self.documents)(vectors, languages)

    def check(self, vectors: Vectors) -> None:
        """Refuse vectors that another model seems to have made.

        The mean of the unit vectors must correlate, over components, by at least 0.3 with the mean of those that the
        transform was fitted on (isoglot's own rule). Where either mean is within the noise of a sample of its size,
        nothing is refused.

        Args:
            vectors: Vectors (n, d) of a sample of documents; a few dozen are enough.

        Raises:
            IsoglotError: They have another number of components, or are unlike those that it was fitted on.
        """
        units = _units(self._checked(vectors))
        mean, fitted = units.mean(axis=0, dtype=np.float64), self.sample.astype(np.float64)
        count = sum(self.record.counts.get("document", {}).values())
        if not all(_is_certain(*known) for known in ((mean, len(units)), (fitted, count))):
            return
        likeness = float(np.corrcoef(mean, fitted)[0, 1])
        if likeness < LEAST_LIKENESS:
            raise IsoglotError(
                f"the vectors are unlike those of {self.record.model}, on which the transform was fitted (their means "
                f"correlate by {likeness:.2f}, those of one model by more than {LEAST_LIKENESS}); fit one for them"
            )

    def _apply(self, role: str, vectors: Vectors, languages: str | Sequence[str | None] | None) -> Vectors:
        given = np.asarray(vectors)
        rows = self._checked(given[None] if given.ndim == 1 else given)
        entries = self._entries(len(rows), languages)
        before = _units(rows)  # an array of its own, which is changed in place
        changed = before if self.matrix is None else before @ self.matrix.T
        if self.reader is not None and self.means is not None and role in self.record.reads:
            changed -= _softmax(before @ self.reader[:, :-1].T + self.reader[:, -1]) @ self.means
        else:
            changed -= self.offsets[ROLES.index(role)][entries]
        if self.directions is not None:
            for entry in np.unique(entries):
                basis, those = self.directions[entry], entries == entry
                changed[those] -= changed[those] @ basis.T @ basis
        changed /= _lengths(changed)
        changed[~rows.any(axis=1)] = 0
        return changed.reshape(given.shape)

    def _checked(self, vectors: Vectors) -> NDArray[np.float32]:
        if vectors.ndim != 2 or vectors.shape[1] != self.record.dimension:
            raise IsoglotError(
                f"vectors of shape {vectors.shape}: the transform takes (n, {self.record.dimension}), as "
                f"{self.record.model} makes them"
            )
        return _checked(vectors)

    @cached_property
    def _place(self) -> Mapping[str, int]:
        return {tag: number for number, tag in enumerate(self.record.languages)}

    def _entries(self, count: int, languages: str | Sequence[str | None] | None) -> Ints:
        """The place of each vector's language; one that is unknown gets the last, with one warning for each."""
        if languages is None or isinstance(languages, str):
            return np.full(count, self._entry(languages), dtype=np.int64)
        if len(languages) != count:
            raise IsoglotError(f"{len(languages)} languages for {count} vectors")
        places = {tag: self._entry(tag) for tag in set(languages)}
        return np.array([places[tag] for tag in languages], dtype=np.int64)

    def _entry(self, language: str | None) -> int:
        found = None if language is None else closest(canonical(language), frozenset(self.record.languages))
        if found is not None:
            return self._place[found]
        named = language or "vectors without a stated language"
        if self.record.needs_language and named not in self._warned:
            self._warned.add(named)
            log.warning("the transform was not fitted on %s; it uses what all its languages share", named)
        return len(self.record.languages)


TENSORS = ("offsets", "sample", "matrix", "directions", "reader", "means")
"""The names of a transform's arrays."""


def with_common(table: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """(2, L, d) offsets, with their mean over languages as the last, (2, L + 1, d): that of any other language."""
    return np.concatenate([table, table.mean(axis=1, keepdims=True)], axis=1).astype(np.float32)


def _by_language(vectors: Vectors, languages: Sequence[str]) -> dict[str, Vectors]:
    """Canonical tag -> the unit vectors in that language; those of zeros are left out."""
    if len(vectors) != len(languages):
        raise IsoglotError(f"{len(languages)} languages for {len(vectors)} vectors")
    units = _units(_checked(np.asarray(vectors)))
    known = np.flatnonzero(units.any(axis=1))
    units, languages = units[known], [languages[at] for at in known.tolist()]
    tags = {tag: canonical(tag) for tag in set(languages)}
    groups: dict[str, list[int]] = {}
    for place, tag in enumerate(languages):
        groups.setdefault(tags[tag], []).append(place)
    return {tag: units[places] for tag, places in groups.items()}


def sample_of(vectors: Vectors) -> NDArray[np.float32]:
    """`Transform.sample` of (n, d) unit vectors."""
    mean: NDArray[np.float32] = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean


def _checked(vectors: Vectors) -> NDArray[np.float32]:
    """(n, d) vectors in float32, all of which are finite."""
    numbers = np.asarray(vectors, dtype=np.float32)
    wrong = np.flatnonzero(~np.isfinite(np.einsum("nd,nd->n", numbers, numbers)))
    if len(wrong):
        raise IsoglotError(f"vector {wrong[0]} is not finite")
    return numbers


def _units(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    units: NDArray[np.float32] = vectors / _lengths(vectors)
    return units


def _lengths(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, 1), and never 0: a vector less its language's mean may be."""
    lengths: NDArray[np.float32] = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))[:, None]
    return np.maximum(lengths, 1e-12)


def _softmax(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: NDArray[np.float32] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _is_certain(mean: NDArray[np.float64], count: int) -> bool:
    """Whether the mean of so many unit vectors is at least twice as long as that of vectors without direction."""
    return float(mean @ mean) * count > 4
