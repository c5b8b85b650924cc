"""Audit a retriever of your own: any object with a method `scores`.

The one here counts the words that a question and a document share, so it finds no document in another script.

Install:  pip install isoglot
Run:      python examples/own_retriever.py      # a second
Prints:   the audit in Markdown
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import isoglot


class SharedWords:
    """Scores a document by the number of the question's words that it contains."""

    name = "shared words"

    def scores(self, queries: Sequence[isoglot.Query], documents: Sequence[isoglot.Document]) -> np.ndarray:
        """Return (q, n) scores; higher is better."""
        bags = [set(document.text.lower().split()) for document in documents]
        return np.array([[len(set(query.text.lower().split()) & bag) for bag in bags] for query in queries])


audit = isoglot.audit(SharedWords(), "mini@demo", pools=[["en", "ru"]])
print(isoglot.to_markdown(audit))
