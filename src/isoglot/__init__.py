"""isoglot finds out whether a multilingual retriever ranks by meaning or by language, and makes it rank by meaning.

    import isoglot

    before = isoglot.audit("e5-small-q4", "mini@test")
    isoglot.align("e5-small-q4", "center", "mini@train", "aligned")
    after = isoglot.audit("aligned", "mini@test")
    print(isoglot.to_markdown(isoglot.compare(before, after)))

Nothing heavy is imported before it is used.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from isoglot.platform.version import __version__

if TYPE_CHECKING:
    from isoglot import losses, mteb_tasks
    from isoglot.alignment.guard import LossyError
    from isoglot.alignment.publishing import push
    from isoglot.alignment.run import align
    from isoglot.choosing.choice import Choice
    from isoglot.choosing.run import choose
    from isoglot.corpora.collection import Collection, Document, Query
    from isoglot.corpora.sources import load_collection
    from isoglot.encoders.models import model_path
    from isoglot.evaluation.audit import audit
    from isoglot.evaluation.comparison.comparison import Comparison, compare
    from isoglot.evaluation.results import Audit
    from isoglot.indexing.store import Index
    from isoglot.integrations.evaluator import LanguageBiasEvaluator
    from isoglot.platform.errors import IsoglotError
    from isoglot.report.markdown import to_markdown
    from isoglot.report.notebook import charts
    from isoglot.training_data.loading import training_rows
    from isoglot.training_data.row import Row, read_rows, write_rows
    from isoglot.transforms.transform import Transform

__all__ = [
    "Audit",
    "Choice",
    "Collection",
    "Comparison",
    "Document",
    "Index",
    "IsoglotError",
    "LanguageBiasEvaluator",
    "LossyError",
    "Query",
    "Row",
    "Transform",
    "__version__",
    "align",
    "audit",
    "charts",
    "choose",
    "compare",
    "load_collection",
    "losses",
    "model_path",
    "mteb_tasks",
    "push",
    "read_rows",
    "to_markdown",
    "training_rows",
    "write_rows",
]

if not TYPE_CHECKING:  # a type checker sees the imports above, and so reports a misspelt name
    _MODULES = {
        "Audit": "evaluation.results",
        "Choice": "choosing.choice",
        "Collection": "corpora.collection",
        "Comparison": "evaluation.comparison.comparison",
        "Document": "corpora.collection",
        "Index": "indexing.store",
        "IsoglotError": "platform.errors",
        "LanguageBiasEvaluator": "integrations.evaluator",
        "LossyError": "alignment.guard",
        "Query": "corpora.collection",
        "Row": "training_data.row",
        "Transform": "transforms.transform",
        "align": "alignment.run",
        "audit": "evaluation.audit",
        "charts": "report.notebook",
        "choose": "choosing.run",
        "compare": "evaluation.comparison.comparison",
        "load_collection": "corpora.sources",
        "model_path": "encoders.models",
        "push": "alignment.publishing",
        "read_rows": "training_data.row",
        "to_markdown": "report.markdown",
        "training_rows": "training_data.loading",
        "write_rows": "training_data.row",
    }

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name in ("losses", "mteb_tasks"):
            return import_module(f"isoglot.{name}")
        if name not in _MODULES:
            raise AttributeError(f"module 'isoglot' has no attribute {name!r}")
        return getattr(import_module(f"isoglot.{_MODULES[name]}"), name)

    def __dir__() -> list[str]:
        return sorted(__all__)


if "IPython" in sys.modules:
    from isoglot.report.notebook import show_in_notebooks

    show_in_notebooks()
