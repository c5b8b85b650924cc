"""`align`: run an alignment method and save the result as an ordinary model folder."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from isoglot.alignment.auto import align_auto
from isoglot.alignment.corpus_texts import index_of, is_corpus
from isoglot.alignment.execute import execute
from isoglot.alignment.registry import find_method
from isoglot.alignment.request import Request, prepare
from isoglot.alignment.seeds import align_seeds
from isoglot.alignment.transforms import align_vectors
from isoglot.corpora.collection import Collection
from isoglot.corpora.documents import corpus_name
from isoglot.evaluation.goals import find_goal
from isoglot.platform.errors import IsoglotError
from isoglot.retrievers.base import Retriever
from isoglot.retrievers.dense import Encodes
from isoglot.retrievers.registry import as_retriever, is_kind
from isoglot.stores.base import Fields
from isoglot.training_data.row import Row


def align(
    model: str,
    method: str | None,
    data: str | Path | Collection | Sequence[Row] | None,
    output: str | Path,
    *,
    queries: str | Path | None = None,
    languages: Sequence[str] | None = None,
    per_row: int | None = None,
    dev: str | Collection | None = None,
    goal: str = "together",
    max_loss: float = 1.0,
    keep_scale: bool = False,
    seeds: int = 1,
    budget: float = 15.0,
    no_tag: bool = False,
    seed: int = 0,
    device: str = "auto",
    force: bool = False,
    strict: bool = False,
    trust_remote_code: bool = False,
    prompts: Mapping[str, str] | None = None,
    fields: Fields | None = None,
    show_progress: bool = False,
    **options: Any,
) -> Path:
    """Align a model and save it as a sentence-transformers folder, or align vectors and save a transform.

    Base and result are audited on a development split. The folder appears when it is complete. A folder that was made
    from the same model, data, method, options and seed is kept as it is. A retriever without weights on this machine
    gets a transform, which only `force` replaces.

    Args:
        model: Name of a bundled model, a folder or a hub id; for a transform, a retriever with vectors, such as
            ``openai:MODEL`` or ``vectors:DIR``.
        method: Name of a method, such as ``center`` or ``distill``, or ``auto``; None: ``center``, for a corpus without
            labels or for vectors.
        data: Training rows (a file, a source such as ``mini@train``, a `Collection`, or a list of `Row`), or a corpus
            for methods that need no labels: a file or folder of documents, or ``index:DIR``. None: a retriever that
            holds vectors needs no texts.
        output: Folder to write.
        queries: File of questions that people asked of the corpus; None: spans of its documents stand in for them.
        languages: Languages to use; None: all of `data`.
        per_row: Largest number of languages of a row to use besides English, evenly over languages; None: all.
        dev: Collection to audit on; None: contents held out of `data`; ``none``: no guard.
        goal: Goal by which the development split is audited and ``auto`` chooses: ``together`` or ``own-first``.
        max_loss: Largest accepted fall of mono-same ndcg@10 on the development split, in points.
        keep_scale: Whether unrelated pairs keep their mean cosine on the development split, by one more component of
            each vector.
        seeds: Number of seeds to train with, each into a folder of its own in `output`.
        budget: Largest time of ``auto``, in minutes.
        no_tag: Whether ``auto`` leaves out methods that need each text's language at inference.
        seed: Random seed of the training; the first one where there are several.
        device: ``auto`` or a torch device.
        force: Whether an existing result in `output` is replaced.
        strict: Whether data that would be left out, such as a document without text, is an error.
        trust_remote_code: Whether code inside the model's repository may run.
        prompts: Role (``query``, ``document``) -> the prompt put before its texts: the prompt's text, or the name of
            one of the model's prompts. None: the model's own. The aligned model keeps them.
        fields: Fields of a store's documents that hold language, content id and vector.
        show_progress: Whether to show progress on standard error.
        **options: Options of the method, such as ``query_share=0.75``; the page on methods lists them.

    Returns:
        `output` as a path.

    Raises:
        LossyError: The result certainly lost more than `max_loss`; it is kept as ``OUTPUT.lossy``.
        IsoglotError: An input does not exist, an option is out of range, `output` is taken, or training failed.
    """
    retriever: Retriever | None = None
    if index_of(model):
        from isoglot.indexing.held import IndexVectors

        retriever = IndexVectors(index_of(model))
    elif is_kind(model):
        retriever = as_retriever(model, prompts=prompts, fields=fields)
    holds_vectors = retriever is not None and not isinstance(retriever, Encodes)
    if data is None and not holds_vectors:
        raise IsoglotError("name the texts to fit to: a corpus, training rows, or a source")
    if method is None and not holds_vectors:
        if isinstance(data, str | Path) and not index_of(data):
            corpus_name(str(data))  # a file that does not exist is the first thing to say
        if not is_corpus(data):
            raise IsoglotError(
                "name a --method, such as center, distill or auto; only a corpus without labels has a default, center"
            )
    method = method or "center"
    if method != "auto":
        find_method(method)
    if os.environ.get("WORLD_SIZE", "1") != "1" and (method == "auto" or seeds != 1):
        raise IsoglotError("auto and several seeds run in one process, not under torchrun")
    request = Request(
        model=model,
        data=data or "",
        queries=queries,
        languages=languages,
        per_row=per_row,
        dev=dev,
        goal=find_goal(goal).name,
        max_loss=max_loss,
        keep_scale=keep_scale,
        device=device,
        force=force,
        strict=strict,
        trust_remote_code=trust_remote_code,
        prompts=prompts or {},
        show_progress=show_progress,
    )
    if retriever is not None:
        if method == "auto" or seeds != 1:
            raise IsoglotError(f"{model}: its weights are not here, so there are no seeds to try and no auto")
        return align_vectors(retriever, request, find_method(method), options, Path(output), seed=seed)
    if method == "auto":
        if seeds != 1:
            raise IsoglotError("auto chooses by one seed; pass --seeds with the method that it chose")
        return align_auto(request, options, Path(output), seed=seed, budget=budget, no_tag=no_tag)
    if seeds != 1:
        return align_seeds(request, find_method(method), options, Path(output), range(seed, seed + seeds))
    return execute(prepare(request, find_method(method), options, output, seed=seed))
