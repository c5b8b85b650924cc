"""The prompts that a model expects before a query and before a document.

What the user chose comes first, then the model's own sentence-transformers configuration; where it has no prompts for
the roles, the table of families below decides.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass

from isoglot.encoders.models import ALIGNMENT_RECORD
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import expanded

log = logging.getLogger("isoglot")

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


_NAME = re.compile(r"[A-Za-z0-9_.-]+")
"""What is a name and no prompt: a prompt of one word ends in a space or a mark, else it would run into the text."""


@dataclass(frozen=True)
class Prompt:
    """A prompt and its origin.

    Attributes:
        text: The text before each text to encode; it may be empty.
        task: The name by which sentence-transformers knows the role in this model.
        source: ``chosen`` (by the user), ``model`` (its configuration), ``family`` (the table here), ``server`` (which
            puts its own) or ``none``.
    """

    text: str
    task: str
    source: str


def find_prompts(
    name: str, configured: Mapping[str, str | None], chosen: Mapping[str, str] | None = None
) -> dict[str, Prompt]:
    """Return the prompt for each of `ROLES`; a warning says so if the model has prompts of which none is used.

    Args:
        name: The name or path of the model, which tells its family.
        configured: The prompts in the model's configuration by their names.
        chosen: Role -> the prompt that the user chose, by its text or by its name in the configuration; None: none.

    Raises:
        IsoglotError: A chosen prompt is a name that the configuration lacks, or it is chosen for something else than a
            role.
    """
    chosen = chosen or {}
    if unknown := sorted(set(chosen) - set(ROLES)):
        raise IsoglotError(f"prompts are chosen for {' and '.join(ROLES)}, not for {unknown[0]!r}")
    known = {
        role: next((candidate for candidate in names if configured.get(candidate)), None)
        for role, names in _CONFIGURED_NAMES.items()
    }
    family = {} if any(known.values()) else _family(name)
    prompts = {}
    for role, configured_name in known.items():
        if role in chosen:
            prompts[role] = _chosen(chosen[role], role, name, configured)
        elif configured_name is not None:
            prompts[role] = Prompt(configured[configured_name] or "", _task(configured_name, role), "model")
        else:
            prompts[role] = Prompt(family.get(role, ""), role, "family" if role in family else "none")
    if unused := unused_prompts(prompts, configured):
        log.warning(
            "%s has prompts (%s), of which none is used%s; choose by --query-prompt and --document-prompt",
            *(name, ", ".join(unused), ", but those of its family" if family else ""),
        )
    return prompts


def unused_prompts(prompts: Mapping[str, Prompt], configured: Mapping[str, str | None]) -> tuple[str, ...]:
    """Return the names of a model's prompts if none of them is used, and the user chose none either.

    Args:
        prompts: Role -> the prompt that is used.
        configured: The prompts in the model's configuration by their names.
    """
    names = tuple(name for name, text in configured.items() if text)
    return names if all(prompt.source in ("family", "none") for prompt in prompts.values()) else ()


def _family(name: str) -> dict[str, str]:
    """Return the prompts of the model's family by role; a folder that `align` wrote states its prompts itself."""
    if (expanded(name) / ALIGNMENT_RECORD).is_file():
        return {}
    return next((prompts for pattern, prompts in _FAMILIES if re.search(pattern, name.lower())), {})


def _chosen(prompt: str, role: str, model: str, configured: Mapping[str, str | None]) -> Prompt:
    if prompt in configured:
        return Prompt(configured[prompt] or "", _task(prompt, role), "chosen")
    if _NAME.fullmatch(prompt) and prompt not in configured.values():
        names = ", ".join(configured) or "none"
        raise IsoglotError(f"{model} has no prompt {prompt!r}; its prompts: {names}; a text ends in a space or a mark")
    return Prompt(prompt, role, "chosen")


def _task(configured_name: str, role: str) -> str:
    return configured_name if configured_name.startswith("retrieval.") else role
