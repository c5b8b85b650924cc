"""Encoding of one shard: the settings that decide its vectors, and the work itself, which any process can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from isoglot.encoders.lengths import length_sums
from isoglot.platform.errors import IsoglotError
from isoglot.scale.shards import ShardCounts, Text, write_shard

if TYPE_CHECKING:
    from isoglot.encoders.encoder import Encoder

SHARD_SIZE = 8192


@dataclass(frozen=True, kw_only=True)
class EncodingSettings:
    """Settings that decide the vectors of a corpus and how it is cut into shards.

    Attributes:
        model: Name of the model, as for `load_encoder`.
        precision: Precision of the model's products, as for `load_encoder`.
        dtype: Type of the numbers in the files: ``float32`` or ``float16``.
        shard_size: Number of texts in a shard.
        threads: Number of threads of a matrix product; 0: one for each core. With another number of threads a product
            may round differently.
        prompts: Role -> the prompt that the user chose, as for `load_encoder`.

    Raises:
        IsoglotError: The type of numbers is unknown, or a shard would hold no text.
    """

    model: str
    precision: str = "auto"
    dtype: str = "float32"
    shard_size: int = SHARD_SIZE
    threads: int = 0
    prompts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.dtype not in ("float16", "float32"):
            raise IsoglotError(f"unknown dtype {self.dtype!r}; choose float16 or float32")
        if self.shard_size < 1:
            raise IsoglotError(f"shard size {self.shard_size}: a shard holds at least one text")


@dataclass(frozen=True)
class Shard:
    """Texts to encode, and the file that their vectors go to.

    Attributes:
        role: ``document`` or ``query``.
        texts: The texts.
        digest: Digest of the texts, see `digest_of`.
        model: Digest of all else that decides the vectors, see `Manifest.model_digest`.
        path: The file.
    """

    role: str
    texts: list[Text]
    digest: str
    model: str
    path: Path


def encode_shard(encoder: Encoder, settings: EncodingSettings, shard: Shard) -> None:
    """Encode the texts of one shard, without those of any other, and write them.

    Raises:
        IsoglotError: A vector is not finite, or the shard cannot be written.
    """
    texts, languages = [text.text for text in shard.texts], [text.language for text in shard.texts]
    vectors = encoder.encode(texts, shard.role, languages, keep=False, allow_zero=True)
    limit, lengths = encoder.token_limit(shard.role), None
    if tokens := encoder.token_lengths(["", *texts], shard.role):
        lengths = length_sums(texts, languages, tokens[1:], tokens[0], limit)
    counts = ShardCounts(zero=int((~vectors.any(axis=1)).sum()), limit=limit, lengths=lengths)
    write_shard(shard.path, shard.texts, vectors.astype(settings.dtype), shard.digest, shard.model, counts)


def load_encoder_for(settings: EncodingSettings, *, device: str, trust_remote_code: bool) -> Encoder:
    """Load the encoder of the settings and set their number of threads for this process.

    Args:
        settings: Settings of the encoding.
        device: ``auto`` or a torch device.
        trust_remote_code: Whether code inside the model's repository may run.

    Raises:
        IsoglotError: The model cannot be loaded.
    """
    import torch

    from isoglot.encoders.sentence_transformer import load_encoder

    if settings.threads:
        torch.set_num_threads(settings.threads)
    return load_encoder(
        settings.model,
        device=device,
        precision=settings.precision,
        trust_remote_code=trust_remote_code,
        prompts=settings.prompts,
    )
