"""The prompts that a model expects before a query and before a document.

The model's own sentence-transformers configuration decides; where it has no prompts, the table of families below does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

ROLES = ("query", "document")
"""The roles in which a text is encoded."""

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
    """A prompt and its origin.

    Attributes:
        text: The text before each text to encode; it may be empty.
        task: The name by which sentence-transformers knows the role in this model.
        source: ``model`` (its configuration), ``family`` (the table here) or ``none``.
    """

    text: str
    task: str
    source: str


def find_prompts(name: str, configured: Mapping[str, str | None]) -> dict[str, Prompt]:
    """Return the prompt for each of `ROLES`.

    Args:
        name: The name or path of the model, which tells its family.
        configured: The prompts in the model's configuration by their names.
    """
    family = next((of_family for pattern, of_family in _FAMILIES if re.search(pattern, name.lower())), {})
    prompts = {}
    for role, names in _CONFIGURED_NAMES.items():
        configured_name = next((candidate for candidate in names if configured.get(candidate)), None)
        if configured_name is not None:
            task = configured_name if configured_name.startswith("retrieval.") else role
            prompts[role] = Prompt(configured[configured_name] or "", task, "model")
        elif any(configured.values()) or role not in family:
            prompts[role] = Prompt("", role, "none")
        else:
            prompts[role] = Prompt(family[role], role, "family")
    return prompts
