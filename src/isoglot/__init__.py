"""isoglot finds out whether a multilingual retriever ranks by meaning or by language, and makes it rank by meaning.

    import isoglot

    before = isoglot.audit("e5-small-q4", "mini@test")
    isoglot.align("e5-small-q4", "center", "mini@train", "aligned")
    after = isoglot.audit("aligned", "mini@test")
    print(isoglot.compare(before, after).to_markdown())

Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from isoglot.alignment.methods import align
    from isoglot.auditing import audit
    from isoglot.collection import Collection, Document, Query
    from isoglot.comparison import Comparison, compare
    from isoglot.errors import IsoglotError
    from isoglot.models import model_path
    from isoglot.results import Audit
    from isoglot.sources import load_collection

_HOMES = {
    "Audit": "isoglot.results",
    "Collection": "isoglot.collection",
    "Comparison": "isoglot.comparison",
    "Document": "isoglot.collection",
    "IsoglotError": "isoglot.errors",
    "Query": "isoglot.collection",
    "align": "isoglot.alignment.methods",
    "audit": "isoglot.auditing",
    "compare": "isoglot.comparison",
    "load_collection": "isoglot.sources",
    "model_path": "isoglot.models",
}

__all__ = [
    "Audit",
    "Collection",
    "Comparison",
    "Document",
    "IsoglotError",
    "Query",
    "align",
    "audit",
    "compare",
    "load_collection",
    "model_path",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'isoglot' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
