"""Retrieval by vectors that an API of embeddings gives, kept between runs."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from isoglot.corpora.collection import Collection
from isoglot.encoders.cache import VectorCache
from isoglot.encoders.prompts import ROLES, Prompt, find_prompts
from isoglot.llm.http import JsonApi, NoAnswerError
from isoglot.llm.service import address_of, estimated_tokens, is_http_url
from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.platform.progress import progress
from isoglot.ranking.pools import Pool
from isoglot.ranking.result import Ranking
from isoglot.retrievers.base import RetrieverRecord, environment
from isoglot.retrievers.dense import prompt_records, rank_encoded
from isoglot.retrievers.providers import PRICES, PRICES_READ, PROVIDERS, OrderError, Provider

if TYPE_CHECKING:
    from isoglot.retrievers.registry import Loading

log = logging.getLogger("isoglot")

CHARACTERS = 100_000
"""Characters in a request at most; fewer than 120,000 tokens, the least that a provider takes (Voyage)."""


class EmbeddingsApiRetriever:
    """Ranks by the cosine of vectors from a provider's API, or from another server that speaks it.

    Key and base URL come from the environment, by the names of the table `PROVIDERS`. No text is sent twice, unless the
    API gave nothing good for it.

    A server of ``isoglot serve`` puts its model's prompts before the texts itself: it is told their role instead. So is
    a provider that has input types.

    Args:
        model: Its name there; for a provider that serves one model, its address will do. A known family gets its
            prompts, as a local model without any of its own does.
        provider: A name out of `PROVIDERS`.
        prompts: Role -> the text of the prompt that the user chose, which may be empty; None: those of the family.
        timeout: Seconds that an answer may take.

    Raises:
        IsoglotError: A package is missing, the key is missing or broken, the base URL is none, or `model` is an address
            where nobody says which model is served.
    """

    def __init__(
        self,
        model: str,
        *,
        provider: str = "openai",
        prompts: Mapping[str, str] | None = None,
        timeout: float = 120,
    ) -> None:
        self._provider = PROVIDERS[provider]
        if not model:
            raise IsoglotError(f"name the API's model: {self._provider.form}")
        given = model if self._provider.model_path and "://" in model else None
        self._api = provider_api(self._provider, model, given, timeout)
        self._chosen = dict(prompts or {})
        if self._chosen:
            find_prompts(model, {}, self._chosen)  # report a wrong choice before anything is asked
        self._model = self._served_model() if given else model.removeprefix(self._provider.model_prefix)

    def describe(self) -> RetrieverRecord:
        """As `Retriever.describe`; asks for one vector, if none is kept, for the dimension."""
        prompts = prompt_records(self._prompts)
        where = [self._api.address, self._model, msgspec.to_builtins(prompts)]
        types = [self._input_type(role) for role in ROLES]
        if self._provider.name != "openai":
            where += [self._provider.name, types]
        told = f", told {' and '.join(map(str, types))}" if all(types) else ""
        return RetrieverRecord(
            name=self._name,
            fingerprint=hashlib.sha256(json.dumps(where, sort_keys=True).encode()).hexdigest(),
            dimension=self.dimension,
            prompts=prompts,
            how=f"embeddings of {self._api.address}{told}, whose weights are not seen: the fingerprint is of names",
        )

    def environment(self) -> dict[str, Any]:
        """As `Retriever.environment`."""
        return environment("httpx2", "numpy")

    def rankings(
        self, collection: Collection, pools: Sequence[Pool], *, balance: str, top_k: int, show_progress: bool
    ) -> Iterator[Ranking]:
        """As `Retriever.rankings`."""
        if all(prompt.source == "none" for prompt in self._prompts.values()):
            log.info(
                "%s: no prompts of it are known, so none is sent; if the model wants one, "
                "choose it by --query-prompt and --document-prompt",
                self._name,
            )
        return rank_encoded(self, collection, pools, balance=balance, top_k=top_k, show_progress=show_progress)

    @property
    def _name(self) -> str:
        return f"{self._provider.name}:{self._model}"

    @cached_property
    def _prompts(self) -> dict[str, Prompt]:
        """The prompts that are sent."""
        if self._is_own_server and any(self._chosen.values()):
            raise IsoglotError(
                f"{self._api.address}: `isoglot serve` puts its model's prompts before the texts; "
                "choose them when it is indexed or served"
            )
        if self._is_own_server or self._provider.input_type(self._model, "query"):
            return {
                role: Prompt(self._chosen.get(role, ""), role, "chosen" if self._chosen.get(role) else "server")
                for role in ROLES
            }
        return find_prompts(self._model, {}, self._chosen)

    @cached_property
    def _is_own_server(self) -> bool:
        """Whether the API is that of ``isoglot serve``, which its list of models tells.

        Where nobody answers, it is if vectors of such a server are kept: kept vectors need no network.
        """
        if self._provider.name != "openai" or self._is_hosted:
            return False
        try:
            models = self._api.get("/models")["data"]
            return any(model["id"] == self._model and model.get("owned_by") == "isoglot" for model in models)
        except NoAnswerError:
            return bool(VectorCache(self._key("query", Prompt("", "query", "server"))).get(["a"]))
        except (IsoglotError, LookupError, AttributeError, TypeError):  # it lists no models, or something else
            return False

    @property
    def _is_hosted(self) -> bool:
        """Whether the provider itself is asked, at its own address."""
        return self._api.address == _title(self._provider)

    @cached_property
    def dimension(self) -> int:
        """How many components a vector has; found with the first request, which a wrong key or address costs."""
        cache = self._cache("query")
        known = cache.get(["a"])
        if not known:
            cache.put(["a"], vectors := self._vectors(["a"], "query")[0])
            known = {"a": vectors[0]}
        return len(known["a"])

    def encode(
        self,
        texts: Sequence[str],
        role: str,
        languages: Sequence[str],
        *,
        show_progress: bool = False,
        keep: bool = True,
    ) -> Vectors:
        """(n, d) float32 vectors of n texts, of unit length, from the cache or else the API.

        Where vectors are kept, as they are by default, tokens and costs are logged, and an API that does not answer is
        asked again for minutes. Else it is asked once more: somebody waits for a server's answer.

        Raises:
            IsoglotError: The API does not answer, refuses, or gives something else than a good vector for each text.
        """
        cache = self._cache(role)
        wanted = list(dict.fromkeys(texts))
        known = cache.get(wanted) if keep else {}
        missing = [text for text in wanted if text not in known]
        prompt, counted = self._prompts[role].text, 0
        if missing and keep:
            about = sum(estimated_tokens(prompt + text) for text in missing)
            log.info(
                "%s: %d %s texts to send, about %.0f tokens%s", self._name, len(missing), role, about, self._cost(about)
            )
        with progress(f"{self._name}: encoding {role} texts", len(missing), show=show_progress) as advance:
            for batch in batches(missing, self._provider.batch):
                vectors, tokens = self._vectors(batch, role, None if keep else 1)
                if vectors.shape[1] != self.dimension:
                    raise self._bad(f"vectors of {vectors.shape[1]} dimensions, and before of {self.dimension}")
                if keep:
                    cache.put(batch, vectors)
                known.update(zip(batch, vectors, strict=True))
                counted += tokens
                advance(len(batch))
        if counted and keep:
            log.info("%s: the API counted %d tokens%s", self._name, counted, self._cost(counted))
        if any(len(vector) != self.dimension for vector in known.values()):
            raise IsoglotError(f"{cache.path}: keeps vectors of another number of dimensions; remove it")
        return np.stack([known[text] for text in texts])

    def signature(self, role: str) -> str:
        """As `Encodes.signature`, as far as one knows."""
        return hashlib.sha256(json.dumps(self._key(role, self._prompts[role]), sort_keys=True).encode()).hexdigest()

    def _cost(self, tokens: float) -> str:
        """What so many tokens cost, for messages; empty where the price is not known."""
        price = PRICES.get(self._name) if self._is_hosted else None
        return "" if price is None else f": USD {tokens * price / 1e6:.2g} at the price read on {PRICES_READ}"

    def _cache(self, role: str) -> VectorCache:
        return VectorCache(self._key(role, self._prompts[role]), model=self._name)

    def _key(self, role: str, prompt: Prompt) -> dict[str, object]:
        """All that decides a vector but the text, as far as one knows."""
        own = self._provider.name == "openai" and prompt.source == "server"
        key: dict[str, object] = {
            "api": self._api.address,
            "model": self._model,
            "role": role,
            "prompt": None if own else prompt.text,
        }
        if self._provider.name != "openai":  # its key is as it was when it was the only provider
            key |= {"provider": self._provider.name, "input_type": self._input_type(role)}
        return key

    def _input_type(self, role: str) -> str | None:
        """What the API is told of a role."""
        if self._provider.name == "openai":
            return role if self._is_own_server else None
        return self._provider.input_type(self._model, role)

    @cached_property
    def _path(self) -> str:
        """Where to post to, once a server of one model has said that it is the right one."""
        if self._provider.model_path and (served := self._served_model()) != self._model:
            raise IsoglotError(f"{self._api.address} serves the model {served}, not {self._model}")
        return self._provider.path_for(self._model)

    def _served_model(self) -> str:
        try:
            return str(self._api.get(self._provider.model_path)["model_id"])
        except NoAnswerError:
            raise IsoglotError(f"{self._api.address} cannot be reached; is the base URL right?") from None
        except (LookupError, TypeError):
            what = f"{self._provider.title} says at {self._provider.model_path}"
            raise IsoglotError(f"{self._api.address} does not say which model it serves, which {what}") from None

    def _vectors(self, texts: Sequence[str], role: str, retries: int | None = None) -> tuple[Vectors, int]:
        """What the API says, checked, and the tokens that it counted; nothing that is wrong gets past here."""
        sent = [self._prompts[role].text + text for text in texts]
        body = self._provider.body(self._model, sent, self._input_type(role))
        answer = self._api.post(self._path, body, retries=retries)
        try:
            found = [_numbers(vector) for vector in self._provider.vectors(answer)]
            vectors = np.array(found, dtype=np.float64)
        except OrderError:
            raise self._bad("vectors whose index is not 0, 1, 2 ..., each once") from None
        except (LookupError, AttributeError, TypeError, ValueError, OverflowError):
            said = self._api.said(answer)
            raise self._bad(f"an error ({said})" if said else "something else than a list of vectors") from None
        if len(found) != len(texts):
            raise self._bad(f"{len(found)} vectors for {len(texts)} texts")
        if vectors.ndim != 2 or not vectors.shape[1]:
            raise self._bad("something else than a list of vectors")
        with np.errstate(over="ignore"):
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        wrong = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
        if len(wrong):
            raise self._bad(f"a vector that is zero or not finite, for the {role} {texts[wrong[0]][:60]!r}")
        return np.asarray(vectors / lengths, dtype=np.float32), self._provider.counted_tokens(answer)

    def _bad(self, what: str) -> IsoglotError:
        return IsoglotError(f"{self._api.address}: {self._model} gave {what}; what was good before is kept")


def provider_api(provider: Provider, model: str, given: str | None, timeout: float) -> JsonApi:
    """The API of a provider, as the environment says.

    Args:
        provider: The provider.
        model: The model that is asked, for messages.
        given: The base URL that the user named; None: that of the environment, else the provider's.
        timeout: Seconds that an answer may take.
    """
    url = given or os.environ.get(provider.url_variable, "").strip()
    if url and not is_http_url(url):
        name = "the base URL" if given else provider.url_variable
        raise IsoglotError(f"{name} is not an HTTP URL; write it like http://localhost:8000")
    if given and "@" in given:
        raise IsoglotError(f"a user and password belong into {provider.url_variable}, not into a name that is recorded")
    key = os.environ.get(provider.key_variable, "").strip()
    if not (key or url or provider.local):
        raise IsoglotError(
            f"put the API's key into the environment variable {provider.key_variable}, or name a server with "
            f"{provider.url_variable}"
        )
    return JsonApi(
        url or provider.url,
        address=address_of(url or provider.url) if url or provider.local else _title(provider),
        model=model,
        key=key,
        key_variable=provider.key_variable,
        key_header=provider.key_header,
        timeout=timeout,
    )


def _title(provider: Provider) -> str:
    return f"{provider.title}'s API"


def _numbers(vector: Any) -> Any:
    """A vector as it came, or out of base64, which some servers send whatever they are asked for."""
    return np.frombuffer(base64.b64decode(vector, validate=True), dtype="<f4") if isinstance(vector, str) else vector


def batches(texts: Sequence[str], most: int) -> Iterator[list[str]]:
    """Texts, in order, `most` at a time or as many as have `CHARACTERS` characters together."""
    batch: list[str] = []
    characters = 0
    for text in texts:
        if batch and (len(batch) == most or characters + len(text) > CHARACTERS):
            yield batch
            batch, characters = [], 0
        batch.append(text)
        characters += len(text)
    if batch:
        yield batch


def load(argument: str, loading: Loading, provider: str) -> EmbeddingsApiRetriever:
    """``PROVIDER:MODEL``."""
    return EmbeddingsApiRetriever(argument, provider=provider, prompts=loading.prompts)
