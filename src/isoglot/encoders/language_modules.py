"""Sentence-transformers modules that change a vector by the language of its text; alignment methods fit them."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers.base.modules import Module
from torch import Tensor
from torch.nn import functional

from isoglot.encoders.prompts import ROLES
from isoglot.encoders.tokenizers import texts_of, token_ids, tokenizer_of, tokens_in
from isoglot.platform.arrays import Floats
from isoglot.platform.errors import IsoglotError
from isoglot.platform.languages import closest, detect

log = logging.getLogger("isoglot")


class LanguageModule(Module):  # type: ignore[misc]
    """The last module of a model, which changes vectors by the language and role of their texts.

    ``model.encode(texts, language="zh")`` names the language of all `texts`; without it the language of each text is
    detected. The role is ``task`` (set by ``encode_query`` and ``encode_document``), else the one whose prompt the text
    begins with, else unknown. A text in a language that the module does not know is changed by what all languages
    have in common, with a warning.

    Args:
        languages: L canonical tags.
        table: The module's knowledge of each language; its first dimension is L.
    """

    forward_kwargs = frozenset({"language", "task"})
    config_keys: tuple[str, ...] = ("languages",)
    tensors = frozenset({"table"})
    query_language = "given"

    def __init__(self, languages: Sequence[str], table: Tensor) -> None:
        super().__init__()
        self.languages = list(languages)
        self.register_buffer("table", table)
        self._supported = frozenset(languages)
        self._warned: set[str | None] = set()
        self._tokenizers: dict[str | None, Any] = {}
        self._prompts: dict[str, str] = {}

    @abstractmethod
    def common(self) -> Tensor:
        """Return the entry that stands for a language that the table does not have."""

    @abstractmethod
    def transform(self, vectors: Tensor, tags: Sequence[str | None], roles: Sequence[str | None]) -> Tensor:
        """Change vectors.

        Args:
            vectors: Vectors (b, d) of any length.
            tags: b language tags; None where the language is unknown.
            roles: b roles, ``query`` or ``document``; None where the role is unknown.

        Returns:
            The changed vectors (b, d), of unit length.
        """

    def on_model_ready(self, model: Any) -> None:
        """Take the tokenizers and prompts of the model, by which the language and role of a text are read."""
        self._tokenizers = {task: tokenizer_of(model, task) for task in (*ROLES, None)}
        self._prompts = {role: self._as_read(model.prompts.get(role) or "", role) for role in ROLES}

    def forward(self, features: dict[str, Any], language: str | None = None, task: str | None = None) -> dict[str, Any]:
        """Change ``features["sentence_embedding"]``, (b, d).

        Args:
            features: The output of the modules before this one.
            language: The language of all texts; None: detected from the tokens of each text.
            task: The role of all texts; None: read from the prompt of each text.
        """
        count = len(features["sentence_embedding"])
        role = next((role for role in ROLES if task and role in task.replace("passage", "document")), None)
        if not self.heeds(role):
            language = None
        texts = self._texts(features, count, role) if language is None or role is None else [""] * count
        roles = [role or self._role(text) for text in texts]
        tags = [language] * count if language else self.detected(map(self._without_prompt, texts))
        features["sentence_embedding"] = self.transform(features["sentence_embedding"], tags, roles)
        return features

    def heeds(self, role: str | None) -> bool:
        """Return whether the language that a caller states counts for texts of that role."""
        return not (role == "query" and self.query_language == "detected")

    def detected(self, texts: Iterable[str]) -> list[str | None]:
        """Return the language of each text, those that the module knows first; None where a text shows none."""
        return detect(texts, self._supported)

    def _texts(self, features: dict[str, Any], count: int, role: str | None) -> list[str]:
        tokens = tokens_in(features, count)
        texts = None if tokens is None else texts_of(self._tokenizers.get(role), tokens)
        if texts is None:
            raise ValueError("cannot read the texts' languages from their tokens here; pass language= and task=")
        return texts

    def _as_read(self, prompt: str, role: str) -> str:
        """Return the prompt as it comes back from tokens: some tokenizers change its case, line breaks or spaces."""
        tokenizer = self._tokenizers[role]
        read = texts_of(tokenizer, token_ids(tokenizer, [prompt], special_tokens=False)) if prompt else None
        return (prompt if read is None else read[0]).strip()

    def _role(self, text: str) -> str | None:
        return next((role for role, prompt in self._prompts.items() if prompt and text.startswith(prompt)), None)

    def _without_prompt(self, text: str) -> str:
        role = self._role(text)
        return text.removeprefix(self._prompts[role]) if role else text

    def _extended(self) -> Tensor:
        """Return the table (L + 1, ...), with what is common to all languages as its last entry."""
        return torch.cat([self.table, self.common()[None]])

    def _entries(self, tags: Sequence[str | None]) -> list[int]:
        """Return the index of each language in the extended table; an unknown one gets the last, with one warning."""
        known = [closest(tag, self._supported) if tag else None for tag in tags]
        for tag in {tag for tag, language in zip(tags, known, strict=True) if language is None} - self._warned:
            self._warned.add(tag)
            unknown = tag or "texts without a known language"
            log.warning("%s was not fitted on %s; it uses what all its languages share", type(self).__name__, unknown)
        return [len(self.languages) if language is None else self.languages.index(language) for language in known]

    def save(self, output_path: str, *args: Any, safe_serialization: bool = True, **kwargs: Any) -> None:
        """Write config.json and model.safetensors to `output_path`."""
        self.save_config(output_path)
        tensors = {name: tensor.contiguous() for name, tensor in self.state_dict().items()}
        save_file(tensors, str(Path(output_path) / "model.safetensors"))

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", **kwargs: Any) -> Self:
        """Read what `save` wrote, from a folder or from the hub.

        Raises:
            IsoglotError: The languages or the table are missing or do not match.
        """
        config = cls.load_config(model_name_or_path, subfolder=subfolder, **_hub(kwargs))
        tensors = load_file(cls.load_file_path(model_name_or_path, "model.safetensors", subfolder, **_hub(kwargs)))
        settings = {key: config[key] for key in cls.config_keys if key in config} if isinstance(config, dict) else {}
        languages = settings.get("languages")
        count = len(languages) if isinstance(languages, list) else -1
        named = {"table"} <= tensors.keys() <= cls.tensors
        if not named or any(tensor.shape[:1] != (count,) for tensor in tensors.values()):
            raise _damaged(model_name_or_path, subfolder, "'table' has to have an entry for each of 'languages'")
        return cls(**settings, **tensors)


class LanguageCentering(LanguageModule):
    """unit(unit(z) - m) with a mean m for each language and role; for an unknown role, the mean of both means.

    Args:
        languages: L canonical tags.
        table: The means of queries and those of documents, (L, 2, d).
        query_language: Where the language of a query comes from: ``given`` (by the caller, else detected), ``detected``
            (whatever the caller says), ``inferred`` (from its vector) or ``common`` (all queries have one mean).
        reader: For ``inferred``: W and b side by side, (L, d + 1); m is the mean of the languages' means under
            softmax(W z + b).
    """

    config_keys = ("languages", "query_language")
    tensors = frozenset({"table", "reader"})

    def __init__(
        self, languages: Sequence[str], table: Tensor, query_language: str = "given", reader: Tensor | None = None
    ) -> None:
        super().__init__(languages, table)
        self.query_language = query_language
        self.register_buffer("reader", reader)

    def moved(self, means: Mapping[str, Floats]) -> dict[str, float]:
        """Return how far the documents' means have moved since the module was fitted.

        Args:
            means: Canonical tag -> the mean of the unit vectors of its documents as they are now, (d,).

        Returns:
            Tag -> the distance from the fitted mean (of an unknown language, from the mean of all), in parts of the
            root mean square distance of the fitted means from their centre. isoglot's own.
        """
        table = self._extended()[self._entries(list(means)), ROLES.index("document")].double()
        fitted = self.table[:, ROLES.index("document")].double()
        spread = (fitted - fitted.mean(dim=0)).norm(dim=1).square().mean().sqrt()
        now = torch.tensor(np.stack(list(means.values())), dtype=torch.float64)
        distances = (now.to(table) - table).norm(dim=1) / (spread if len(self.languages) > 1 else fitted.norm())
        return dict(zip(means, distances.tolist(), strict=True))

    def common(self) -> Tensor:
        """Return the mean of the languages' means, (2, d)."""
        means: Tensor = self.table.mean(dim=0)
        return means

    def transform(self, vectors: Tensor, tags: Sequence[str | None], roles: Sequence[str | None]) -> Tensor:
        """As in `LanguageModule`."""
        units = functional.normalize(vectors, dim=1)
        means = self._extended()
        means = torch.cat([means, means.mean(dim=1, keepdim=True)], dim=1)  # behind both roles' the mean of both
        shifts = means[self._entries(tags), [ROLES.index(role) if role else len(ROLES) for role in roles]].to(units)
        if self.reader is not None:
            reader = self.reader.to(units)
            posterior = torch.softmax(functional.linear(units, reader[:, :-1], reader[:, -1]), dim=1)
            is_query = torch.tensor([role == "query" for role in roles], device=units.device)
            shifts = torch.where(is_query[:, None], posterior @ self.table[:, 0].to(units), shifts)
        return functional.normalize(units - shifts, dim=1)


