"""Texts to unit vectors by a sentence-transformers model, with vectors kept between runs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from isoglot.encoders.cache import VectorCache
from isoglot.encoders.devices import batch_tokens
from isoglot.encoders.fingerprints import part_fingerprints
from isoglot.encoders.prompts import find_prompts
from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.platform.progress import progress

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch.nn import Module


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
        truncate_dim: The number of components that a truncated model keeps; None: all.
        normalised: Whether vectors have unit length.
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

    Attributes:
        model: The model.
        name: Its name in results.
        prompts: The prompt for ``query`` and for ``document``.
        max_length: The number of tokens at which texts are cut; None if the model sets no limit.
        precision: The number format of its products: ``float32``, ``bfloat16``, ``int8`` ...
    """

    def __init__(self, model: SentenceTransformer, name: str) -> None:
        self.model = model
        self.name = name
        self.precision = str(model.dtype).removeprefix("torch.")
        self.prompts = find_prompts(name, model.prompts)
        self.max_length: int | None = model.max_seq_length

    @property
    def uses_language(self) -> bool:
        """Whether the model treats texts by their language tags, as a `center` model does."""
        return "language" in self.model.get_model_kwargs()

    @property
    def _head(self) -> list[Module]:
        """The modules after the first Normalize, if all of them see vectors only.

        Vectors before them are kept, so that models to which a training-free method added modules share the kept
        vectors of their base.
        """
        from sentence_transformers.sentence_transformer.modules import Dense, Normalize

        from isoglot.encoders.language_modules import InferredCentering, LanguageModule

        modules = list(self.model)
        normalize = next((i for i, module in enumerate(modules) if isinstance(module, Normalize)), len(modules) - 1)
        head = modules[normalize + 1 :]
        of_vectors = Dense | Normalize | LanguageModule | InferredCentering
        return head if all(isinstance(module, of_vectors) for module in head) else []

    @cached_property
    def dimension(self) -> int:
        """The number of components of a vector."""
        return int(self.model.get_embedding_dimension() or self._encode(["a"], "query").shape[1])

    @contextmanager
    def cut_at(self, max_length: int) -> Iterator[None]:
        """Cut texts at `max_length` tokens within the block, or at the model's own limit where that is lower."""
        usual = self.max_length
        self.max_length = self.model.max_seq_length = min(max_length, usual or max_length)
        try:
            yield
        finally:
            self.max_length = self.model.max_seq_length = usual

    def append(self, *modules: Module) -> None:
        """Append modules to the model, which see its vectors, of shape (b, d)."""
        from isoglot.encoders.language_modules import LanguageModule

        for module in modules:
            self.model.append(module.to(self.model.device))
            if isinstance(module, LanguageModule):
                module.on_model_ready(self.model)
        self.model_changed()

    def model_changed(self) -> None:
        """Forget fingerprint and dimension, so that no vector is kept under the key of the model before the change."""
        for name in ("fingerprint", "_parts", "dimension"):
            self.__dict__.pop(name, None)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over weights, tokenizer and modules, in hex: equal fingerprints mean equal vectors."""
        digest = hashlib.sha256()
        for part in self._parts:
            digest.update(part.encode())
        return digest.hexdigest()

    @cached_property
    def _parts(self) -> list[str]:
        """The fingerprints of the tokenizer and of each module."""
        return part_fingerprints(self.model)

    def encode(
        self,
        texts: Sequence[str],
        role: str,
        languages: Sequence[str],
        *,
        show_progress: bool = False,
        keep: bool = True,
    ) -> Vectors:
        """Encode texts; identical texts share one vector.

        Args:
            texts: n texts, without prompt.
            role: ``query`` or ``document``.
            languages: n canonical language tags, which only a model with `uses_language` heeds.
            show_progress: Whether to show progress on standard error.
            keep: Whether vectors are taken from and put into the cache on disk.

        Returns:
            Vectors (n, d) in float32, of unit length.

        Raises:
            IsoglotError: The model returns a vector that is zero or not finite.
        """
        vectors = self._base_vectors(texts, role, show_progress, keep)
        return self.through(self._head, vectors, role, texts, languages) if self._head and texts else vectors

    def head_beyond(self, other: Encoder) -> list[Module]:
        """Return the modules of vectors that this model has on top of `other`; none if it does not consist of it."""
        beyond = list(self.model)[len(other.model) :]
        same = self._parts[: len(other._parts)] == other._parts and self._key("document") == other._key("document")
        return beyond if same and len(beyond) <= len(self._head) else []

    def keep(self, texts: Sequence[str], role: str, vectors: Vectors) -> None:
        """Put (n, d) vectors that this model gave n texts earlier into the cache, unless it has a head."""
        if not self._head:
            VectorCache(msgspec.to_builtins(self._key(role))).put(texts, vectors)

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
                    changed = module({"sentence_embedding": changed})["sentence_embedding"]
            changed = torch.nn.functional.normalize(changed, dim=1)
        return np.ascontiguousarray(changed.cpu().numpy(), dtype=np.float32)

    def _base_vectors(self, texts: Sequence[str], role: str, show_progress: bool, keep: bool) -> Vectors:
        """Return the vectors before the head, from the cache or else encoded."""
        cache = VectorCache(msgspec.to_builtins(self._key(role))) if keep else None
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
        tokenizer, prompt = self.model.tokenizer, self.prompts[role].text
        counts: dict[str, int] = {}
        for start in range(0, len(texts), 4096):
            part = texts[start : start + 4096]
            if callable(tokenizer):
                lengths = map(len, tokenizer([prompt + text for text in part], verbose=False)["input_ids"])
            else:
                lengths = map(len, part)
            counts.update(zip(part, lengths, strict=True))
        return {text: max(1, min(length, self.max_length or length)) for text, length in counts.items()}

    def _encode(self, texts: list[str], role: str) -> Vectors:
        from sentence_transformers import SentenceTransformer

        from isoglot.encoders.fused import fused_layers

        model = self.model
        if self._head:
            model = SentenceTransformer(modules=list(model)[: -len(self._head)], device=str(model.device))
        prompt = self.prompts[role]
        with fused_layers(model):
            vectors = model.encode(
                texts,
                prompt=prompt.text,
                task=prompt.task,
                batch_size=len(texts),
                normalize_embeddings=True,
                show_progress_bar=False,
            ).astype(np.float32)
        lengths = np.linalg.norm(vectors, axis=1)
        if self.precision == "bfloat16":  # in which a length has three digits
            vectors, lengths = vectors / lengths[:, None], lengths / lengths
        wrong = np.flatnonzero(~(np.abs(lengths - 1) < 1e-2))
        if len(wrong):
            raise IsoglotError(
                f"{self.name}: gave {len(wrong)} of {len(texts)} vectors that are zero or not finite, "
                f"e.g. for the {role} {texts[wrong[0]][:60]!r}"
            )
        return np.ascontiguousarray(vectors)

    def _key(self, role: str) -> VectorKey:
        return VectorKey(
            model=self._parts[: len(self._parts) - len(self._head)],
            role=role,
            task=self.prompts[role].task,
            prompt=self.prompts[role].text,
            max_length=self.max_length,
            truncate_dim=self.model.truncate_dim,
            normalised=True,
            dtype=str(self.model.dtype),
            device=self.model.device.type,
            versions={name: version(name) for name in ("torch", "transformers", "sentence-transformers")},
        )
