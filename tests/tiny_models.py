"""Tiny random models of every kind that sentence-transformers loads, over characters and with at most 32 dimensions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Router
from sentence_transformers.sentence_transformer.modules import (
    Dense,
    Normalize,
    Pooling,
    StaticEmbedding,
    Transformer,
)
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

DIMENSION = 32
CHARACTERS = "abcdefghijklmnopqrstuvwxyzäöüßñéабвгдежзийклмнопрстуфхцчшщъыьэюя0123456789 .,:?"
SPECIAL = ["<pad>", "<unk>", "<s>", "</s>"]
PROMPTS = {"query": "q: ", "document": "d: "}


def tiny_tokenizer(characters: str = CHARACTERS) -> PreTrainedTokenizerFast:
    """A token for each character."""
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *characters])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=[("<s>", 2), ("</s>", 3)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        model_max_length=128,
    )


def save_bert(folder: Path, seed: int = 0, spread: float = 0.02) -> Path:
    """Save a random BERT of 2 layers with its tokenizer, and return its folder."""
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(SPECIAL) + len(CHARACTERS),
        hidden_size=DIMENSION,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
        pad_token_id=0,
        initializer_range=spread,
    )
    BertModel(config).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def transformer(bert: Path) -> list[torch.nn.Module]:
    """The modules that most models begin with."""
    return [Transformer(str(bert)), Pooling(DIMENSION, "mean")]


def static() -> StaticEmbedding:
    """An embedding for each token, whose mean is a text's vector: no transformer, no pooling, no token limit.

    Its tokens have other numbers than those of the transformers.
    """
    torch.manual_seed(2)
    return StaticEmbedding(tiny_tokenizer(CHARACTERS[::-1]), embedding_dim=DIMENSION)


def dense() -> Dense:
    """A layer from 32 to 24 dimensions."""
    torch.manual_seed(3)
    return Dense(DIMENSION, 24, activation_function=torch.nn.Identity())


KINDS: dict[str, tuple[Callable[[Path, Path], list[torch.nn.Module]], dict[str, Any]]] = {
    "normalized": (lambda one, two: [*transformer(one), Normalize()], {}),
    "unnormalized": (lambda one, two: transformer(one), {}),
    "truncated": (lambda one, two: [*transformer(one), Normalize()], {"truncate_dim": 16}),
    "truncated-unnormalized": (lambda one, two: transformer(one), {"truncate_dim": 16}),
    "static": (lambda one, two: [static()], {}),
    "static-truncated": (lambda one, two: [static(), Normalize()], {"truncate_dim": 16}),
    "cls": (lambda one, two: [Transformer(str(one)), Pooling(DIMENSION, "cls"), Normalize()], {}),
    "dense": (lambda one, two: [*transformer(one), dense()], {}),
    "dense-behind": (lambda one, two: [*transformer(one), Normalize(), dense()], {}),
    "router": (
        lambda one, two: [Router.for_query_document(transformer(one), transformer(two)), Normalize()],
        {},
    ),
    "router-static": (lambda one, two: [Router.for_query_document([static()], transformer(two))], {}),
    "default-prompt": (
        lambda one, two: transformer(one),
        {"prompts": {**PROMPTS, "sts": "s: "}, "default_prompt_name": "sts"},
    ),
    "no-prompts": (lambda one, two: transformer(one), {"prompts": {}}),
    "other-prompts": (lambda one, two: transformer(one), {"prompts": {"web_search_query": "w: ", "sts_query": "s: "}}),
}
"""Kind -> its modules, made from the folders of two BERTs, and further arguments of SentenceTransformer."""


def save_model(kind: str, berts: tuple[Path, Path], folder: Path) -> Path:
    """Save a model of a kind, and return its folder."""
    make, arguments = KINDS[kind]
    model = SentenceTransformer(modules=make(*berts), device="cpu", **{"prompts": PROMPTS, **arguments})
    model.save_pretrained(str(folder), create_model_card=False)
    return folder


OWN_CODE = """
from sentence_transformers.base.modules import Module

from .power import POWER


class Raised(Module):
    def forward(self, features, language=None):
        features["sentence_embedding"] = features["sentence_embedding"] ** POWER
        return features

    def save(self, output_path, *args, **kwargs):
        pass

    @classmethod
    def load(cls, *args, **kwargs):
        return cls()
"""
"""A module that comes with a model, in two files."""


def save_with_code(bert: Path, folder: Path, power: int = 1) -> Path:
    """Save a model with a module of its own code, which is passed a text's language, and return its folder."""
    model = SentenceTransformer(modules=[*transformer(bert), Normalize()], device="cpu", prompts=PROMPTS)
    model.save_pretrained(str(folder), create_model_card=False)
    (folder / "raised.py").write_text(OWN_CODE, encoding="utf-8")
    (folder / "power.py").write_text(f"POWER = {power}\n", encoding="utf-8")
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    modules.insert(2, {"idx": 2, "name": "raised", "path": "2_Raised", "type": "raised.Raised", "kwargs": ["language"]})
    modules[3]["idx"] = 3
    (folder / "2_Raised").mkdir()
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    return folder
