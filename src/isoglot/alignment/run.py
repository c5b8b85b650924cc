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
    """Align a model and save the result as a sentence-transformers folder, or align vectors and save a transform.

    Base and result are audited on a development split (see `isoglot.alignment.guard`). The folder appears when it is
    complete. If it exists and was made by the same model, data, method, options and seed, it is kept. For what has no
    weights here the result is a transform, which is replaced with `force` only (see `isoglot.alignment.transforms`).

    Args:
        model: A bundled model's name, a folder, or a hub id; or what gives or holds vectors, such as ``openai:MODEL``
            or ``vectors:DIR``.
        method: A name out of `isoglot.alignment.registry.METHODS`, or ``auto`` (see `isoglot.alignment.auto`); None:
            ``center``, for a corpus without labels.
        data: The training rows: a file of rows, a source such as ``mini@train``, a collection, or rows. Methods that
            need no labels also take a corpus: a file or folder of documents, as `isoglot index` does, or ``index:DIR``.
            None: what holds vectors needs no texts.
        output: The folder to write.
        queries: A file of questions that people asked of the corpus; None: spans of its documents stand in.
        languages: The languages to use; None: all of `data`.
        per_row: The most languages in a row besides English, evenly over languages; None: all.
        dev: A collection to audit on; None: contents held out of `data`; ``none``: no guard.
        goal: What is to be gained on the development split, ``together`` or ``own-first`` (see
            `isoglot.evaluation.goals`); ``auto`` chooses by it.
        max_loss: The most points that mono-same ndcg@10 may fall on the development split.
        keep_scale: Whether unrelated pairs keep their mean cosine on the development split, by one more component of
            every vector (see `isoglot.alignment.keep_scale`).
        seeds: The number of seeds to train, each into a folder of its own in `output` (see `isoglot.alignment.seeds`).
        budget: Minutes that ``auto`` may take.
        no_tag: Whether ``auto`` leaves out methods that need each text's language.
        seed: Random seed of the training; the first, where there are several.
        device: ``auto`` or a torch device.
        force: Whether an existing folder may be replaced.
        strict: Whether what readers of data would leave out, such as a document without text, is an error.
        trust_remote_code: Whether code inside the model's repository may run.
        prompts: ``query`` or ``document`` -> the prompt before such texts: its text, or the name of one of the model's
            prompts; None: the model's own. The aligned model keeps it.
        fields: Which fields of a store's documents hold language, content id and vector.
        show_progress: Whether to show progress on standard error.
        **options: The method's own options; see `isoglot.alignment.options`.

    Returns:
        `output` as a path.

    Raises:
        LossyError: The result certainly lost more than `max_loss`; the model is kept under another name.
        IsoglotError: Something named does not exist, an option is wrong, the output is taken, or training failed.
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
