"""Text -> unit vectors by a sentence-transformers model: fingerprint and cached encoding."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from isoglot.encoders.cache import VectorCache
from isoglot.encoders.devices import batch_tokens
from isoglot.encoders.prompts import Prompt, find_prompts
from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.platform.progress import progress

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch.nn import Module


GROUP_SIZE = 512
"""How many texts are encoded between two writes to the cache: what a killed process loses at most."""


class Encoder:
    """Encodes queries and documents as unit float32 vectors, keeping them between runs.

    Args:
        model: A loaded sentence-transformers model.
        name: What results call it.

    Attributes:
        name: As given.
        model: As given.
        prompts: The prompt for ``query`` and ``document``, and where it is from.
        max_length: Tokens, beyond which texts are cut; None if the model sets no limit.
        precision: What its products are computed in: ``float32``, ``bfloat16``, ``int8`` ...
    """

    def __init__(self, model: SentenceTransformer, name: str) -> None:
        self.model = model
        self.name = name
        self.precision = str(model.dtype).removeprefix("torch.")
        self.prompts: dict[str, Prompt] = find_prompts(name, model.prompts)
        self.max_length: int | None = model.max_seq_length

    @property
    def uses_language(self) -> bool:
        """Whether the model treats texts by their language tag; a `center` model does."""
        return "language" in self.model.get_model_kwargs()

    @property
    def _head(self) -> list[Module]:
        """The modules after the first Normalize, which see a vector only, so that vectors before them can be kept.

        They are what a training-free method adds: such models share the kept vectors of their base.
        """
        from sentence_transformers.sentence_transformer.modules import Dense, Normalize

        from isoglot.encoders.language_modules import InferredCentering, LanguageModule

        modules = list(self.model)
        first = next((at for at, module in enumerate(modules) if isinstance(module, Normalize)), len(modules) - 1)
        head = modules[first + 1 :]
        seeing = Dense | Normalize | LanguageModule | InferredCentering
        return head if all(isinstance(module, seeing) for module in head) else []

    @cached_property
    def dimension(self) -> int:
        """How many components a vector has."""
        return int(self.model.get_embedding_dimension() or self._encode(["a"], "query").shape[1])

    @contextmanager
    def cut_at(self, max_length: int) -> Iterator[None]:
        """Inside, texts are cut at `max_length` tokens, or at the model's own limit where that is lower."""
        usual = self.max_length
        self.max_length = self.model.max_seq_length = min(max_length, usual or max_length)
        try:
            yield
        finally:
            self.max_length = self.model.max_seq_length = usual

    def append(self, *modules: Module) -> None:
        """Put modules behind the model's others; they see its vectors, of shape (b, d)."""
        from isoglot.encoders.language_modules import LanguageModule

        for module in modules:
            self.model.append(module.to(self.model.device))
            if isinstance(module, LanguageModule):
                module.on_model_ready(self.model)
        self.model_changed()

    def model_changed(self) -> None:
        """Forget the fingerprint, so that no vector is kept under the key of the model before the change."""
        for name in ("fingerprint", "_parts"):
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
        """A fingerprint of the tokenizer and of each module, with its configuration and its weights."""
        import torch

        tokenizer = getattr(self.model.tokenizer, "backend_tokenizer", None)
        parts = [] if tokenizer is None else [hashlib.sha256(_settled(tokenizer)).hexdigest()]
        for module in self.model:
            config = module.get_config_dict() if hasattr(module, "get_config_dict") else {}
            if hasattr(module, "config"):
                config = {**config, "transformer": _architecture(module.config.to_dict())}
            digest = hashlib.sha256(json.dumps([type(module).__name__, config], sort_keys=True, default=str).encode())
            for name, weights in sorted(module.state_dict().items()):
                digest.update(f"{name} {weights.dtype} {tuple(weights.shape)}".encode())
                digest.update(weights.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
            parts.append(digest.hexdigest())
        return parts

    def encode(
        self,
        texts: Sequence[str],
        role: str,
        languages: Sequence[str],
        *,
        show_progress: bool = False,
        keep: bool = True,
    ) -> Vectors:
        """The vectors of `texts`: (n, d) float32 of unit length; identical texts share one vector.

        Args:
            texts: n texts, without prompt.
            role: ``query`` or ``document``.
            languages: n canonical language tags; only a model with `uses_language` heeds them.
            show_progress: Whether to show progress on standard error.
            keep: Whether vectors are taken from and put into the cache on disk.

        Raises:
            IsoglotError: The model gave a vector that is zero or not finite.
        """
        vectors = self._base_vectors(texts, role, show_progress, keep)
        return self._through_head(vectors, role, languages) if self._head and texts else vectors

    def _through_head(self, vectors: Vectors, role: str, languages: Sequence[str]) -> Vectors:
        import torch

        from isoglot.encoders.language_modules import LanguageModule

        with torch.inference_mode():
            changed = torch.from_numpy(vectors).to(self.model.device)
            for module in self._head:
                if isinstance(module, LanguageModule):
                    changed = module.transform(changed, languages, [role] * len(changed))
                else:
                    changed = module({"sentence_embedding": changed})["sentence_embedding"]
            changed = torch.nn.functional.normalize(changed, dim=1)
        return np.ascontiguousarray(changed.cpu().numpy(), dtype=np.float32)

    def _base_vectors(self, texts: Sequence[str], role: str, show_progress: bool, keep: bool) -> Vectors:
        """The vectors before the head, from the cache or else encoded."""
        cache = VectorCache(self._key(role)) if keep else None
        wanted = list(dict.fromkeys(texts))
        known = cache.get(wanted) if cache else {}
        missing = [text for text in wanted if text not in known]
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
        """Text -> how many tokens the model will see; characters where its tokenizer is of an unknown kind."""
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

    def _key(self, role: str) -> dict[str, object]:
        """All that decides a base vector but the text."""
        return {
            "model": self._parts[: len(self._parts) - len(self._head)],
            "role": role,
            "task": self.prompts[role].task,
            "prompt": self.prompts[role].text,
            "max_length": self.max_length,
            "truncate_dim": self.model.truncate_dim,
            "normalised": True,
            "dtype": str(self.model.dtype),
            "device": self.model.device.type,
            "versions": {name: version(name) for name in ("torch", "transformers", "sentence-transformers")},
        }


def _architecture(config: dict[str, Any]) -> dict[str, Any]:
    """A transformers configuration without what says nothing about the vectors."""
    silent = ("transformers_version", "dtype", "torch_dtype", "architectures")
    return {key: value for key, value in config.items() if key not in silent and not key.startswith("_")}


def _settled(tokenizer: Any) -> bytes:
    """A tokenizer as JSON, without the truncation and padding that each call sets."""
    truncation, padding = tokenizer.truncation, tokenizer.padding
    tokenizer.no_truncation()
    tokenizer.no_padding()
    try:
        return bytes(tokenizer.to_str().encode())
    finally:  # a copy would take seconds to parse
        if truncation is not None:
            tokenizer.enable_truncation(**truncation)
        if padding is not None:
            tokenizer.enable_padding(**padding)
