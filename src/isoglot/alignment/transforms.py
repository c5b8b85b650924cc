"""`align` of what has no weights here: an API's model, stored vectors, an index. The result is a transform."""

from __future__ import annotations

import dataclasses
import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sentence_transformers.sentence_transformer.modules import Dense
from torch import Tensor
from torch.nn import Module

from isoglot.alignment.corpus_texts import CorpusTexts
from isoglot.alignment.guard import LossyError, development_audit, judge
from isoglot.alignment.registry import METHODS, Method
from isoglot.alignment.request import Request, texts_and_development, with_query_share
from isoglot.alignment.row_vectors import RowVectors, encode_rows
from isoglot.corpora.collection import Collection
from isoglot.corpora.sources import load_collection
from isoglot.encoders.language_modules import InferredCentering, LanguageCentering, LanguageModule, LanguageProjection
from isoglot.encoders.prompts import ROLES
from isoglot.evaluation.lift import before_and_after
from isoglot.platform.errors import IsoglotError
from isoglot.platform.version import __version__
from isoglot.retrievers.base import Retriever
from isoglot.retrievers.dense import Encodes
from isoglot.retrievers.held import HoldsVectors, sample_held
from isoglot.retrievers.transformed import TransformedRetriever
from isoglot.training_data.row import Row
from isoglot.transforms.files import save_transform
from isoglot.transforms.transform import SCHEMA, Transform, TransformRecord, sample_of, with_common

log = logging.getLogger("isoglot")

Fitting = tuple[RowVectors, Sequence[Row] | CorpusTexts, Collection | None]
"""What a method is fitted to: vectors, their texts, and what the result is judged on."""


def align_vectors(
    retriever: Retriever, request: Request, method: Method, given: Mapping[str, Any], output: Path, *, seed: int
) -> Path:
    """Fit a training-free method to the vectors of a retriever, and save it as a transform.

    What encodes texts (an API) is fitted on the texts of `request.data`, and judged on its development split. What only
    holds vectors is fitted on a sample of them, and judged on `request.dev`, if that is named.

    Args:
        retriever: Gives the vectors.
        request: What is asked for.
        method: The method.
        given: The method's options that the user gave.
        output: The folder of the transform.
        seed: Random seed of what is held out.

    Returns:
        `output`.

    Raises:
        LossyError: The changed vectors certainly find less in their own language; they are kept beside `output`.
        IsoglotError: The method needs weights, the retriever has no vectors, or the output is taken.
    """
    if method.trained:
        names = ", ".join(other.name for other in METHODS.values() if not other.trained)
        raise IsoglotError(f"{request.model}: its weights are not here, and {method.name} trains them; choose {names}")
    if request.keep_scale:
        raise IsoglotError("--keep-scale is for models; a transform's vectors have their own scale")
    if isinstance(retriever, Encodes):
        row_vectors, rows, development = _encoded(retriever, request, method, seed)
    elif isinstance(retriever, HoldsVectors):
        row_vectors, rows, development = _held(retriever, request, method)
    else:
        raise IsoglotError(f"{request.model}: gives no vectors, so there is nothing to align")
    options = with_query_share(method.options(given), rows)
    data = rows.name if isinstance(rows, CorpusTexts) else str(request.data or "")
    transform = fit_transform(method, options, row_vectors, rows, model=request.model, data=data)
    if development is not None:
        changed = TransformedRetriever(retriever, transform, output.name)
        before, after = (
            development_audit(each, development, goal=request.goal, show_progress=request.show_progress)
            for each in (retriever, changed)
        )
        verdict = judge(before, after, development.golds, request.max_loss)
        log.info("%s: %s", development.name, verdict)
        if not verdict.passed:
            aside = save_transform(transform, output.with_name(f"{output.name}.lossy"), force=True)
            what = f"{verdict} on {development.name}, and a loss of {request.max_loss:g} is allowed"
            raise LossyError(f"{what}; the transform is kept as {aside}", aside, verdict)
    return save_transform(transform, output, force=request.force)


