"""Encoding one shard: what decides its vectors, and the work itself, which any process can do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoglot.platform.errors import IsoglotError
from isoglot.scale.shards import Text, write_shard

if TYPE_CHECKING:
    from isoglot.encoders.encoder import Encoder

SHARD_SIZE = 8192


@dataclass(frozen=True)
class How:
    """What decides the vectors of a corpus, and what finds them again.

    Attributes:
        model: A name as for `load_encoder`.
        precision: Likewise.
        dtype: What is stored: ``float32`` or ``float16``.
        shard_size: Texts in a shard.
        threads: Threads of a product; 0: as many as there are cores. Products of another number of threads may
            round differently.
    """

    model: str
    precision: str = "auto"
    dtype: str = "float32"
    shard_size: int = SHARD_SIZE
    threads: int = 0

    def __post_init__(self) -> None:
        if self.dtype not in ("float16", "float32"):
            raise IsoglotError(f"unknown dtype {self.dtype!r}; choose float16 or float32")
        if self.shard_size < 1:
            raise IsoglotError(f"shard size {self.shard_size}: a shard holds at least one text")


@dataclass(frozen=True)
class Shard:
    """Texts to be encoded, their digest, and where to."""

    role: str
    texts: list[Text]
    digest: str
    path: Path


def encode_shard(encoder: Encoder, how: How, shard: Shard) -> None:
    """Encode a shard's texts, alone, and write it.

    Raises:
        IsoglotError: A vector is not finite, or the shard cannot be written.
    """
    texts, languages = [text.text for text in shard.texts], [text.language for text in shard.texts]
    vectors = encoder.encode(texts, shard.role, languages, keep=False)
    write_shard(shard.path, shard.texts, vectors.astype(how.dtype), shard.digest)


def load_for(how: How, loading: dict[str, Any]) -> Encoder:
    """The encoder, with the threads that were asked for.

    Raises:
        IsoglotError: The model cannot be loaded.
    """
    import torch

    from isoglot.encoders.sentence_transformer import load_encoder

    if how.threads:
        torch.set_num_threads(how.threads)
    return load_encoder(how.model, **loading)
