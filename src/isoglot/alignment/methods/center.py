"""`center`: subtract from each vector its language's mean (Libovicky et al. 2020, arXiv 2004.05160).

It needs no training and no labels, but each text's language at inference: given, or detected. The means are those of
the corpus that is searched (calibration) or of training rows, shrunk where texts are few (`isoglot.alignment.means`).
Of the queries' mean only a share is subtracted (isoglot's own): the whole of it costs retrieval within a language.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from isoglot.alignment.corpus_texts import CorpusTexts
from isoglot.alignment.means import query_means, shrunk_means
from isoglot.alignment.options import CenterOptions
from isoglot.alignment.row_vectors import RowVectors, encode_rows
from isoglot.encoders.encoder import Encoder
from isoglot.encoders.language_modules import LanguageCentering
from isoglot.platform.arrays import Floats
from isoglot.training_data.row import Row

SHARE, SHARE_OF_SPANS = 0.75, 0.5
"""How much of the mean of queries, or of spans that stand in for them, is subtracted; docs/methods.md says why."""


def run(
    encoder: Encoder, rows: Sequence[Row] | CorpusTexts, options: CenterOptions, *, seed: int, show_progress: bool
) -> None:
    """Append a `LanguageCentering` module with the means of the texts, by language and role."""
    spans = isinstance(rows, CorpusTexts) and not rows.asked
    share = options.query_share if options.query_share >= 0 else SHARE_OF_SPANS if spans else SHARE
    row_vectors = encode_rows(encoder, rows, show_progress=show_progress)
    encoder.append(fit(row_vectors, share, common=options.query_language == "common"))


def fit(row_vectors: RowVectors, share: float, *, common: bool = False) -> LanguageCentering:
    """Make the module that subtracts the means of the encoded texts, by language and role.

    Args:
        row_vectors: The texts' vectors.
        share: How much of the queries' mean is subtracted, 0 to 1.
        common: Whether queries of all languages have one mean, so that a query's language is not needed.
    """
    documents, queries = (
        {tag: found for tag in row_vectors.languages if len(found := row_vectors.of(role, tag))}
        for role in ("document", "query")
    )
    document_means = shrunk_means(documents or queries)
    means_of_queries = query_means(queries or documents, document_means)
    if common:
        mean: Floats = np.mean(list(means_of_queries.values()), axis=0)
        means_of_queries = dict.fromkeys(means_of_queries, mean)
    documents_of_all = np.mean(list(document_means.values()), axis=0)
    table = np.array(
        [[share * means_of_queries[tag], document_means.get(tag, documents_of_all)] for tag in row_vectors.languages]
    )
    return LanguageCentering(row_vectors.languages, torch.tensor(table, dtype=torch.float32))
