"""The evaluation collections that no training row may overlap."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import lru_cache

from isoglot.corpora.sources import load_collection
from isoglot.platform.errors import IsoglotError
from isoglot.training_data.overlap import EightGrams

log = logging.getLogger(__name__)

EVALUATION = ("mini@test", "xquad", "belebele")
"""Sources of the collections that no row may overlap, besides those that the user names."""


def evaluation_grams(against: Sequence[str] = ()) -> tuple[dict[str, EightGrams], dict[str, str]]:
    """Return the n-grams of the collections that no row may overlap.

    Args:
        against: Sources besides `EVALUATION`; ``xquad:DIR`` and ``belebele:DIR`` stand in for those of the hub.

    Returns:
        Source -> its n-grams, and source -> why it could not be loaded, which for `EVALUATION` is no error.

    Raises:
        IsoglotError: A collection in `against` cannot be loaded.
    """
    replaced = {source.partition(":")[0] for source in against}
    grams, unchecked = {}, {}
    for source in (*(source for source in EVALUATION if source not in replaced), *against):
        try:
            collection = load_collection(source)
        except IsoglotError as error:
            if source in against:
                raise
            unchecked[source] = str(error)
            log.warning("overlap with %s is not checked: %s", source, error)
            continue
        documents, queries = collection.documents, collection.queries
        grams[source] = _grams_of((*(document.text for document in documents), *(query.text for query in queries)))
    return grams, unchecked


@lru_cache(maxsize=8)
def _grams_of(texts: tuple[str, ...]) -> EightGrams:
    """Collect the n-grams of a collection's texts, once in a process that checks several sets of rows."""
    return EightGrams.of(texts)
