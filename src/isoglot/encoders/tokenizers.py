"""Tokenizers of models: which one reads a text, the tokens it makes, and the texts that tokens stand for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import ceil
from typing import TYPE_CHECKING, Any

from isoglot.encoders.modules import input_module
from isoglot.llm.service import estimated_tokens

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

NO_LIMIT = 10**9
"""From this number of tokens on, a model's limit is none: libraries write infinity, or 10**30."""


def tokenizer_of(model: SentenceTransformer, task: str | None) -> Any:
    """Return the tokenizer that reads texts of a task; None if there is none.

    An asymmetric model (sentence-transformers' Router) has one for each route.

    Args:
        model: The model.
        task: ``query``, ``document``, or another name of a task; None: none was named.
    """
    return getattr(input_module(model, task), "tokenizer", None)


def token_limit(model: SentenceTransformer, task: str | None) -> int | None:
    """Return the number of tokens at which texts of a task are cut; None if they are not.

    Args:
        model: The model.
        task: As for `tokenizer_of`.
    """
    from tokenizers import Tokenizer

    module = input_module(model, task)
    limits = [getattr(module, "max_seq_length", None)]
    if isinstance(tokenizer := getattr(module, "tokenizer", None), Tokenizer) and tokenizer.truncation:
        limits.append(tokenizer.truncation["max_length"])  # of a static model, whose tokenizer does the cutting
    return min((limit for limit in limits if limit and limit < NO_LIMIT), default=None)


class EstimatedTokens:
    """Stands in for the tokenizer of a model that is behind an API: about as many tokens as `estimated_tokens` says."""

    def __call__(self, texts: Sequence[str], **options: bool) -> dict[str, list[range]]:
        """Return a range as long as each text has tokens, in the form of the library tokenizers."""
        return {"input_ids": [range(ceil(estimated_tokens(text))) for text in texts]}


def counts_tokens(tokenizer: Any) -> bool:
    """Return whether a tokenizer is one of the library tokenizers, of which `token_ids` returns tokens."""
    from tokenizers import Tokenizer

    return isinstance(tokenizer, Tokenizer) or callable(tokenizer)


def token_ids(tokenizer: Any, texts: Sequence[str], *, special_tokens: bool = True) -> Sequence[Sequence[Any]]:
    """Return the tokens of each whole text; its characters where the tokenizer is none of the library tokenizers.

    Args:
        tokenizer: As `tokenizer_of` returns it.
        texts: The texts.
        special_tokens: Whether the tokens that a transformer expects around a text are counted in.
    """
    from tokenizers import Tokenizer

    if isinstance(tokenizer, Tokenizer):  # of a static model, which adds no special tokens
        with _untruncated(tokenizer):
            return [encoding.ids for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=False)]
    if not callable(tokenizer):
        return texts
    ids: list[Sequence[Any]] = tokenizer(list(texts), add_special_tokens=special_tokens, verbose=False)["input_ids"]
    return ids


@contextmanager
def _untruncated(tokenizer: Tokenizer) -> Iterator[None]:
    truncation = tokenizer.truncation
    tokenizer.no_truncation()
    try:
        yield
    finally:
        if truncation:
            tokenizer.enable_truncation(**truncation)


def texts_of(tokenizer: Any, tokens: Sequence[Sequence[int]]) -> list[str] | None:
    """Return the text of each sequence of tokens, without special tokens; None if the tokenizer cannot tell."""
    from tokenizers import Tokenizer

    if isinstance(tokenizer, Tokenizer):
        return list(tokenizer.decode_batch([list(ids) for ids in tokens], skip_special_tokens=True))
    if not hasattr(tokenizer, "batch_decode"):
        return None
    return list(tokenizer.batch_decode(tokens, skip_special_tokens=True))


def tokens_in(features: Mapping[str, Any], count: int) -> list[list[int]] | None:
    """Return the tokens of each of `count` texts in a model's features; None if they are not there."""
    ids = features.get("input_ids")
    offsets = features.get("offsets")
    if ids is None:
        return None
    if offsets is not None:  # a static model has the tokens of all texts in a row
        starts = offsets.tolist()
        return [ids[start:end].tolist() for start, end in zip(starts, [*starts[1:], len(ids)], strict=True)]
    return ids.tolist() if len(ids) == count else None
