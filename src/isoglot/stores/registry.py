"""Which kinds of stores can be named; nothing heavy is imported here, since help texts name them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from isoglot.platform.errors import IsoglotError

if TYPE_CHECKING:
    from isoglot.stores.base import Fields, Store


@dataclass(frozen=True)
class StoreKind:
    """A kind of store, whose module has ``open_store(argument, fields)``.

    Attributes:
        form: How it is written on the command line.
        summary: One line.
        module: The module.
    """

    form: str
    summary: str
    module: str


STORES = {
    "qdrant": StoreKind("qdrant:URL/COLLECTION", "a collection of Qdrant", "isoglot.stores.qdrant"),
    "pgvector": StoreKind(
        "pgvector:postgresql://HOST/DATABASE/TABLE", "a table of PostgreSQL", "isoglot.stores.pgvector"
    ),
    "elasticsearch": StoreKind(
        "elasticsearch:URL/INDEX", "an index of Elasticsearch or OpenSearch", "isoglot.stores.elasticsearch"
    ),
    "lancedb": StoreKind("lancedb:FOLDER/TABLE", "a table of LanceDB", "isoglot.stores.lancedb"),
    "faiss": StoreKind("faiss:INDEX_FILE", "an index file of FAISS", "isoglot.stores.faiss"),
}


def open_store(named: str, fields: Fields) -> Store:
    """Open a store.

    Args:
        named: ``KIND:ARGUMENT``, with a kind out of `STORES`.
        fields: Which fields hold what.

    Raises:
        IsoglotError: There is no such kind or no such store, a client is not installed, or no language field is named.
    """
    kind, colon, argument = named.partition(":")
    if not colon or kind not in STORES:
        forms = ", ".join(known.form for known in STORES.values())
        raise IsoglotError(f"{kind}: is no kind of store; name one as {forms}")
    if fields.language is None and kind != "faiss":
        raise IsoglotError(f"{kind}: name the field of the language, --language-field")
    store: Store = import_module(STORES[kind].module).open_store(argument, fields)
    return store
