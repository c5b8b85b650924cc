"""What encodes for an index: a model of this machine, an API, or either of them with a transform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any, Protocol, runtime_checkable

import numpy as np

from isoglot.encoders.encoder import Encoder, check_known
from isoglot.encoders.prompts import Prompt
from isoglot.encoders.sentence_transformer import load_model
from isoglot.encoders.tokenizers import EstimatedTokens
from isoglot.llm.service import estimated_tokens
from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.retrievers.base import CountsTokens, PromptRecord, Retriever, RetrieverRecord
from isoglot.retrievers.dense import DenseRetriever, Encodes
from isoglot.retrievers.registry import as_retriever, is_kind
from isoglot.retrievers.transformed import TransformedRetriever
from isoglot.transforms.files import split_transform


class UnencodedError(IsoglotError):
    """An API gave no vectors: it cannot be reached, refuses, or answers with something else."""


class TextEncoder(Protocol):
    """What an index and its server need of a model; `Encoder` has it."""

    @property
    def name(self) -> str:
        """What the index calls the model."""

    @property
    def dimension(self) -> int:
        """The number of components of a vector."""

    @property
    def max_length(self) -> int | None:
        """The number of tokens at which documents are cut; None if there is no limit, or it is not known."""

    @property
    def prompts(self) -> Mapping[str, Prompt | PromptRecord]:
        """The prompt for ``query`` and for ``document``."""

    @property
    def chosen_prompts(self) -> dict[str, str]:
        """What the user chose of them, by role."""

    def signature(self, role: str) -> str:
        """Hash all that decides the vector of a text of a role, other than the text."""

    def tokenizer(self, role: str) -> Any:
        """What counts the tokens of texts of a role, as `token_ids` takes it."""

    def encode(
        self, texts: Sequence[str], role: str, languages: Sequence[str], *, keep: bool = True, allow_zero: bool = False
    ) -> Vectors:
        """As `Encoder.encode`."""

    def token_counts(self, texts: Sequence[str], role: str) -> dict[str, int]:
        """As `Encoder.token_counts`."""


@runtime_checkable
class EncodingRetriever(Encodes, Retriever, Protocol):
    """A retriever that encodes texts."""


class RetrieverEncoder:
    """A retriever by vectors, such as an API or a model with a transform, as the model of an index.

    Args:
        retriever: The retriever.
        name: What the index calls it.
        prompts: What the user chose of its prompts, by role.
    """

    def __init__(self, retriever: EncodingRetriever, name: str, prompts: Mapping[str, str]) -> None:
        self.retriever, self.name, self.chosen_prompts = retriever, name, dict(prompts)
        self._record: RetrieverRecord = retriever.describe()

    @property
    def dimension(self) -> int:
        """As `TextEncoder.dimension`."""
        assert self._record.dimension is not None
        return self._record.dimension

    @property
    def max_length(self) -> int | None:
        """As `TextEncoder.max_length`."""
        return self._record.max_length

    @property
    def prompts(self) -> Mapping[str, PromptRecord]:
        """As `TextEncoder.prompts`."""
        return self._record.prompts

    def signature(self, role: str) -> str:
        """As `TextEncoder.signature`."""
        return self.retriever.signature(role)

    def tokenizer(self, role: str) -> Any:
        """As `TextEncoder.tokenizer`; an API's tokens are estimated."""
        inner: object = self.retriever
        while isinstance(inner, TransformedRetriever):
            inner = inner.inner
        return inner.encoder.tokenizer(role) if isinstance(inner, DenseRetriever) else EstimatedTokens()

    def encode(
        self, texts: Sequence[str], role: str, languages: Sequence[str], *, keep: bool = True, allow_zero: bool = False
    ) -> Vectors:
        """As `TextEncoder.encode`.

        Raises:
            UnencodedError: The API gave no vectors.
            IsoglotError: A vector is zero where none may be.
        """
        try:
            vectors = self.retriever.encode(texts, role, languages, keep=keep)
        except IsoglotError as error:
            raise UnencodedError(str(error)) from error
        return vectors if allow_zero else check_known(self.name, vectors, texts, role)

    def token_counts(self, texts: Sequence[str], role: str) -> dict[str, int]:
        """As `TextEncoder.token_counts`; an API's tokens are estimated."""
        counted = self.retriever.count_tokens(texts, role) if isinstance(self.retriever, CountsTokens) else None
        if counted is None:
            prompt = self.prompts[role].text
            return {text: max(1, ceil(estimated_tokens(prompt + text))) for text in texts}
        return dict(zip(texts, np.minimum(counted.tokens, counted.limit or np.inf).astype(int).tolist(), strict=True))


def load_text_encoder(
    path: str, name: str, *, device: str, trust_remote_code: bool, prompts: Mapping[str, str]
) -> Encoder | RetrieverEncoder:
    """Load what encodes for an index.

    Args:
        path: A bundled model, a folder, a hub id or an API's model (``openai:MODEL``); either with ``+`` and the folder
            of a transform.
        name: What the index calls it.
        device: ``auto`` or a torch device.
        trust_remote_code: Whether code inside a model's repository may run.
        prompts: What the user chose of the prompts, by role.

    Raises:
        IsoglotError: It cannot be loaded, or encodes no texts.
    """
    if not (is_kind(path) or split_transform(path)[1]):
        return Encoder(load_model(path, device=device, trust_remote_code=trust_remote_code), name, prompts)
    retriever = as_retriever(
        path,
        device=device,
        precision="float32",
        trust_remote_code=trust_remote_code,
        prompts=prompts,
        keep_vectors=False,
    )
    if not isinstance(retriever, EncodingRetriever):
        raise IsoglotError(f"{path}: encodes no texts, which the model of an index must")
    return RetrieverEncoder(retriever, name, prompts)
