"""Audit a retriever of your own: any object with a method `scores`. This one counts the words that two texts share.

python examples/own_retriever.py mini@demo
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

import isoglot


class SharedWords:
    """Scores a document by how many words of the query it holds."""

    name = "shared words"

    def scores(self, queries: Sequence[isoglot.Query], documents: Sequence[isoglot.Document]) -> np.ndarray:
        """(q, n) scores, higher is better."""
        words = [set(document.text.lower().split()) for document in documents]
        return np.array([[len(set(query.text.lower().split()) & found) for found in words] for query in queries])


def main(collection: str) -> isoglot.Audit:
    """Audit it on a collection, print the result as Markdown and return it."""
    audit = isoglot.audit(SharedWords(), collection)
    print(isoglot.to_markdown(audit))
    return audit


if __name__ == "__main__":
    main(sys.argv[1])
