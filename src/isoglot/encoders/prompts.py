"""The prompts that a model expects before a query and before a document.

What the user chose comes first, then the model's own sentence-transformers configuration; where it has no prompts for
the roles, the table of families below decides.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from isoglot.encoders.models import ALIGNMENT_RECORD
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import expanded

log = logging.getLogger("isoglot")

ROLES = ("query", "document")
"""The roles in which a text is encoded."""

_CONFIGURED_NAMES = {
    "query": ("query", "retrieval.query", "search_query"),
    "document": ("document", "passage", "corpus", "retrieval.passage", "search_document", "doc"),
}
"""The names by which configurations know the prompt of each role, in any case, the most usual first."""
_OF_OTHER_ROLE = {"query": re.compile("doc|passage|corpus"), "document": re.compile("query")}
"""What the name of a prompt says if it is no candidate for a role."""
_FILLED_IN = ("query", "document")
"""The names that sentence-transformers gives every model: an empty prompt under them is nobody's decision."""
_FAMILIES = (
    (
        r"(\b|_)e5-(mistral|.*instruct)",
        {"query": "Instruct: Given a question, retrieve passages that answer it\nQuery: "},
    ),
    (r"(\b|_)e5-(small|base|large)(?![a-z0-9])", {"query": "query: ", "document": "passage: "}),
    (r"nomic-embed-text", {"query": "search_query: ", "document": "search_document: "}),
    (
        r"gemini-embedding-2|embeddinggemma",
        {"query": "task: search result | query: ", "document": "title: none | text: "},
    ),
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
        role: next((candidate for candidate in _configured_names(role, configured) if configured[candidate]), None)
        for role in ROLES
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
    sources = {role: prompt.source for role, prompt in prompts.items()}
    if unused := unused_prompts(prompts, configured):
        log.warning("%s; choose by --query-prompt and --document-prompt", describe_unused(name, unused, sources))
    elif "family" in sources.values():
        _log_family(name, " and ".join(repr(prompt.text) for prompt in prompts.values() if prompt.source == "family"))
    return prompts


def unused_prompts(prompts: Mapping[str, Prompt], configured: Mapping[str, str | None]) -> tuple[str, ...]:
    """Return the names of a model's prompts that are not used, though a role has none of the model's.

    They are none if the user chose a prompt, or if the configuration states that the role has no prompt. Prompts of
    the other role, by their names, are left out.

    Args:
        prompts: Role -> the prompt that is used.
        configured: The prompts in the model's configuration by their names.
    """
    if any(prompt.source == "chosen" for prompt in prompts.values()):
        return ()
    bare = [
        role
        for role, prompt in prompts.items()
        if prompt.source in ("family", "none")
        and not any(name.lower() not in _FILLED_IN for name in _configured_names(role, configured))
    ]
    used = {prompt.text for prompt in prompts.values()}
    return tuple(
        name
        for name, text in configured.items()
        if text and text not in used and not all(_OF_OTHER_ROLE[role].search(name.lower()) for role in bare)
    )


def describe_unused(model: str, unused: Sequence[str], sources: Mapping[str, str]) -> str:
    """Say that a model has prompts of which none is used, and for which texts.

    Args:
        model: The name of the model.
        unused: What `unused_prompts` returns.
        sources: Role -> the source of its prompt.
    """
    said = f"{model} has prompts ({', '.join(unused)}), of which none is used"
    if "family" in sources.values():
        return f"{said}, but those of its family"
    bare = [role for role, source in sources.items() if source == "none"]
    return said if len(bare) == len(ROLES) else f"{said} for {bare[0]} texts"


def _configured_names(role: str, configured: Mapping[str, str | None]) -> list[str]:
    """Return the names in the configuration that mean a role, the most usual first."""
    return [name for known in _CONFIGURED_NAMES[role] for name in configured if name.lower() == known]


def _family(name: str) -> dict[str, str]:
    """Return the prompts of the model's family by role; a folder that `align` wrote states its prompts itself.

    The last part of a name or path tells the family, also that of what a link leads to; for a snapshot in the hub's
    cache the repository's name.
    """
    path = expanded(name)
    if (path / ALIGNMENT_RECORD).is_file():
        return {}
    paths = (path.absolute(), path.resolve())
    names = "\n".join(
        path.parent.parent.name.rpartition("--")[2] if path.parent.name == "snapshots" else path.name for path in paths
    )
    return next((prompts for pattern, prompts in _FAMILIES if re.search(pattern, names.lower())), {})


@cache
def _log_family(model: str, texts: str) -> None:
    """Say once that a model's prompts come from its name."""
    log.info("%s: gets the prompts of its family, which its name tells (%s)", model, texts)


def _chosen(prompt: str, role: str, model: str, configured: Mapping[str, str | None]) -> Prompt:
    if prompt in configured:
        return Prompt(configured[prompt] or "", _task(prompt, role), "chosen")
    if _NAME.fullmatch(prompt) and prompt not in configured.values():
        names = ", ".join(configured) or "none"
        raise IsoglotError(f"{model} has no prompt {prompt!r}; its prompts: {names}; a text ends in a space or a mark")
    return Prompt(prompt, role, "chosen")


def _task(configured_name: str, role: str) -> str:
    return configured_name if configured_name.startswith("retrieval.") else role
