"""A mend that ends after two blocks, in a module that imports no store's client but the one it mends."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from isoglot.alignment.mending import mend
from isoglot.stores.base import Fields, Store

CLASSES = {
    "elasticsearch": "ElasticsearchStore",
    "faiss": "FaissStore",
    "lancedb": "LanceStore",
    "pgvector": "PgvectorStore",
    "qdrant": "QdrantStore",
}
"""The class of each kind of store, in the module of its name."""


def mend_two_blocks(named: str) -> None:
    """Mend a store in blocks of 50 vectors and end before the third block, as if killed."""
    name = named.partition(":")[0]
    module: Any = import_module(f"isoglot.stores.{name}")
    module.BLOCK = 50
    kind = getattr(module, CLASSES[name])
    write, blocks = kind.write, []

    def write_two(self: Store, target: str, block: Any, vectors: Any) -> None:
        if len(blocks) == 2:
            os._exit(9)
        blocks.append(block)
        write(self, target, block, vectors)

    kind.write = write_two
    mend(named, Fields("lang"))
