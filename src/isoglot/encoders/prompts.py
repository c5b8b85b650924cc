"""Which prompt a model wants before a query and before a document.

The model's own sentence-transformers configuration decides; only where it is silent does the family table below.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

ROLES = ("query", "document")
"""What a text is encoded as."""

_CONFIGURED_NAMES = {
    "query": ("query", "retrieval.query"),
    "document": ("document", "passage", "corpus", "retrieval.passage"),
}
_FAMILIES = (
    (r"e5-(mistral|.*instruct)", {"query": "Instruct: Given a question, retrieve passages that answer it\nQuery: "}),
    (r"(^|[/_-])e5-(small|base|large)", {"query": "query: ", "document": "passage: "}),
    (r"nomic-embed", {"query": "search_query: ", "document": "search_document: "}),
)


@dataclass(frozen=True)
class Prompt:
    """A prompt and where it is from.

    Attributes:
        text: Put before the text; may be empty.
        task: What sentence-transformers calls the role for this model.
        source: ``model`` (its configuration), ``family`` (the table here) or ``none``.
    """

    text: str
    task: str
    source: str


def find_prompts(name: str, configured: Mapping[str, str | None]) -> dict[str, Prompt]:
    """The prompt for each of `ROLES`.

    Args:
        name: The model's name or path, by which its family is known.
        configured: Prompts in the model's configuration, by their names.
    """
    family = next((prompts for pattern, prompts in _FAMILIES if re.search(pattern, name.lower())), {})
    found = {}
    for role, names in _CONFIGURED_NAMES.items():
        own = next((candidate for candidate in names if configured.get(candidate)), None)
        if own is not None:
            task = own if own.startswith("retrieval.") else role
            found[role] = Prompt(configured[own] or "", task, "model")
        elif any(configured.values()) or role not in family:
            found[role] = Prompt("", role, "none")
        else:
            found[role] = Prompt(family[role], role, "family")
    return found
