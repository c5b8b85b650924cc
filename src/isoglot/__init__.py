"""isoglot finds out whether a multilingual retriever ranks by meaning or by language, and makes it rank by meaning.

    import isoglot

    before = isoglot.audit("e5-small-q4", "mini@test")
    isoglot.align("e5-small-q4", "center", "mini@train", "aligned")
    after = isoglot.audit("aligned", "mini@test")
    print(isoglot.to_markdown(isoglot.compare(before, after)))

Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from isoglot.alignment.guard import LossyError
    from isoglot.alignment.run import align
    from isoglot.auditing import audit
    from isoglot.collection import Collection, Document, Query
    from isoglot.comparison import Comparison, compare
    from isoglot.errors import IsoglotError
    from isoglot.evaluator import LanguageBiasEvaluator
    from isoglot.indexing.store import Index
    from isoglot.models import model_path
    from isoglot.report.markdown import to_markdown
    from isoglot.results import Audit
    from isoglot.rows.loading import training_rows
    from isoglot.rows.row import Row, read_rows, write_rows
    from isoglot.sources import load_collection

_HOMES = {
    "Audit": "isoglot.results",
    "Collection": "isoglot.collection",
    "Comparison": "isoglot.comparison",
    "Document": "isoglot.collection",
    "Index": "isoglot.indexing.store",
    "IsoglotError": "isoglot.errors",
    "LanguageBiasEvaluator": "isoglot.evaluator",
    "LossyError": "isoglot.alignment.guard",
    "Query": "isoglot.collection",
    "align": "isoglot.alignment.run",
    "audit": "isoglot.auditing",
    "compare": "isoglot.comparison",
    "load_collection": "isoglot.sources",
    "Row": "isoglot.rows.row",
    "to_markdown": "isoglot.report.markdown",
    "model_path": "isoglot.models",
    "read_rows": "isoglot.rows.row",
    "training_rows": "isoglot.rows.loading",
    "write_rows": "isoglot.rows.row",
}

__all__ = [
    "Audit",
    "Collection",
    "Comparison",
    "Document",
    "Index",
    "IsoglotError",
    "LanguageBiasEvaluator",
    "LossyError",
    "Query",
    "Row",
    "align",
    "audit",
    "compare",
    "load_collection",
    "model_path",
    "read_rows",
    "to_markdown",
    "training_rows",
    "write_rows",
]


_MODULES = ("losses", "mteb_tasks")
"""Modules that a user reaches as ``isoglot.losses``."""


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"isoglot.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'isoglot' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
