"""Which retrievers can be named: `RETRIEVERS`, what other packages register, and models.

A package adds its own by an entry point in the group ``isoglot.retrievers``, named as what stands before the colon:

    [project.entry-points."isoglot.retrievers"]
    mine = "my_package:load"          # then: isoglot audit mine:ARGUMENT --data ...

``load(argument, loading)`` takes what stands after the colon and a `Loading`, and returns a `Retriever` or a `Scorer`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from isoglot.encoders.encoder import Encoder
from isoglot.encoders.sentence_transformer import load_encoder
from isoglot.platform.errors import IsoglotError
from isoglot.retrievers.base import Retriever, Scorer
from isoglot.retrievers.dense import DenseRetriever
from isoglot.retrievers.kinds import RETRIEVERS
from isoglot.retrievers.pipelines import is_pipeline, parse_pipeline
from isoglot.retrievers.scorer import ScorerRetriever
from isoglot.retrievers.transformed import TransformedRetriever
from isoglot.stores.base import Fields
from isoglot.transforms.files import load_transform, split_transform

GROUP = "isoglot.retrievers"


@dataclass(frozen=True)
class Loading:
    """How a retriever is loaded.

    Attributes:
        device: ``auto`` or a torch device.
        precision: Of a model's products, as for `load_encoder`.
        trust_remote_code: Whether code inside a model's repository may run.
        prompts: Role -> the prompt that the user chose, as for `load_encoder`.
        fields: Which fields of a store's documents hold language, content id and vector.
    """

    device: str = "auto"
    precision: str = "auto"
    trust_remote_code: bool = False
    prompts: Mapping[str, str] | None = None
    fields: Fields | None = None


def as_retriever(
    named: str | Encoder | Retriever | Scorer,
    *,
    device: str = "auto",
    precision: str = "auto",
    trust_remote_code: bool = False,
    prompts: Mapping[str, str] | None = None,
    keep_vectors: bool = True,
    fields: Fields | None = None,
) -> Retriever:
    """The retriever that a user named, or made.

    Args:
        named: A name out of `RETRIEVERS` or of an entry point, with its argument (``openai:MODEL``); a model's name as
            for `load_encoder`; either with ``+`` and the folder of a transform; a pipeline of these (see
            `isoglot.retrievers.pipelines`); an `Encoder`; a `Retriever`; or an
            object with the one method of `Scorer`.
        device: ``auto`` or a torch device.
        precision: Of a model's products, as for `load_encoder`.
        trust_remote_code: Whether code inside a model's repository may run.
        prompts: Role -> the prompt before its texts, as for `load_encoder`; None: those of the model.
        keep_vectors: Whether the vectors of a model on this machine are read from and written to the cache on disk;
            other retrievers keep theirs as they always do.
        fields: Which fields of a store's documents hold language, content id and vector.

    Raises:
        IsoglotError: There is no such retriever, what it needs is missing, or it takes no prompts.
    """
    if prompts and not isinstance(named, str):
        raise IsoglotError("prompts are chosen when a model is loaded, not for one that is loaded already")
    if isinstance(named, Encoder):
        return DenseRetriever(named, keep_vectors=keep_vectors)
    if not isinstance(named, str):
        if isinstance(named, type):
            raise IsoglotError(f"{named.__name__}: is a class; pass an object of it")
        if isinstance(named, Retriever):
            return named
        if isinstance(named, Scorer):
            return ScorerRetriever(named)
        raise IsoglotError(
            f"{type(named).__name__}: is no retriever; it needs a method scores(queries, documents), or those of "
            "isoglot.retrievers.base.Retriever"
        )
    part = partial(
        as_retriever,
        device=device,
        precision=precision,
        trust_remote_code=trust_remote_code,
        prompts=prompts,
        keep_vectors=keep_vectors,
        fields=fields,
    )
    if is_pipeline(named):
        if prompts:
            raise IsoglotError(f"{named}: prompts cannot be chosen for a pipeline; its models use their own")
        return parse_pipeline(named, part)
    base, folder = split_transform(named)
    if folder:
        return TransformedRetriever(part(base), load_transform(folder), Path(folder).name)
    name, colon, argument = named.partition(":")
    loading = Loading(device, precision, trust_remote_code, prompts, fields)
    load = _loader(name) if colon or name in RETRIEVERS else None
    if load is None:
        encoder = load_encoder(
            named, device=device, precision=precision, trust_remote_code=trust_remote_code, prompts=prompts
        )
        return DenseRetriever(encoder, keep_vectors=keep_vectors)
    if prompts and name in RETRIEVERS and not RETRIEVERS[name].encodes:
        raise IsoglotError(f"{named}: encodes no text, so there is no prompt to choose")
    return as_retriever(load(argument, loading), keep_vectors=keep_vectors)


def is_kind(named: str) -> bool:
    """Return whether a name is that of a kind of retrievers, such as ``openai:MODEL``, and not that of a model."""
    name, colon, _ = named.partition(":")
    return bool(colon or name in RETRIEVERS) and _loader(name) is not None


def _loader(name: str) -> Callable[[str, Loading], Any] | None:
    """The function that loads a kind of retrievers; None where there is no such kind."""
    if name in RETRIEVERS:
        kind = RETRIEVERS[name]
        return partial(import_module(kind.module).load, **kind.options)
    for entry in entry_points(group=GROUP, name=name):
        try:
            return entry.load()  # type: ignore[no-any-return]
        except (ImportError, AttributeError) as error:
            raise IsoglotError(f"{name}: the retriever {entry.value} cannot be loaded: {error}") from error
    return None
