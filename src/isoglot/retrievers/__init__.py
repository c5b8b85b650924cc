"""What can be audited: anything that ranks the documents of a pool, one file a kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from isoglot.corpora.collection import Collection
from isoglot.ranking.pools import Pool

if TYPE_CHECKING:
    from isoglot.encoders.sentence_transformer import Encoder
    from isoglot.ranking.exact import Ranking


class Retriever(Protocol):
    """Ranks the documents of pools."""

    def describe(self) -> dict[str, Any]:
        """What an audit records of it, equal for retrievers that rank alike under one name.

        The keys are name, fingerprint, dimension, max_length, prompts (text and source by role) and language_given;
        where it is no model of this machine also ``how``: one line on what it is.
        """

    def environment(self) -> dict[str, Any]:
        """Platform and versions of what it works with."""

    def rankings(
        self, collection: Collection, pools: Sequence[Pool], *, balance: str, top_k: int, show_progress: bool
    ) -> Iterator[Ranking]:
        """The ranking of each pool, in order.

        Args:
            collection: What the pools' positions point into.
            pools: All that will be asked.
            balance: How the languages' lists are merged, one of `isoglot.ranking.balance.BALANCES`.
            top_k: How many of the best documents to return.
            show_progress: Whether to show progress on standard error.

        Raises:
            IsoglotError: It cannot rank them; the message says why.
        """


def as_retriever(
    named: str | Encoder | Retriever,
    *,
    device: str = "auto",
    precision: str = "auto",
    trust_remote_code: bool = False,
) -> Retriever:
    """The retriever that a user named, or an `Encoder` as one.

    Args:
        named: ``bm25``, ``openai:MODEL``, ``vectors:DIR``, ``ray:DIR``, a model's name as for `load_encoder`, an
            `Encoder`, or a `Retriever`.
        device: ``auto`` or a torch device.
        precision: Of a model's products, as for `load_encoder`.
        trust_remote_code: Whether code inside a model's repository may run.

    Raises:
        IsoglotError: There is no such retriever, or what it needs is missing.
    """
    from isoglot.encoders.sentence_transformer import Encoder, load_encoder
    from isoglot.retrievers.dense import DenseRetriever

    if isinstance(named, Encoder):
        return DenseRetriever(named)
    if not isinstance(named, str):
        return named
    kind, colon, what = named.partition(":")
    if named == "bm25":
        from isoglot.retrievers.bm25 import Bm25Retriever

        return Bm25Retriever()
    if colon and kind == "openai":
        from isoglot.retrievers.embeddings_api import EmbeddingsApiRetriever

        return EmbeddingsApiRetriever(what)
    if colon and kind in ("vectors", "ray"):
        folder = Path(what).expanduser()
        if kind == "ray" or (folder / "encoded.json").exists():
            from isoglot.retrievers.shards import ShardsRetriever

            return ShardsRetriever(folder, ray=kind == "ray")
        from isoglot.retrievers.stored_vectors import StoredVectorsRetriever

        return StoredVectorsRetriever(folder)
    return DenseRetriever(load_encoder(named, device=device, precision=precision, trust_remote_code=trust_remote_code))
