"""`center`: subtract from each vector its language's mean (Libovicky et al. 2020, arXiv 2004.05160).

It needs no training, but each text's language at inference: given, or detected.

Fitted on a corpus without labels (calibration), the means are those of the corpus itself, shrunk where texts are few
(`isoglot.encoders.means`), and of the queries' mean only a share is subtracted: the whole of it costs retrieval within
a language. Both are isoglot's own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from isoglot.alignment.corpus_texts import CorpusTexts
from isoglot.alignment.options import CenterOptions
from isoglot.alignment.row_vectors import RowVectors
from isoglot.encoders.language_modules import LanguageCentering
from isoglot.encoders.means import centers, linear_discriminant
from isoglot.platform.arrays import Floats
from isoglot.training_data.row import Row


def modules(
    row_vectors: RowVectors, rows: Sequence[Row] | CorpusTexts, options: CenterOptions
) -> Sequence[LanguageCentering]:
    """Make the `LanguageCentering` module with the means of the texts, by language and role.

    Raises:
        IsoglotError: Training rows have a language with a single text: its mean would be the text itself.
    """
    shrunk = isinstance(rows, CorpusTexts)
    return [fit(row_vectors, options.query_share, shrunk=shrunk, query_language=options.query_language)]


def fit(
    row_vectors: RowVectors, share: float = 1.0, *, shrunk: bool = False, query_language: str = "given"
) -> LanguageCentering:
    """Make the module that subtracts the means of the encoded texts, by language and role.

    Args:
        row_vectors: The texts' vectors.
        share: How much of the queries' mean is subtracted, 0 to 1.
        shrunk: Whether means of few texts are shrunk towards what all languages have in common; else a language with
            texts of one role only has their mean for both.
        query_language: Where the language of a query comes from when the module is used: it is ``given`` by the caller,
            ``detected`` in the query's text, ``inferred`` from its vector as `soft-center` does, or has no part in it
            because queries of all languages have one mean in ``common``.

    Raises:
        IsoglotError: A language has a single text, and `shrunk` is false.
    """
    languages = row_vectors.languages
    if shrunk:
        documents, queries = (
            {tag: vectors for tag in languages if len(vectors := row_vectors.of(role, tag))}
            for role in ("document", "query")
        )
        means_of_queries, means_of_documents = centers(documents, queries)
    else:
        means = row_vectors.means("center")
        means_of_queries, means_of_documents = (
            {tag: means[tag, role] for tag in languages} for role in ("query", "document")
        )
    if query_language == "common":
        mean: Floats = np.mean(list(means_of_queries.values()), axis=0)
        means_of_queries = dict.fromkeys(languages, mean)
    reader = None
    if query_language == "inferred":
        groups = [row_vectors.of("query", tag) for tag in languages]
        weight, bias = linear_discriminant(groups, np.array([means_of_queries[tag] for tag in languages]))
        reader = torch.tensor(np.column_stack([weight, bias]), dtype=torch.float32)
    table = np.array([[share * means_of_queries[tag], means_of_documents[tag]] for tag in languages])
    return LanguageCentering(languages, torch.tensor(table, dtype=torch.float32), query_language, reader)