class LanguageProjection(LanguageModule):
    """unit(z - z B^T B): removes what lies in the directions B of a language.

    The table is (L, r, d): r orthonormal directions of each language.
    """

    def common(self) -> Tensor:
        """Return the first r right singular vectors of the directions of all languages, (r, d)."""
        _, rank, dimension = self.table.shape
        directions: Tensor = torch.linalg.svd(self.table.reshape(-1, dimension), full_matrices=False).Vh
        return directions[:rank]

    def transform(self, vectors: Tensor, tags: Sequence[str | None], roles: Sequence[str | None]) -> Tensor:
        """As in `LanguageModule`."""
        directions = self._extended()[self._entries(tags)].to(vectors)
        inside = torch.einsum("bd,brd->br", vectors, directions)
        return functional.normalize(vectors - torch.einsum("br,brd->bd", inside, directions), dim=1)


class InferredCentering(Module):  # type: ignore[misc]
    """unit(z - softmax(z W^T + b) M): subtracts the mean of the languages and roles that a vector seems to be in.

    No language has to be stated or detected: the posterior over c classes (language, role) is computed from the vector.

    Args:
        weight: W, (c, d).
        bias: b, (c,).
        means: M, (c, d).
    """

    def __init__(self, weight: Tensor, bias: Tensor, means: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)
        self.register_buffer("means", means)

    def forward(self, features: dict[str, Any]) -> dict[str, Any]:
        """Change ``features["sentence_embedding"]``, (b, d)."""
        vectors = functional.normalize(features["sentence_embedding"], dim=1)
        posterior = torch.softmax(functional.linear(vectors, self.weight, self.bias), dim=1)
        features["sentence_embedding"] = functional.normalize(vectors - posterior @ self.means, dim=1)
        return features

    def save(self, output_path: str, *args: Any, safe_serialization: bool = True, **kwargs: Any) -> None:
        """Write config.json and model.safetensors to `output_path`."""
        self.save_config(output_path)
        tensors = {name: tensor.contiguous() for name, tensor in self.state_dict().items()}
        save_file(tensors, str(Path(output_path) / "model.safetensors"))

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", **kwargs: Any) -> Self:
        """Read what `save` wrote, from a folder or from the hub.

        Raises:
            IsoglotError: A tensor is missing, or there is one too many.
        """
        tensors = load_file(cls.load_file_path(model_name_or_path, "model.safetensors", subfolder, **_hub(kwargs)))
        if tensors.keys() != {"weight", "bias", "means"}:
            raise _damaged(model_name_or_path, subfolder, "it has to have the tensors weight, bias and means")
        return cls(**tensors)


def _hub(given: dict[str, Any]) -> dict[str, Any]:
    """Return those arguments of a module's ``load`` that say where and how files are found."""
    hub = {name: given.get(name) for name in ("token", "cache_folder", "revision")}
    return {**hub, "local_files_only": given.get("local_files_only", False)}


def _damaged(model: str, subfolder: str, reason: str) -> IsoglotError:
    where = f"{model}/{subfolder}" if subfolder else model
    return IsoglotError(f"{where}: config.json or model.safetensors is damaged: {reason}")


LANGUAGE_MODULES = {
    f"{cls.__module__}.{cls.__qualname__}": cls for cls in (LanguageCentering, LanguageProjection, InferredCentering)
}
"""The module classes that isoglot loads from a model folder without trusting its code, since they are its own."""
