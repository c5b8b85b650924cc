"""Retrieval by vectors that an OpenAI-compatible embeddings API gives, kept between runs."""

from __future__ import annotations

import hashlib
import json
import logging
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from isoglot.corpora.collection import Collection
from isoglot.encoders.cache import VectorCache
from isoglot.encoders.prompts import ROLES, Prompt, find_prompts
from isoglot.llm.client import (
    RETRIES,
    client_options,
    error_message,
    masked,
    message_in,
    status_error,
    unreachable_error,
)
from isoglot.llm.service import Service
from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.platform.progress import progress
from isoglot.ranking.pools import Pool
from isoglot.ranking.result import Ranking
from isoglot.retrievers.base import RetrieverRecord, environment
from isoglot.retrievers.dense import prompt_records, rank_encoded

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types import CreateEmbeddingResponse

    from isoglot.retrievers.registry import Loading

log = logging.getLogger("isoglot")

BATCH = 32
"""Texts in a request: what a small server (text-embeddings-inference) accepts, and what a killed run loses at most."""


class EmbeddingsApiRetriever:
    """Ranks by the cosine of vectors from the API at ``OPENAI_BASE_URL``, else OpenAI's, with ``OPENAI_API_KEY``.

    What fails on the way (429, 5xx, time-outs, cut connections) is asked again by the package openai, which waits as
    long as the server's Retry-After says. No text is sent twice, unless the API gave nothing good for it.

    A server of ``isoglot serve`` puts its model's prompts before the texts itself: it is told their role instead.

    Args:
        model: Its name there. A known family gets its prompts, as a local model without any of its own does.
        prompts: Role -> the text of the prompt that the user chose, which may be empty; None: those of the family.
        timeout: Seconds that an answer may take.

    Raises:
        IsoglotError: The package openai is missing, or the key is missing or broken, or the base URL is none.
    """

    def __init__(self, model: str, *, prompts: Mapping[str, str] | None = None, timeout: float = 120) -> None:
        if not model:
            raise IsoglotError("name the API's model: openai:MODEL")
        self._api = Service(model, timeout=timeout)
        self._chosen = dict(prompts or {})
        if self._chosen:
            find_prompts(model, {}, self._chosen)  # report a wrong choice before anything is asked
        options = client_options(self._api)
        from openai import OpenAI

        self._client: OpenAI = OpenAI(**options)
        self._answered = False

    def describe(self) -> RetrieverRecord:
        """As `Retriever.describe`; asks for one vector, if none is kept, for the dimension."""
        prompts = prompt_records(self._prompts)
        where = [self._api.address, self._api.model, msgspec.to_builtins(prompts)]
        return RetrieverRecord(
            name=f"openai:{self._api.model}",
            fingerprint=hashlib.sha256(json.dumps(where, sort_keys=True).encode()).hexdigest(),
            dimension=self.dimension,
            prompts=prompts,
            how=f"embeddings of {self._api.address}, whose weights are not seen: the fingerprint is of names",
        )

    def environment(self) -> dict[str, Any]:
        """As `Retriever.environment`."""
        return environment("openai", "numpy")

    def rankings(
        self, collection: Collection, pools: Sequence[Pool], *, balance: str, top_k: int, show_progress: bool
    ) -> Iterator[Ranking]:
        """As `Retriever.rankings`."""
        if all(prompt.source == "none" for prompt in self._prompts.values()):
            log.info(
                "openai:%s: no prompts of it are known, so none is sent; if the model wants one, "
                "choose it by --query-prompt and --document-prompt",
                self._api.model,
            )
        return rank_encoded(self, collection, pools, balance=balance, top_k=top_k, show_progress=show_progress)

    @cached_property
    def _prompts(self) -> dict[str, Prompt]:
        """The prompts that are sent."""
        if not self._is_own_server:
            return find_prompts(self._api.model, {}, self._chosen)
        if any(self._chosen.values()):
            raise IsoglotError(
                f"{self._api.address}: `isoglot serve` puts its model's prompts before the texts; "
                "choose them when it is indexed or served"
            )
        return {role: Prompt("", role, "server") for role in ROLES}

    @cached_property
    def _is_own_server(self) -> bool:
        """Whether the API is that of ``isoglot serve``, which its list of models tells.

        Where nobody answers, it is if vectors of such a server are kept: kept vectors need no network.
        """
        if self._api.address == "OpenAI's API":
            return False
        import openai

        try:
            models = self._client.with_options(max_retries=0, timeout=10).models.list().data
            return any(model.id == self._api.model and model.owned_by == "isoglot" for model in models)
        except openai.APIConnectionError:
            return bool(VectorCache(self._key("query", Prompt("", "query", "server"))).get(["a"]))
        except (openai.OpenAIError, AttributeError, TypeError, ValueError):  # it lists no models, or something else
            return False

    @cached_property
    def dimension(self) -> int:
        """How many components a vector has; found with the first request, which a wrong key or address costs."""
        cache = self._cache("query")
        known = cache.get(["a"])
        if not known:
            cache.put(["a"], vectors := self._vectors(["a"], "query"))
            known = {"a": vectors[0]}
        return len(known["a"])

    def encode(
        self, texts: Sequence[str], role: str, languages: Sequence[str], *, show_progress: bool = False
    ) -> Vectors:
        """(n, d) float32 vectors of n texts, of unit length, from the cache or else the API.

        Raises:
            IsoglotError: The API does not answer, refuses, or gives something else than a good vector for each text.
        """
        cache = self._cache(role)
        wanted = list(dict.fromkeys(texts))
        known = cache.get(wanted)
        missing = [text for text in wanted if text not in known]
        with progress(f"{self._api.model}: encoding {role} texts", len(missing), show=show_progress) as advance:
            for start in range(0, len(missing), BATCH):
                batch = missing[start : start + BATCH]
                vectors = self._vectors(batch, role)
                if vectors.shape[1] != self.dimension:
                    raise self._bad(f"vectors of {vectors.shape[1]} dimensions, and before of {self.dimension}")
                cache.put(batch, vectors)
                known.update(zip(batch, vectors, strict=True))
                advance(len(batch))
        if any(len(vector) != self.dimension for vector in known.values()):
            raise IsoglotError(f"{cache.path}: keeps vectors of another number of dimensions; remove it")
        return np.stack([known[text] for text in texts])

    def _cache(self, role: str) -> VectorCache:
        return VectorCache(self._key(role, self._prompts[role]), model=f"openai:{self._api.model}")

    def _key(self, role: str, prompt: Prompt) -> dict[str, object]:
        """All that decides a vector but the text, as far as one knows."""
        text = None if prompt.source == "server" else prompt.text
        return {"api": self._api.address, "model": self._api.model, "role": role, "prompt": text}

    def _vectors(self, texts: Sequence[str], role: str) -> Vectors:
        """What the API says, checked; nothing that is wrong gets past here."""
        response = self._response([self._prompts[role].text + text for text in texts], role)
        if refusal := message_in(getattr(response, "error", None)):
            raise self._bad(f"an error ({masked(refusal)})")
        try:
            entries = list(response.data)
            numbers = [getattr(entry, "index", None) for entry in entries]
            if len(set(numbers)) > 1:  # else the server does not number them, and they are in the order of the texts
                entries = [entry for _, entry in sorted(zip(numbers, entries, strict=True), key=itemgetter(0))]
                numbers.sort()
            vectors = np.array([_numbers(entry.embedding) for entry in entries], dtype=np.float64)
        except (AttributeError, TypeError, ValueError):  # a web page, text for numbers, vectors of several dimensions
            raise self._bad("something else than a list of vectors") from None
        if len(entries) != len(texts) or (len(set(numbers)) > 1 and numbers != list(range(len(texts)))):
            raise self._bad(f"{len(entries)} vectors for {len(texts)} texts, or the wrong ones")
        if vectors.ndim != 2 or not vectors.shape[1]:
            raise self._bad("something else than a list of vectors")
        with np.errstate(over="ignore"):
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        wrong = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
        if len(wrong):
            raise self._bad(f"a vector that is zero or not finite, for the {role} {texts[wrong[0]][:60]!r}")
        return np.asarray(vectors / lengths, dtype=np.float32)

    def _response(self, texts: list[str], role: str) -> CreateEmbeddingResponse:
        import openai

        retries = RETRIES if self._answered else 1  # a wrong address is told after a second, not after many
        try:
            response = self._client.with_options(max_retries=retries).embeddings.create(
                model=self._api.model,
                input=texts,
                encoding_format="float",
                extra_body={"input_type": role} if self._is_own_server else None,
            )
        except (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError) as error:
            if self._answered:
                raise IsoglotError(
                    f"{self._api.address}: no answer ({error_message(error)}); "
                    "run again later, what was answered is kept"
                ) from None
            if type(error) is openai.APIConnectionError:
                raise unreachable_error(self._api) from None
            self._answered = True  # something is there
            return self._response(texts, role)
        except openai.APIStatusError as error:
            raise status_error(error, self._api) from None
        except ValueError:
            raise self._bad("something that is not JSON") from None
        self._answered = True
        return response

    def _bad(self, what: str) -> IsoglotError:
        return IsoglotError(f"{self._api.address}: {self._api.model} gave {what}; what was good before is kept")


def _numbers(embedding: Any) -> Any:
    """The numbers of a vector; some servers send base64 though numbers were asked for."""
    return np.frombuffer(b64decode(embedding, validate=True), "<f4") if isinstance(embedding, str) else embedding


def load(argument: str, loading: Loading) -> EmbeddingsApiRetriever:
    """``openai:MODEL``."""
    return EmbeddingsApiRetriever(argument, prompts=loading.prompts)
