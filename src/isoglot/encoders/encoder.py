"""Texts to unit vectors by a sentence-transformers model, with vectors kept between runs."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from isoglot.encoders.cache import VectorCache
from isoglot.encoders.devices import batch_tokens
from isoglot.encoders.fingerprints import module_fingerprint, part_fingerprints
from isoglot.encoders.modules import (
    VECTOR,
    check_routes,
    gives_unit_vectors,
    head_start,
    input_modules,
    is_normalize,
    position_limit,
    truncation,
)
from isoglot.encoders.prompts import find_prompts, unused_prompts
from isoglot.encoders.tokenizers import counts_tokens, token_ids, token_limit, tokenizer_of
from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import BY_CHANCE, IsoglotError, raised_by_isoglot, reason
from isoglot.platform.progress import progress

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch.nn import Module

log = logging.getLogger("isoglot")

GROUP_SIZE = 512
"""The number of texts encoded between two writes to the cache, which a killed process loses at most."""


class VectorKey(msgspec.Struct, frozen=True, kw_only=True):
    """All that decides a vector before the head, other than its text.

    Attributes:
        model: The fingerprints of the tokenizer and of the modules before the head.
        role: ``query`` or ``document``.
        task: The name by which sentence-transformers knows the role.
        prompt: The text before each text.
        max_length: The number of tokens at which texts are cut; None: at none.
        truncate_dim: None: kept vectors have all components, also those of a truncated model.
        normalised: True: kept vectors have unit length.
        dtype: The dtype of the model.
        device: The type of the device.
        versions: The version of each library that computes.
    """

    model: list[str]
    role: str
    task: str
    prompt: str
    max_length: int | None
    truncate_dim: int | None
    normalised: bool
    dtype: str
    device: str
    versions: dict[str, str]


class Encoder:
    """Encodes queries and documents as unit float32 vectors and keeps them between runs.

    Args:
        model: A loaded sentence-transformers model.
        name: The name of the model in results.
        prompts: Role -> a prompt's text or name, as for `find_prompts`; None: the model's own.

    Attributes:
        model: The model.
        name: Its name in results.
        prompts: The prompt for ``query`` and for ``document``.
        chosen_prompts: What the user chose of them, by role.
        unused_prompts: Names of the model's prompts that are not used, where texts get none of its prompts.
        precision: The number format of its products: ``float32``, ``bfloat16``, ``int8`` ...
    """

    def __init__(self, model: SentenceTransformer, name: str, prompts: Mapping[str, str] | None = None) -> None:
        check_routes(model, name)
        self.model = model
        self.name = name
        self.precision = str(model.dtype).removeprefix("torch.")
        self.prompts = find_prompts(name, model.prompts, prompts)
        self.chosen_prompts = dict(prompts or {})
        self.unused_prompts = unused_prompts(self.prompts, model.prompts)
        for module in input_modules(model):
            limit = position_limit(module)
            if limit is not None:
                module.max_seq_length = min(limit, module.max_seq_length or limit)
        self._limits = [getattr(module, "max_seq_length", None) for module in input_modules(model)]
        if self.other_similarity is not None:
            log.warning("%s compares vectors by %s; isoglot ranks by cosine", name, self.other_similarity)

    @property
    def max_length(self) -> int | None:
        """The number of tokens at which documents are cut; None if the model sets no limit."""
        return self.token_limit("document")

    @property
    def other_similarity(self) -> str | None:
        """What the model says that its vectors are compared by, where a ranking by cosine may be another one."""
        if gives_unit_vectors(self.model[-1]) and self.model.truncate_dim is None:  # all of them rank alike
            return None
        similarity = str(self.model.similarity_fn_name)
        return None if similarity == "cosine" else similarity

    @property
    def uses_language(self) -> bool:
        """Whether the model treats texts by their language tags, as a `center` model does."""
        from isoglot.encoders.language_modules import LanguageModule

        return any(isinstance(module, LanguageModule) for module in self.model)

    @property
    def _head(self) -> list[Module]:
        """The modules of the model that see unit vectors only; see `head_start`."""
        modules = list(self.model)
        return modules[head_start(modules) :]

    @cached_property
    def _body(self) -> SentenceTransformer:
        """The model whose vectors are kept: without the head, without truncation, and ending in a Normalize."""
        from sentence_transformers.sentence_transformer.modules import Normalize

        parts = list(self.model.named_children())
        start = head_start([module for _, module in parts])
        is_scaled = is_normalize(parts[start - 1][1])
        if start == len(parts) and is_scaled and self.model.truncate_dim is None:
            return self.model
        body = copy(self.model)  # of which all but the list of modules is the model's own
        body._modules = OrderedDict(parts[:start] if is_scaled else [*parts[:start], ("unit", Normalize())])
        body.truncate_dim = None
        return body

    @cached_property
    def dimension(self) -> int:
        """The number of components of a vector."""
        known = self.model.get_embedding_dimension()
        return int(known or self.encode(["a"], "query", ["en"], keep=False, allow_zero=True).shape[1])

    @contextmanager
    def cut_at(self, max_length: int) -> Iterator[None]:
        """Cut texts at `max_length` tokens within the block, or at the model's own limit where that is lower.

        Blocks may be nested: it is the innermost that counts.
        """
        modules = input_modules(self.model)
        before = [module.max_seq_length for module in modules]
        try:
            for module, limit in zip(modules, self._limits, strict=True):
                module.max_seq_length = min(max_length, limit or max_length)
            yield
        finally:
            for module, limit in zip(modules, before, strict=True):
                module.max_seq_length = limit

    def append(self, *modules: Module) -> None:
        """Append modules to the model, which see its vectors as `encode` returns them, (b, d) of unit length."""
        from isoglot.encoders.language_modules import LanguageModule

        self.make_explicit()
        for module in modules:
            self.model.append(module.to(self.model.device))
            if isinstance(module, LanguageModule):
                module.on_model_ready(self.model)
        self.model_changed()

    def make_explicit(self) -> None:
        """Let the model do by modules of its own what `encode` does behind it: truncate vectors and scale them."""
        from sentence_transformers.sentence_transformer.modules import Normalize

        kept = self.dimension
        if self.model.truncate_dim is not None:
            self.model.truncate_dim = None
            self.model_changed()
            if kept < self.dimension:
                self.model.append(truncation(self.dimension, kept).to(self.model.device, self.model.dtype))
        if not gives_unit_vectors(self.model[-1]):
            self.model.append(Normalize())
        self.model_changed()

    def model_changed(self) -> None:
        """Forget what was computed of the model before a change, so that no vector is kept under its old key."""
        for name in ("fingerprint", "_parts", "_body", "dimension"):
            self.__dict__.pop(name, None)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over weights, tokenizer and modules, in hex.

        Equal fingerprints mean equal vectors of texts with equal prompts, cut at the same limit (`token_limit`).
        """
        truncated = [] if self.model.truncate_dim is None else [f"the first {self.dimension}"]
        digest = hashlib.sha256()
        for part in self._parts + truncated:
            digest.update(part.encode())
        return digest.hexdigest()

    def signature(self, role: str) -> str:
        """Hash all that decides the vector of a text of a role, other than the text: weights, prompt, length limit."""
        parts = [self.fingerprint, self.prompts[role].text, self.token_limit(role)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @cached_property
    def _parts(self) -> list[str]:
        """The fingerprints of the tokenizers and of each module."""
        return part_fingerprints(self.model)

    def encode(
        self,
        texts: Sequence[str],
        role: str,
        languages: Sequence[str],
        *,
        show_progress: bool = False,
        keep: bool = True,
        allow_zero: bool = False,
    ) -> Vectors:
        """Encode texts; identical texts share one vector.

        Args:
            texts: n texts, without prompt.
            role: ``query`` or ``document``.
            languages: n canonical language tags, which only a model with `uses_language` heeds.
            show_progress: Whether to show progress on standard error.
            keep: Whether vectors are taken from and put into the cache on disk.
            allow_zero: Whether a text may get a vector of zeros, as a static model gives a text of which it knows no
                word.

        Returns:
            Vectors (n, d) in float32, of unit length or zero.

        Raises:
            IsoglotError: The model returns a vector that is not finite, or zero where none may be.
        """
        vectors = self._base_vectors(texts, role, show_progress, keep)
        if texts and (self._head or self.model.truncate_dim):
            vectors = self.through(self._head, vectors, role, texts, languages)
        return vectors if allow_zero else check_known(self.name, vectors, texts, role)

    def head_beyond(self, other: Encoder) -> list[Module]:
        """Return the modules that turn the vectors of `other` into this model's; none if it does not consist of it."""
        if other.model.truncate_dim is not None or self._key("document") != other._key("document"):
            return []
        head, theirs = self._head, len(other._head)
        mine = self._parts[len(self._parts) - len(head) :]
        is_inside = mine[:theirs] == other._parts[len(other._parts) - theirs :]
        return head[theirs:] if is_inside else []

    def keep(self, texts: Sequence[str], role: str, vectors: Vectors) -> None:
        """Put (n, d) vectors that this model gave n texts earlier into the cache, unless a head or truncation did."""
        if not self._head and self.model.truncate_dim is None:
            self._cache(role).put(texts, vectors)

    def through(
        self, modules: Sequence[Module], vectors: Vectors, role: str, texts: Sequence[str], languages: Sequence[str]
    ) -> Vectors:
        """Change (n, d) vectors as modules of the head do, those of n texts of one role and their languages."""
        import torch

        from isoglot.encoders.language_modules import LanguageModule

        with torch.inference_mode():
            changed = torch.from_numpy(vectors).to(self.model.device)
            for module in modules:
                if isinstance(module, LanguageModule):
                    tags = languages if module.heeds(role) else module.detected(texts)
                    changed = module.transform(changed, tags, [role] * len(changed))
                else:
                    changed = module({VECTOR: changed})[VECTOR]
            if self.model.truncate_dim is not None:
                changed = changed[:, : self.model.truncate_dim]
            changed = torch.nn.functional.normalize(changed, dim=1)
        found = np.ascontiguousarray(changed.cpu().numpy(), dtype=np.float32)
        found[~vectors.any(axis=1)] = 0  # no module makes a vector out of none
        return found

    def _base_vectors(self, texts: Sequence[str], role: str, show_progress: bool, keep: bool) -> Vectors:
        """Return the vectors before the head, from the cache or else encoded."""
        cache = self._cache(role) if keep else None
        distinct = list(dict.fromkeys(texts))
        known = cache.get(distinct) if cache else {}
        missing = [text for text in distinct if text not in known]
        with progress(f"{self.name}: encoding {role} texts", len(missing), show=show_progress) as advance:
            for start, end in self._batches(missing, role):
                known.update(zip(missing[start:end], self._encode(missing[start:end], role), strict=True))
                advance(end - start)
                if cache and (end % GROUP_SIZE == 0 or end == len(missing)):
                    group = missing[(end - 1) // GROUP_SIZE * GROUP_SIZE : end]
                    cache.put(group, np.stack([known[text] for text in group]))
        return np.stack([known[text] for text in texts]) if texts else np.empty((0, self.dimension), dtype=np.float32)

    def _batches(self, texts: list[str], role: str) -> Iterator[tuple[int, int]]:
        """Sort `texts` in place, longest first, and yield the bounds of batches, none of which is in two groups."""
        budget = batch_tokens(self.model.device)
        lengths = self.token_counts(texts, role)
        texts.sort(key=lambda text: (-lengths[text], text))
        start = 0
        while start < len(texts):
            end = start + max(1, budget // lengths[texts[start]])
            end = min(end, (start // GROUP_SIZE + 1) * GROUP_SIZE, len(texts))
            yield start, end
            start = end

    def token_counts(self, texts: Sequence[str], role: str) -> dict[str, int]:
        """Return the number of tokens that the model sees of each text; of characters where its tokenizer is none."""
        limit = self.token_limit(role)
        counts = zip(texts, self._lengths(texts, role), strict=True)
        return {text: max(1, min(length, limit or length)) for text, length in counts}

    def token_lengths(self, texts: Sequence[str], role: str) -> list[int] | None:
        """Return how many tokens each text has before it is cut; None where the model's tokens are not known.

        The prompt and special tokens are counted in.

        Args:
            texts: n texts, without prompt.
            role: ``query`` or ``document``.
        """
        is_known = counts_tokens(self.tokenizer(role))
        return self._lengths(texts, role) if is_known else None

    def tokenizer(self, role: str) -> Any:
        """Return the tokenizer that reads texts of a role; None if there is none."""
        return tokenizer_of(self.model, self.prompts[role].task)

    def token_limit(self, role: str) -> int | None:
        """Return the number of tokens at which texts of a role are cut; None if the model sets no limit."""
        return token_limit(self.model, self.prompts[role].task)

    def _lengths(self, texts: Sequence[str], role: str) -> list[int]:
        prompt, tokenizer = self.prompts[role].text, self.tokenizer(role)
        lengths: list[int] = []
        for start in range(0, len(texts), 4096):
            lengths += map(len, token_ids(tokenizer, [prompt + text for text in texts[start : start + 4096]]))
        return lengths

    def _encode(self, texts: list[str], role: str) -> Vectors:
        """Encode texts in one batch, up to the head."""
        from isoglot.encoders.fused import fused_layers

        prompt = self.prompts[role]
        try:
            with fused_layers(self._body):
                vectors = self._body.encode(
                    texts,
                    prompt=prompt.text,
                    task=prompt.task,
                    batch_size=len(texts),
                    normalize_embeddings=True,
                    show_progress_bar=False,
                ).astype(np.float32)
        except (ValueError, RuntimeError, *BY_CHANCE) as error:  # e.g. no route for the role, layers of other sizes
            if raised_by_isoglot(error):
                raise
            no_vector = isinstance(error, KeyError) and error.args == (VECTOR,)
            why = "its modules give texts no vector; it has no pooling" if no_vector else reason(error)
            raise IsoglotError(f"{self.name}: cannot encode {role} texts: {why}") from error
        lengths = np.linalg.norm(vectors, axis=1)
        if self.precision == "bfloat16":  # in which a length has three digits
            divisors = np.where(lengths == 0, 1, lengths)
            vectors, lengths = vectors / divisors[:, None], lengths / divisors
        wrong = np.flatnonzero(~(np.abs(lengths - 1) < 1e-2) & (lengths != 0))
        if len(wrong):
            raise IsoglotError(
                f"{self.name}: gave {len(wrong)} of {len(texts)} vectors that are not finite, "
                f"e.g. for the {role} {texts[wrong[0]][:60]!r}"
            )
        return np.ascontiguousarray(vectors)

    def _cache(self, role: str) -> VectorCache:
        return VectorCache(msgspec.to_builtins(self._key(role)), model=self.name)

    def _key(self, role: str) -> VectorKey:
        modules = list(self.model)
        start = head_start(modules)
        parts = self._parts[: len(self._parts) - len(modules) + start]
        if not is_normalize(modules[start - 1]):
            parts = [*parts, module_fingerprint(self._body[-1])]
        return VectorKey(
            model=parts,
            role=role,
            task=self.prompts[role].task,
            prompt=self.prompts[role].text,
            max_length=self.token_limit(role),
            truncate_dim=None,
            normalised=True,
            dtype=str(self.model.dtype),
            device=self.model.device.type,
            versions={name: version(name) for name in ("torch", "transformers", "sentence-transformers")},
        )


def check_known(name: str, vectors: Vectors, texts: Sequence[str], role: str) -> Vectors:
    """Return (n, d) vectors of n texts.

    Raises:
        IsoglotError: One of them is zero.
    """
    zero = np.flatnonzero(~vectors.any(axis=1))
    if len(zero):
        raise IsoglotError(
            f"{name}: gave {len(zero)} of {len(texts)} vectors that are zero (it may know no word of the text), e.g. "
            f"for the {role} {texts[zero[0]][:60]!r}"
        )
    return vectors