def fit_transform(
    method: Method,
    options: Any,
    row_vectors: RowVectors,
    rows: Sequence[Row] | CorpusTexts,
    *,
    model: str,
    data: str,
) -> Transform:
    """Fit a training-free method to vectors.

    Args:
        method: The method.
        options: Its options.
        row_vectors: The vectors, of which those of queries may be none.
        rows: Their texts.
        model: What gave the vectors, for the record.
        data: What the texts were, for the record.

    Raises:
        IsoglotError: The vectors are too few, or in too few languages.
    """
    modules = method.modules(row_vectors, rows, options)
    languages, parts = _parts(modules, row_vectors)
    documents, tags = row_vectors.vectors["document"], [tag for tag, _ in row_vectors.texts["document"]]
    record = TransformRecord(
        schema=SCHEMA,
        isoglot=__version__,
        method=method.name,
        options=dataclasses.asdict(options),
        model=model,
        data=data,
        dimension=documents.shape[1],
        languages=tuple(languages),
        needs_language=method.needs_language,
        counts={role: dict(Counter(tag for tag, _ in pairs)) for role, pairs in row_vectors.texts.items()},
        reads=_reads(modules),
    )
    transform = Transform(record=record, sample=sample_of(documents), **parts)
    return transform.with_lift(before_and_after(documents, transform.documents(documents, tags), tags))


def _encoded(retriever: Encodes, request: Request, method: Method, seed: int) -> Fitting:
    rows, development = texts_and_development(request, method, seed)
    return encode_rows(retriever, rows, show_progress=request.show_progress), rows, development


def _held(retriever: HoldsVectors, request: Request, method: Method) -> Fitting:
    """A sample of the vectors that a retriever holds; ids stand for their texts."""
    texts, vectors = {}, {}
    for role in ROLES:
        versions, found = sample_held(retriever, role)
        lengths = np.linalg.norm(found, axis=-1)
        known = np.flatnonzero(lengths)  # a text of which a model knows no word has a vector of zeros
        texts[role] = [(versions[at][1], versions[at][0]) for at in known.tolist()]
        vectors[role] = found[known] / lengths[known, None]
    if not texts["document"]:
        raise IsoglotError(f"{request.model}: holds no vectors of documents")
    if not texts["query"]:
        vectors["query"] = np.empty((0, vectors["document"].shape[1]), dtype=np.float32)
    rows: Sequence[Row] | CorpusTexts = CorpusTexts(
        name=request.model, documents=[], queries=[], asked=bool(texts["query"])
    )
    if method.labels:
        contents: dict[str, dict[str, str]] = defaultdict(dict)
        for language, identity in texts["document"]:
            contents[identity][language] = identity
        rows = [Row(identity, {}, versions_of) for identity, versions_of in contents.items()]
    development = request.dev
    if isinstance(development, str):
        development = None if development == "none" else load_collection(development, strict=request.strict)
    return RowVectors(texts, vectors), rows, development


def _parts(modules: Sequence[Module], row_vectors: RowVectors) -> tuple[list[str], dict[str, Any]]:
    """The languages that modules know, and the arrays by which a transform does what they do."""
    dimension = row_vectors.vectors["document"].shape[1]
    languages = next((module.languages for module in modules if isinstance(module, LanguageModule)), None)
    languages = languages or row_vectors.languages
    parts: dict[str, Any] = {"offsets": np.zeros((2, len(languages) + 1, dimension), dtype=np.float32)}
    for module in modules:
        if isinstance(module, LanguageCentering):
            parts["offsets"] = with_common(_array(module.table).transpose(1, 0, 2))
            if module.reader is not None:
                parts |= {"reader": _array(module.reader), "means": _array(module.table[:, 0])}
        elif isinstance(module, LanguageProjection):
            parts["directions"] = np.concatenate([_array(module.table), _array(module.common())[None]])
        elif isinstance(module, InferredCentering):
            reader = np.column_stack([_array(module.weight), _array(module.bias)])
            parts |= {"reader": reader, "means": _array(module.means)}
        elif isinstance(module, Dense):
            parts["matrix"] = _array(module.linear.weight)
            parts["offsets"] -= _array(module.linear.bias)
    return languages, parts


def _reads(modules: Sequence[Module]) -> tuple[str, ...]:
    """The roles whose language is read from the vector."""
    if any(isinstance(module, InferredCentering) for module in modules):
        return ROLES
    return ("query",) if any(getattr(module, "reader", None) is not None for module in modules) else ()


def _array(tensor: Tensor) -> Any:
    return tensor.detach().cpu().numpy().astype(np.float32)
