"""The vectors of training rows, by language and role: what training-free methods are fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from isoglot.alignment.corpus_texts import CorpusTexts
from isoglot.encoders.encoder import Encoder
from isoglot.encoders.prompts import ROLES
from isoglot.platform.arrays import Floats, Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.retrievers.dense import DenseRetriever, Encodes
from isoglot.training_data.row import Row


@dataclass(frozen=True)
class RowVectors:
    """Unit vectors of the distinct texts of training rows.

    Attributes:
        texts: Role -> n (language, text) pairs.
        vectors: Role -> their vectors, (n, d).
    """

    texts: dict[str, list[tuple[str, str]]]
    vectors: dict[str, Vectors]

    @property
    def languages(self) -> list[str]:
        """All languages, sorted."""
        return sorted({language for pairs in self.texts.values() for language, _ in pairs})

    def of(self, role: str, language: str) -> Vectors:
        """The vectors of one role and language, (m, d); m may be 0."""
        positions = [position for position, (tag, _) in enumerate(self.texts[role]) if tag == language]
        return self.vectors[role][positions]

    def of_rows(self, rows: Sequence[Row]) -> RowVectors:
        """The vectors of some of the rows."""
        pairs = _texts_of_rows(rows)
        kept = {
            role: [at for at, pair in enumerate(known) if pair in pairs[role]] for role, known in self.texts.items()
        }
        return RowVectors(
            {role: [self.texts[role][at] for at in positions] for role, positions in kept.items()},
            {role: self.vectors[role][positions] for role, positions in kept.items()},
        )

    def lookup(self, role: str) -> dict[tuple[str, str], Vectors]:
        """(language, text) -> its vector, (d,)."""
        return dict(zip(self.texts[role], self.vectors[role], strict=True))

    def means(self, method: str) -> dict[tuple[str, str], Floats]:
        """(language, role) -> the mean vector, (d,), which need not have unit length.

        Where a language has texts of one role only, their mean stands for both roles.

        Args:
            method: The method's name, for the error message.

        Raises:
            IsoglotError: A language has a single text in a role: its mean would be the text itself.
        """
        means = {}
        for language in self.languages:
            vectors_by_role = {role: vectors for role in ROLES if len(vectors := self.of(role, language))}
            for role, vectors in vectors_by_role.items():
                if len(vectors) < 2:
                    raise IsoglotError(f"{method}: {language} has one {role} text only; a mean needs at least two")
            substitute = next(iter(vectors_by_role.values()))
            for role in ROLES:
                means[language, role] = vectors_by_role.get(role, substitute).mean(axis=0, dtype=np.float64)
        return means


def encode_rows(encoder: Encoder | Encodes, rows: Sequence[Row] | CorpusTexts, *, show_progress: bool) -> RowVectors:
    """Encode every distinct text of training rows, or of a corpus, once; a model may know no word of some."""
    texts = _texts_of_corpus(rows) if isinstance(rows, CorpusTexts) else _texts_of_rows(rows)
    distinct = {role: list(pairs) for role, pairs in texts.items()}
    retriever = DenseRetriever(encoder) if isinstance(encoder, Encoder) else encoder
    vectors = {
        role: retriever.encode(
            [text for _, text in pairs], role, [language for language, _ in pairs], show_progress=show_progress
        )
        for role, pairs in distinct.items()
    }
    return RowVectors(distinct, vectors)


def _texts_of_rows(rows: Sequence[Row]) -> dict[str, dict[tuple[str, str], None]]:
    """Role -> the distinct (language, text) pairs, in order."""
    return {role: dict.fromkeys(pair for row in rows for pair in getattr(row, role).items()) for role in ROLES}


def _texts_of_corpus(corpus: CorpusTexts) -> dict[str, dict[tuple[str, str], None]]:
    documents = ((document.language, document.text) for document in corpus.documents)
    return {"query": dict.fromkeys(corpus.queries), "document": dict.fromkeys(documents)}
